"""Native training in its folder: a process per share of a batch, watched from here.

The folder holds state.pt (the last finished epoch), curves.csv and, at the end,
network.safetensors.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from zifglass.core import ZifglassError
from zifglass.core.files import write_text
from zifglass.core.machine import usable_cores
from zifglass.training.curves import LearningCurves, read_curves
from zifglass.training.processes import LOG, child_process, last_line, say_if_stopped, stop_signals
from zifglass.training.settings import TrainingSettings

NATIVE = "network.safetensors"
_poll = 0.5  # seconds between looks at the curves


def run_native(
    folder: Path,
    settings: TrainingSettings,
    files: dict[str, Path],
    frames: int,
    report: Callable[[LearningCurves], None],
    progress: Callable[[int, int], None],
) -> None:
    """Train until the settings say stop, or go on; network.safetensors at the end.

    Raises Stopped when a signal ended it, ZifglassError when a process failed (with the last line
    it printed).
    """
    if (folder / NATIVE).exists():
        return
    per_epoch = math.ceil(frames / settings.batch)
    ranks = max(1, min(settings.batch, usable_cores()))
    meeting = folder / f"meeting-{time.time_ns()}"
    job = {
        "settings": settings.model_dump(mode="json"),
        "files": {name: str(path) for name, path in files.items()},
        "ranks": ranks,
        "meeting": str(meeting),
    }
    write_text(folder / "native.json", json.dumps(job))
    commands = [["zifglass.training.native.worker", str(folder), str(r)] for r in range(ranks)]
    seen = len(read_curves(folder))
    with ExitStack() as stack:
        children = [stack.enter_context(child_process(c, folder)) for c in commands]
        received = stack.enter_context(stop_signals())
        while not received and any(child.poll() is None for child in children):
            time.sleep(_poll)
            if any(child.poll() for child in children):
                break  # the others would wait for it
            curves = read_curves(folder)
            if len(curves) > seen:
                seen = len(curves)
                progress(seen * per_epoch, settings.epochs * per_epoch)
                report(curves)
        failed = any(child.poll() for child in children)
    meeting.unlink(missing_ok=True)
    say_if_stopped(received)
    if failed or not (folder / NATIVE).exists():
        raise ZifglassError(f"native training stopped: {last_line(folder)} (all of it in {LOG})")
