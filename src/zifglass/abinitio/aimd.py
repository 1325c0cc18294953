"""Ab initio molecular dynamics in stages, each of which survives being killed at any instant.

A stage is a folder of legs; a leg is one CP2K process in a folder of its own, started from the
newest whole restart file of the legs before it. Nothing is appended to a file that a killed
process may have cut.

The stages of the published training set (SI, Table S1): 300 K crystals at volumes reached by
successive instantaneous isotropic changes of 2 %, each followed by more than 10 ps, then heated.
How the temperature was raised is not in the SI; here the thermostat's target jumps and CSVR
takes its time constant (1 ps) to follow.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Stopped, Structure, ZifglassError
from zifglass.core.files import write_json
from zifglass.core.units import fs, ps

from .inputs import aimd_input, structure_in, velocities_in
from .md import MdTrajectory, read_md
from .md_files import find_md_files
from .output import error_message
from .runner import OUTPUT, Cp2k, Task, find_cp2k, locked, run_all
from .sections import Input, read_input
from .settings import Dynamics, LevelOfTheory

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

_project = "aimd"
_start = "start.restart"
_record = "stage.json"
_look_every = 2.0  # s between looks at how far CP2K is


@dataclass(frozen=True)
class Stage:
    """A piece of the plan. start: the stage whose end it begins from, None for the structure
    given. volume_factor: instantaneous, isotropic, on the previous volume. temperature: K.
    duration: fs."""

    name: str
    start: str | None
    volume_factor: float
    temperature: float
    duration: float


def table_s1(*, equilibration: float = 10 * ps, heating: float = 60 * ps) -> tuple[Stage, ...]:
    """The strained crystals and the four liquids of Table S1. Durations in fs.

    equilibration: at 300 K after each change of volume ("larger than 10 ps"). heating: of each
    liquid; the paper's are long enough to hold 50 ps of liquid, so look at when it melted. At
    1500 K the −2 % and −4 % crystals did not melt and were taken to 1750 K.
    """
    cold = [
        Stage("crystal", None, 1.0, 300.0, equilibration),
        Stage("crystal_plus2", "crystal", 1.02, 300.0, equilibration),
        Stage("crystal_minus2", "crystal", 0.98, 300.0, equilibration),
        Stage("crystal_minus4", "crystal_minus2", 0.98, 300.0, equilibration),
    ]
    hot = [
        Stage("liquid_plus2", "crystal_plus2", 1.0, 1500.0, heating),
        Stage("liquid", "crystal", 1.0, 1500.0, heating),
        Stage("liquid_minus2", "crystal_minus2", 1.0, 1750.0, heating),
        Stage("liquid_minus4", "crystal_minus4", 1.0, 1750.0, heating),
    ]
    return (*cold, *hot)


def run_aimd(
    plan: Sequence[Stage],
    structure: Structure,
    *,
    folder: str | Path,
    only: Sequence[str] = (),
    level: LevelOfTheory | None = None,
    dynamics: Dynamics | None = None,
    cp2k: Cp2k | None = None,
    cores: int | None = None,
    seed: int = 1,
    progress: Progress = lambda stage, step, steps: None,
) -> dict[str, MdTrajectory]:
    """Run the stages of `plan` in order, each in ``folder/<name>``; returns their trajectories.

    only: these stages and what they start from; default all. seed: of the first velocities.
    Give the same folder again to go on where a run stopped; finished stages are not run again.

    Raises InputError if the folder holds a run with other settings, Stopped if CP2K ended at
    ``dynamics.walltime`` (run again to go on), ZifglassError with CP2K's words if it failed.
    """
    level, dynamics = level or LevelOfTheory(), dynamics or Dynamics()
    chosen = _needed(plan, only)
    results: dict[str, MdTrajectory] = {}
    ends: dict[str, tuple[Structure, Array | None]] = {}
    for stage in chosen:
        begin, velocities = ends[stage.start] if stage.start else (structure, None)
        begin = begin.scaled_to(begin.cell * stage.volume_factor ** (1 / 3))
        run = _StageRun(stage, begin, velocities, Path(folder) / stage.name, level, dynamics, seed)
        with locked(run.folder):
            run.check()
            if run.steps_done() < run.steps:
                run.advance(cp2k or find_cp2k(), cores, progress)
            progress(stage.name, run.steps, run.steps)
        ends[stage.name] = run.end()
        results[stage.name] = read_md(run.legs(), hydrogen_mass=dynamics.hydrogen_mass)
    return results


def _needed(plan: Sequence[Stage], only: Sequence[str]) -> list[Stage]:
    by_name = {stage.name: stage for stage in plan}
    for name in only:
        if name not in by_name:
            raise InputError(f"no stage {name!r}: the plan has {', '.join(by_name)}")
    wanted = set(only or by_name)
    for stage in reversed(plan):
        if stage.name in wanted and stage.start:
            wanted.add(stage.start)
    return [stage for stage in plan if stage.name in wanted]


@dataclass(frozen=True)
class _StageRun:
    stage: Stage
    structure: Structure
    velocities: Array | None
    folder: Path
    level: LevelOfTheory
    dynamics: Dynamics
    seed: int

    @property
    def steps(self) -> int:
        return max(1, round(self.stage.duration / (self.dynamics.timestep * fs)))

    def legs(self) -> list[Path]:
        """Folders of the legs that wrote at least one frame, in order."""
        return [leg for leg in self._folders() if list(leg.glob(f"{_project}-pos-1.xyz"))]

    def check(self) -> None:
        """Refuse a folder whose run was started with other settings; note ours in a new one."""
        path = self.folder / _record
        ours = self._settings()
        if path.is_file():
            theirs = json.loads(path.read_text(encoding="utf-8"))
            changed = [key for key in ours if ours[key] != theirs.get(key)]
            if changed:
                raise InputError(
                    f"this stage was begun with another {' and '.join(changed)}: go on with the "
                    "same, or choose another folder",
                    self.folder,
                )
        else:
            write_json(path, ours)

    def steps_done(self) -> int:
        """The step of the newest whole restart file."""
        newest = self._newest()
        return 0 if newest is None else newest[1]

    def end(self) -> tuple[Structure, Array | None]:
        """Where the stage ended: structure and velocities."""
        newest = self._newest()
        assert newest is not None
        tree = read_input(newest[0])
        return structure_in(tree), velocities_in(tree)

    def advance(self, cp2k: Cp2k, cores: int | None, progress: Progress) -> None:
        """One more leg, to the end of the stage or the wall time."""
        newest = self._newest()
        done = 0 if newest is None else newest[1]
        leg = self.folder / f"leg_{len(self._folders()):03d}"
        leg.mkdir(parents=True)
        if newest is not None:
            shutil.copyfile(newest[0], leg / _start)
        task = Task(self._input(done, restart=newest is not None).text(), leg)
        status: list[int] = []
        looked = 0.0

        def look() -> None:
            nonlocal looked
            if time.monotonic() - looked > _look_every:
                looked = time.monotonic()
                progress(self.stage.name, max(done, _last_step(leg)), self.steps)

        run_all(
            [task], cp2k, cores=cores, finished=lambda _, code: status.append(code), waiting=look
        )
        if self.steps_done() < self.steps:
            self._explain(leg, status[0])

    def _explain(self, leg: Path, status: int) -> None:
        message = error_message(leg / OUTPUT)
        if message:
            raise ZifglassError(f"CP2K stopped in stage {self.stage.name}: {message} ({leg})")
        if status:
            raise ZifglassError(
                f"CP2K ended with status {status} in stage {self.stage.name}; its output is in "
                f"{leg}; run again to go on from step {self.steps_done()}"
            )
        raise Stopped(
            f"stage {self.stage.name} stopped at step {self.steps_done()} of {self.steps} "
            "(wall time); run again to go on"
        )

    def _input(self, done: int, *, restart: bool) -> Input:
        return aimd_input(
            self.structure,
            self.level,
            self.dynamics,
            temperature=self.stage.temperature,
            steps=self.steps - done,
            velocities=self.velocities,
            seed=self.seed,
            restart_file=_start if restart else None,
            project=_project,
        )

    def _settings(self) -> dict[str, Any]:
        """Everything that decides the trajectory; wall time and how often to write do not."""
        decides = {"timestep", "thermostat_time", "hydrogen_mass"}
        ours = {
            "start": self._start_digest(),
            "level of theory": self.level.model_dump(),
            "dynamics": self.dynamics.model_dump(include=decides),
            "temperature": self.stage.temperature,
            "seed": self.seed,
        }
        return dict(json.loads(json.dumps(ours)))

    def _start_digest(self) -> str:
        """Of atoms, cell and velocities, to the ten decimals that CP2K is given."""
        arrays = [self.structure.numbers, self.structure.cell, self.structure.positions]
        arrays += [] if self.velocities is None else [self.velocities]
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.array2string(array, precision=10, threshold=10**9).encode())
        return digest.hexdigest()

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob("leg_*"))

    def _newest(self) -> tuple[Path, int] | None:
        """(restart file, its step), the newest that is whole."""
        for leg in reversed(self._folders()):
            names = [f"{_project}-1.restart", *(f"{_project}-1.restart.bak-{k}" for k in (1, 2, 3))]
            whole = [(leg / name, step) for name in names if (step := _restart_step(leg / name))]
            if whole:
                return max(whole, key=lambda item: item[1])
        return None


def _restart_step(path: Path) -> int | None:
    """The step of a restart file; None if it is missing, cut short or has not moved."""
    try:
        section = read_input(path).find("MOTION", "MD")
    except InputError:
        return None
    value = section.value("STEP_START_VAL") if section else None
    return int(value) if value else None


def _last_step(leg: Path) -> int:
    try:
        energies = find_md_files(leg, project=_project).energies
        text = energies.read_text().splitlines()[-1] if energies else "0"
        return int(text.split()[0])
    except (InputError, ValueError, IndexError, OSError):
        return 0
