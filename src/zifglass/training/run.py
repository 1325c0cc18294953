"""A training run in its folder: started, watched, killed, started again, finished."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from zifglass.core import InputError, Stopped, ZifglassError
from zifglass.core.files import sha256_of, write_text

from .curves import LearningCurves, read_curves
from .dataset_facts import dataset_facts
from .nequip_config import nequip_config
from .settings import AllegroModel, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

Report = Callable[[LearningCurves], None]
_poll = 2.0  # seconds between looks at the log


@dataclass(frozen=True)
class TrainingRun:
    """folder; curves: of all epochs; checkpoint: the best on validation; package: the same model
    as nequip packages it (``.nequip.zip``)."""

    folder: Path
    curves: LearningCurves
    checkpoint: Path
    package: Path


def train(
    settings: TrainingSettings,
    train_file: str | Path,
    validation_file: str | Path,
    folder: str | Path,
    *,
    start: str | Path | None = None,
    report: Report = lambda curves: None,
) -> TrainingRun:
    """Train until the settings say stop; the same call continues a run that was cut short.

    start: the checkpoint of a run of the same network, whose (averaged) weights this one begins
    with.

    A run goes on from the last finished epoch. Data and settings must be those it began with.
    Raises InputError for data without the labels the loss needs or a folder of another run,
    Stopped when a signal ended it, ZifglassError when nequip is missing or fails (with the last
    line it printed).
    """
    folder = Path(folder).resolve()
    files = {"train": Path(train_file).resolve(), "validation": Path(validation_file).resolve()}
    if start is not None:
        files["start"] = Path(start).resolve()
    require_nequip(settings)
    _prepare(settings, files, folder)
    _run_nequip(folder, settings, report)
    return finish(folder)


def finish(folder: str | Path) -> TrainingRun:
    """Package the best model of a run that has at least one finished epoch."""
    folder = Path(folder).resolve()
    checkpoint = folder / "checkpoints" / "best.ckpt"
    if not checkpoint.exists():
        raise InputError("no finished epoch here: nothing to package yet", folder)
    package = folder / "model.nequip.zip"
    package.unlink(missing_ok=True)
    _call(["nequip.scripts.package", "build", str(checkpoint), str(package)], folder)
    return TrainingRun(folder, read_curves(folder), checkpoint, package)


def require_nequip(settings: TrainingSettings) -> None:
    """Raise ZifglassError with the command to type unless nequip (and Allegro) are installed."""
    names = ["torch", "nequip"]
    if isinstance(settings.model, AllegroModel):
        names.append("allegro")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ZifglassError(
            f"training needs {missing[0]}, which is not installed: pip install 'zifglass[train]'"
        )


def _prepare(settings: TrainingSettings, files: dict[str, Path], folder: Path) -> None:
    """Write what the run is, or check that it is the same run."""
    identity = {
        "settings": settings.model_dump(mode="json"),
        "data": {name: sha256_of(_existing(path)) for name, path in files.items()},
    }
    record = folder / "run.yaml"
    if record.exists():
        if yaml.safe_load(record.read_text(encoding="utf-8")) != identity:
            raise InputError(
                "this folder holds a training run with other settings or data; give another folder",
                folder,
            )
        return
    from zifglass.io import read

    facts = dataset_facts([read(files["train"])], cutoff=settings.model.cutoff)
    if settings.learns_stress and not facts.has_stress:
        raise InputError(
            "the loss weighs the stress, but frames lack some or all of its components; set "
            "loss.stress to 0 or label the stress",
            files["train"],
        )
    config = nequip_config(
        settings,
        facts,
        train=files["train"],
        validation=files["validation"],
        folder=folder,
        start=files.get("start"),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "nequip.yaml", yaml.safe_dump(config, sort_keys=False))
    write_text(record, yaml.safe_dump(identity, sort_keys=False))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError("no data file here", path)
    return path


def _run_nequip(folder: Path, settings: TrainingSettings, report: Report) -> None:
    done = folder / "done"
    if done.exists():
        return
    part = len(list(folder.glob("logs/part-*")))
    command = [
        "nequip.scripts.train", "-cp", str(folder), "-cn", "nequip",
        f"hydra.run.dir={folder / 'hydra'}", f"trainer.logger.version=part-{part:03d}",
    ]  # fmt: skip
    last = folder / "checkpoints" / "last.ckpt"
    if last.exists():
        command.append(f"+ckpt_path={last}")
    start, seen, enough = time.monotonic(), len(read_curves(folder)), False
    with _child(command, folder) as child, _signals() as received:
        while child.poll() is None and not enough and not received:
            time.sleep(_poll)
            curves = read_curves(folder)
            if len(curves) > seen:
                seen = len(curves)
                report(curves)
                enough = curves.learning_rate[-1] < settings.learning_rate_stop
            if settings.hours is not None:
                enough |= time.monotonic() - start > 3600 * settings.hours
    if received:
        raise Stopped(
            f"training stopped by {signal.Signals(received[0]).name}; the same command goes on "
            "from the last finished epoch"
        )
    if child.returncode and not enough:
        raise ZifglassError(f"nequip stopped: {_last_line(folder)} (all of it in nequip.log)")
    write_text(done, "")


@contextmanager
def _child(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child Python that never outlives the block; its output goes to nequip.log."""
    with (folder / "nequip.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"HYDRA_FULL_ERROR": "1"},
            # Ctrl-C in a terminal reaches the whole group; this process decides what it means.
            start_new_session=True,
        )
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    child.kill()
            child.wait()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Signals received inside the block, instead of their usual effect."""
    received: list[int] = []
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in watched}
    for number in watched:
        signal.signal(number, lambda which, frame: received.append(which))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _call(command: list[str], folder: Path) -> None:
    with _child(command, folder) as child:
        child.wait()
    if child.returncode:
        raise ZifglassError(f"nequip stopped: {_last_line(folder)} (all of it in nequip.log)")


def _last_line(folder: Path) -> str:
    lines = (folder / "nequip.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
