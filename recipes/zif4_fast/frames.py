"""Frames of a data set: gathered from runs, sorted alike, doubted by a committee, labelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass import read
from zifglass.core import ArrayTrajectory, Frame, InputError, Potential, Structure
from zifglass.core.neighbors import neighbor_list
from zifglass.io import write

Array = NDArray[np.float64]
HARSHEST = 50.0
"""eV/Å: frames with a larger force by the teacher are no physics and are left out."""


def frames_of(run: Path) -> list[Frame]:
    """The frames of a run folder, finished or stopped, and what its watchdog harvested; atoms in
    the order of their elements, so that frames of all runs have the same."""
    found = [sorted_frame(frame, run.name) for frame in read(run)]
    harvest = run / "harvest.extxyz"
    if harvest.exists():
        found += [sorted_frame(frame, f"{run.name}-harvest") for frame in read(harvest)]
    return found


def sorted_frame(frame: Frame, origin: str | None = None) -> Frame:
    """Atoms in the order of their elements. origin: a word kept with the frame."""
    structure = frame.structure
    order = np.argsort(structure.numbers, kind="stable")
    return Frame(
        Structure(structure.numbers[order], structure.positions[order], structure.cell),
        time=frame.time,
        energy=frame.energy,
        forces=None if frame.forces is None else frame.forces[order],
        stress=frame.stress,
        index=frame.index,
        extras=frame.extras if origin is None else {"origin": origin},
    )


def stretched(
    frames: Sequence[Frame], rng: np.random.Generator, *, atoms: int = 6, apart: float = 4.0
) -> list[Frame]:
    """Copies with `atoms` carbon or nitrogen atoms, `apart` Å from one another, pulled 0.15 to
    0.5 Å out of place with their hydrogen: bonds of linkers on their way to breaking, which a
    student must know to be expensive and seldom meets before it is too late."""
    found = []
    for frame in frames:
        structure = frame.structure
        pairs = neighbor_list(structure, apart)
        positions = structure.positions.copy()
        open_ = np.isin(structure.numbers, (6, 7))
        for _ in range(atoms):
            atom = int(rng.choice(np.flatnonzero(open_)))
            open_[atom] = False
            around = pairs.i == atom
            open_[pairs.j[around]] = False
            direction = rng.normal(size=3)
            pull = rng.uniform(0.15, 0.5) * direction / np.linalg.norm(direction)
            bonded = pairs.j[around & (pairs.distances < 1.35)]
            positions[[atom, *bonded[structure.numbers[bonded] == 1]]] += pull
        moved = Structure(structure.numbers, positions, structure.cell)
        found.append(replace(frame, structure=moved, extras={"origin": "stretched"}))
    return found


def doubts(frames: Sequence[Frame], committee: Sequence[Potential]) -> Array:
    """(frames,) eV/Å: root mean square over atoms of the committee's standard deviation of a
    force; infinite where a member refuses the structure."""
    values = []
    for frame in frames:
        try:
            forces = np.array([member(frame.structure).forces for member in committee])
        except InputError:
            values.append(np.inf)
            continue
        values.append(float(np.sqrt((forces.var(axis=0, ddof=1).sum(axis=1)).mean())))
    return np.array(values)


def most_doubted(doubt: Array, count: int, *, gap: int) -> list[int]:
    """`count` frames of largest doubt, no two closer than `gap` frames; ascending."""
    chosen: list[int] = []
    for index in np.argsort(-doubt, kind="stable"):
        if len(chosen) == count:
            break
        if all(abs(index - other) >= gap for other in chosen):
            chosen.append(int(index))
    return sorted(chosen)


def labelled(frames: Iterable[Frame], teacher: Potential) -> list[Frame]:
    """The frames with the teacher's energy, forces and virial stress; those that the teacher
    refuses, or whose forces exceed HARSHEST, are left out."""
    found = []
    for frame in frames:
        try:
            prediction = teacher(frame.structure)
        except InputError:
            continue
        if np.abs(prediction.forces).max() > HARSHEST:
            continue
        found.append(
            replace(
                frame,
                energy=prediction.energy,
                forces=prediction.forces,
                stress=prediction.stress,
            )
        )
    return found


def write_frames(path: Path, frames: Sequence[Frame]) -> None:
    """Extended XYZ, whole or not at all; times are left out, since they are of many runs."""
    plain = [replace(frame, time=None, index=i) for i, frame in enumerate(frames)]
    write(path, ArrayTrajectory(plain))
