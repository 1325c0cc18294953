"""Ab initio single points of many frames: restartable, parallel, complete in what they report.

Every calculation lives in a folder named after the SHA-256 of its input. A second run finds the
finished ones there, whatever frames were added or reordered; a change of settings or structure
changes the name. Nothing is trusted because a folder exists: its input must be this input, its
output must have ended, and its SCF converged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zifglass.core import Frame, InputError, Structure, as_structure

from .inputs import single_point_input
from .output import SinglePoint, error_message, read_single_point
from .runner import INPUT, LOG, OUTPUT, Cp2k, Task, find_cp2k, locked, run_all
from .sections import Input
from .settings import LevelOfTheory


@dataclass(frozen=True)
class Rejected:
    """A frame without a label: its number in the request, why, and where its output lies."""

    frame: int
    reason: str
    folder: Path


@dataclass(frozen=True)
class Labels:
    """frames: those with a label, in the order asked for, with energy (eV), forces (eV/Å) and
    virial stress (eV/Å³, tension positive). folders: where each of them was calculated.
    rejected: the others. reused: how many results were already there. versions: of CP2K, as its
    outputs say (several if they differ)."""

    frames: tuple[Frame, ...]
    folders: tuple[Path, ...]
    rejected: tuple[Rejected, ...]
    reused: int
    versions: tuple[str, ...]
    level: LevelOfTheory

    def as_dict(self) -> dict[str, Any]:
        """What is written beside the labels: provenance, and every frame left out."""
        return {
            "labelled": len(self.frames),
            "reused": self.reused,
            "rejected": [
                {"frame": item.frame, "reason": item.reason, "folder": str(item.folder)}
                for item in self.rejected
            ],
            "cp2k": list(self.versions),
            "level_of_theory": self.level.model_dump(),
        }


def label(
    frames: Iterable[Any],
    *,
    folder: str | Path,
    level: LevelOfTheory | None = None,
    cp2k: Cp2k | None = None,
    cores: int | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Labels:
    """Energy, forces and stress of every frame (Frame, Structure or ``ase.Atoms``) with CP2K.

    folder: where the calculations lie, to be given again to go on. cores: to use in all, default
    those of this machine; jobs: calculations at once, default as many as there are cores (each
    then runs on one; 272 atoms of ZIF-4 need 6 GB). progress: called with how many are done.

    A frame whose SCF does not converge, or whose calculation fails, is listed in `rejected`,
    never labelled. An unconverged one is not tried again by a rerun (it would end the same
    way); one that CP2K aborted is. Raises ZifglassError if CP2K is not installed.
    """
    level = level or LevelOfTheory()
    wanted = [item if isinstance(item, Frame) else Frame(as_structure(item)) for item in frames]
    if not wanted:
        raise InputError("there is no frame to label")
    folder = Path(folder)
    inputs = [_checked_input(frame.structure, level, index) for index, frame in enumerate(wanted)]
    places = [folder / _name(item) for item in inputs]
    with locked(folder):
        to_do = _unfinished(inputs, places)
        reused = len(set(places)) - len(to_do)
        if to_do:
            _calculate(to_do, cp2k or find_cp2k(), cores, jobs, progress, reused)
    return _collect(wanted, inputs, places, reused, level)


def _checked_input(structure: Structure, level: LevelOfTheory, index: int) -> Input:
    try:
        return single_point_input(structure, level)
    except InputError as error:
        raise InputError(error.message, error.path, frame=index) from None


def _name(item: Input) -> str:
    return hashlib.sha256(item.text().encode()).hexdigest()[:20]


def _unfinished(inputs: Sequence[Input], places: Sequence[Path]) -> list[Task]:
    tasks: dict[Path, Task] = {}
    for item, place in zip(inputs, places, strict=True):
        if place not in tasks and not _is_finished(place, item.text()):
            tasks[place] = Task(item.text(), place)
    return list(tasks.values())


def _is_finished(place: Path, text: str) -> bool:
    """Whether this very input ran to its end here, converged or not."""
    try:
        if (place / INPUT).read_text(encoding="utf-8") != text:
            return False
        with (place / OUTPUT).open("rb") as file:
            file.seek(max(0, (place / OUTPUT).stat().st_size - 4096))
            return b"PROGRAM ENDED AT" in file.read()
    except OSError:
        return False


def _calculate(
    tasks: Sequence[Task],
    cp2k: Cp2k,
    cores: int | None,
    jobs: int | None,
    progress: Callable[[int, int], None],
    reused: int,
) -> None:
    done, total = reused, reused + len(tasks)
    progress(done, total)

    def finished(index: int, status: int) -> None:
        nonlocal done
        done += 1
        progress(done, total)

    run_all(tasks, cp2k, cores=cores, jobs=jobs, finished=finished)


def _collect(
    wanted: Sequence[Frame],
    inputs: Sequence[Input],
    places: Sequence[Path],
    reused: int,
    level: LevelOfTheory,
) -> Labels:
    good: list[Frame] = []
    rejected: list[Rejected] = []
    folders: list[Path] = []
    versions: set[str] = set()
    for index, (frame, item, place) in enumerate(zip(wanted, inputs, places, strict=True)):
        try:
            result = read_single_point(place / OUTPUT, structure=frame.structure, cp2k_input=item)
        except InputError as error:
            rejected.append(Rejected(index, _reason(error, place), place))
            continue
        good.append(_labelled(frame, result))
        folders.append(place)
        versions.add(result.version)
    return Labels(
        tuple(good), tuple(folders), tuple(rejected), reused, tuple(sorted(versions)), level
    )


def _labelled(frame: Frame, result: SinglePoint) -> Frame:
    return replace(frame, energy=result.energy, forces=result.forces, stress=result.stress)


def _reason(error: InputError, place: Path) -> str:
    if error_message(place / OUTPUT) or "cut short" not in error.message:
        return error.message
    try:
        lines = (place / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return error.message
    said = next((line.strip() for line in reversed(lines) if line.strip(" -=")), None)
    return f"{error.message}; its last words: {said}" if said else error.message
