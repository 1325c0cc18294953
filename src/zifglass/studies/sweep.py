"""A strain sweep carried out: what mechanics asks for, run by dynamics, each in a folder of its
own (preparation, compression-1, expansion-1…)."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zifglass import dynamics, mechanics, read
from zifglass.core import InputError, Structure
from zifglass.core.machine import end_with_parent

from .potential import load

Report = Callable[[dynamics.Progress], None]
Reporter = Callable[[str], AbstractContextManager[Report | None]]
"""Run's name → while entered, what is told its progress. Goes to worker processes."""


def _silent(name: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Sweep:
    """What every run of a sweep shares; goes to worker processes. deadline: of the monotonic
    clock, s. threads: of each run."""

    folder: Path
    structure: Structure
    potential: str
    settings: mechanics.StrainSweepSettings
    seed: int = 0
    threads: int | None = None
    deadline: float | None = None
    reporter: Reporter = _silent
    note: Callable[[str], None] = print


def run_sweep(sweep: Sweep, *, workers: int = 1) -> None:
    """Run what `mechanics.next_steps` asks for until it asks for nothing; finished runs are kept.

    workers: processes; 2 runs both directions at once. Raises Stopped, with everything saved,
    after a signal or at the deadline.
    """
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from multiprocessing import get_context

    try:
        sweep.settings.linkers.find(sweep.structure)
    except InputError as error:
        if {7, 30} <= set(sweep.structure.numbers.tolist()):
            sweep.note(f"broken linkers are not looked for: {error.message}")
    _run_one(sweep, None)
    carry_out = partial(_run_one, sweep)
    while True:
        holds = finished_holds(sweep.folder, sweep.settings, n_atoms=len(sweep.structure))
        steps = mechanics.next_steps(holds, sweep.settings)
        if not steps:
            return
        if workers == 1 or len(steps) == 1:
            for step in steps:
                carry_out(step)
        else:
            with ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=end_with_parent
            ) as pool:
                list(pool.map(carry_out, steps))


def finished_holds(
    folder: Path, settings: mechanics.StrainSweepSettings, *, n_atoms: int
) -> list[mechanics.Hold]:
    """Of every run in `folder`; the preparation first, its structure is what the others lose."""
    if not _is_finished(folder / "preparation"):
        raise InputError("no finished preparation (preparation/thermo.csv) in this folder", folder)
    first, at_start = _hold_of(folder / "preparation", settings, n_atoms=n_atoms)
    holds = [first]
    for path in sorted(folder.glob("*-*/thermo.csv")):
        direction, _, number = path.parent.name.partition("-")
        known = direction in ("compression", "expansion") and number.isdigit()
        if known and _is_finished(path.parent):
            hold, _ = _hold_of(
                path.parent, settings, n_atoms=n_atoms, at_start=at_start,
                direction=direction, number=int(number),
            )  # fmt: skip
            holds.append(hold)
    return holds


def _run_one(sweep: Sweep, step: mechanics.Step | None) -> None:
    """The preparation (None) or one step; finished ones are kept."""
    name = "preparation" if step is None else step.name
    if _is_finished(sweep.folder / name):
        return
    if step is None:
        protocol = mechanics.preparation_protocol(sweep.settings)
    else:
        protocol = mechanics.step_protocol(step.direction, sweep.settings)
    left = None if sweep.deadline is None else max(0.0, sweep.deadline - time.monotonic())
    with sweep.reporter(name) as report:
        dynamics.run(
            protocol,
            sweep.structure,
            load(sweep.potential, threads=sweep.threads),
            folder=sweep.folder / name,
            seed=sweep.seed,
            settings=dynamics.RunSettings(linkers=sweep.settings.linkers),
            max_wall=left,
            report=report,
            note=lambda sentence: sweep.note(f"{name}: {sentence}"),
            fork=None if step is None else sweep.folder / step.start,
        )


def _is_finished(run: Path) -> bool:
    """By the run's own word; a folder with no status was made elsewhere and counts as whole."""
    status = run / "status.json"
    if not status.exists():
        return (run / "thermo.csv").exists()
    return bool(json.loads(status.read_text(encoding="utf-8")).get("status") == "finished")


def _hold_of(
    run: Path,
    settings: mechanics.StrainSweepSettings,
    *,
    n_atoms: int,
    at_start: mechanics.StructuralState | None = None,
    direction: Any = "start",
    number: int = 0,
) -> tuple[mechanics.Hold, mechanics.StructuralState | None]:
    """The hold that ends a run, and its structure where the run left a trajectory."""
    columns = _read_columns(run / "thermo.csv")
    state = None
    path = next((p for p in (run / "trajectory.h5", run / "trajectory") if p.exists()), None)
    if path is not None:
        frames = read(path)
        if "segment" in columns and "time_ps" in columns and frames.times is not None:
            began = columns["time_ps"][columns["segment"] == columns["segment"][-1]].min()
            frames = frames[int((frames.times < began * 1e3).sum()) :]
        state = mechanics.structural_state(frames, linkers=settings.linkers)
    hold = mechanics.hold_from_thermo(
        columns,
        settings=settings,
        direction=direction,
        number=number,
        n_atoms=n_atoms,
        structure=state,
        structure_at_start=at_start,
    )
    return hold, state


def _read_columns(path: Path) -> dict[str, Any]:
    """The columns of a thermo table, ours or made elsewhere, by the names in its first line."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} columns, found {len(row)}", path, line=line)
    try:
        values = np.array(rows, dtype=float).reshape(len(rows), len(names))
    except ValueError as error:
        raise InputError(f"a thermo table holds numbers only: {error}", path) from None
    return dict(zip(names, values.T, strict=True))
