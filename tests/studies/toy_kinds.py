"""Stages of next to no cost for tests of the runner, in a module that a job can import."""

from __future__ import annotations

import errno
import json
import os
import time

from zifglass.core import InputError, Quantity, Stopped
from zifglass.studies import StageContext, stage_kind


@stage_kind("toy-sum", method=1, references=("castel2024",))
def add(context: StageContext) -> None:
    """value = settings.value + what the input file holds + the values of all needed stages."""
    total = float(context.settings["value"])
    total += sum(float(path.read_text()) for path in context.stage.inputs.values())
    for folder in context.results.values():
        total += json.loads((folder / "results.json").read_text())["value"]["value"]
    _count_call(context)
    context.write_results({"value": Quantity(total, None, "1")})


@stage_kind("toy-count", method=1)
def count(context: StageContext) -> None:
    """Counts to settings.steps with a checkpoint after each; the sum of all numbers comes out."""
    kept = context.folder / "checkpoints"
    kept.mkdir(exist_ok=True)
    state = kept / "state.json"
    at, total = json.loads(state.read_text()) if state.exists() else (0, 0)
    while at < context.settings["steps"]:
        if context.max_wall == 0.0:
            raise Stopped("the wall time is used up")
        at, total = at + 1, total + at + 1
        part = kept / ".state.json"
        part.write_text(json.dumps([at, total]))
        part.replace(state)
        time.sleep(context.settings.get("pause", 0.01))
    context.write_results({"total": Quantity(total, None, "1")})


@stage_kind("toy-fail", method=1)
def fail(context: StageContext) -> None:
    """Fails in the way settings.how says, unless the input file holds "well"."""
    if any(path.read_text() == "well" for path in context.stage.inputs.values()):
        return
    how = context.settings["how"]
    if how == "input":
        raise InputError("the crystal is upside down", "crystal.cif", line=3)
    if how == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(context.folder / "big.bin"))
    if how == "kill":
        os.kill(os.getpid(), 9)
    raise RuntimeError("a bug")


@stage_kind("toy-threads", method=1)
def threads(context: StageContext) -> None:
    """What it was given, and when."""
    begin = time.time()
    time.sleep(context.settings["seconds"])
    told = {"threads": context.threads, "omp": int(os.environ["OMP_NUM_THREADS"])}
    (context.folder / "span.json").write_text(json.dumps(told | {"span": [begin, time.time()]}))


def _count_call(context: StageContext) -> None:
    with (context.folder / "calls.txt").open("a") as file:
        file.write("called\n")


@stage_kind("toy-npt", method=1)
def npt(context: StageContext) -> None:
    """A trajectory of the Gaussian cell of a cubic solid: K = 8 GPa in 10 nm³ at 300 K."""
    import numpy as np

    from zifglass.core import ArrayTrajectory
    from zifglass.core.units import GPa, kB
    from zifglass.io import write

    rng = np.random.default_rng(context.settings["seed"])
    stiffness = np.full((3, 3), 7.0 * GPa) + np.eye(3) * 3.0 * GPa
    volume, frames = 1e4, 2000
    normal = rng.multivariate_normal(
        np.zeros(3), np.linalg.inv(stiffness) * kB * 300.0 / volume, size=frames
    )
    shear = rng.normal(scale=np.sqrt(kB * 300.0 / volume / (2.0 * GPa)) / 2, size=(frames, 3))
    strain = np.zeros((frames, 3, 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        strain[:, i, i] = normal[:, i]
        strain[:, j, k] = strain[:, k, j] = shear[:, i]
    cells = volume ** (1 / 3) * (np.eye(3) + strain)
    trajectory = ArrayTrajectory.from_arrays(
        [30], np.zeros((frames, 1, 3)), cells, times=100.0 * np.arange(frames)
    )
    write(context.folder / "trajectory.h5", trajectory)
