"""CP2K's trajectories: ``PROJECT-pos-1.xyz`` with ``PROJECT-1.cell`` beside it.

The comment of each frame gives step, time (fs) and energy (hartree); positions are in Å (CP2K's
default). The cell comes from the ``.cell`` file, matched by step, or from the caller. If
``PROJECT-vel-1.xyz`` (bohr per atomic unit of time) or ``PROJECT-frc-1.xyz`` (hartree/bohr) lie
beside it, they are read along, matched by step. CP2K's own outputs and stress files are the
business of `abinitio`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError
from zifglass.core import cell as cells
from zifglass.core.units import bohr, hartree

from .extxyz import index_xyz
from .options import ReadOptions
from .text import FrameIndex, TextTrajectory, parse_rows, structure_at, text_of, word

Array = NDArray[np.float64]

SUFFIXES = ()

atomic_time = 0.024188843265857  # fs, ħ / hartree, CODATA 2018

_comment = re.compile(
    rb"^\s*i\s*=\s*(?P<step>\d+)(?:\s*,\s*time\s*=\s*(?P<time>[-+.\dEe]+))?"
    rb"(?:\s*,\s*E\s*=\s*(?P<energy>[-+.\dEe]+))?"
)


def recognise(path: Path, head: bytes) -> bool:
    """An XYZ block whose comment reads ``i = …``."""
    lines = head.split(b"\n", 2)
    return len(lines) > 1 and lines[0].strip().isdigit() and _comment.match(lines[1]) is not None


@dataclass(frozen=True, eq=False)
class _Frames:
    """An index of XYZ blocks and the step of each."""

    index: FrameIndex
    steps: NDArray[np.int64]


def _indexed(path: Path) -> _Frames:
    steps: list[int] = []

    def time_of(comment: bytes) -> float | None:
        match = _comment.match(comment)
        if match is None:
            raise InputError("the comment of a frame does not read 'i = …'", path, frame=len(steps))
        steps.append(int(match["step"]))
        return None if match["time"] is None else float(match["time"])

    index = index_xyz(path, time_of)
    return _Frames(index, np.array(steps[: len(index.lines)], dtype=np.int64))


def read(path: Path, options: ReadOptions) -> Cp2kTrajectory:
    """Scan the positions and what lies beside them; see the module for what is read.

    Raises InputError if there is no cell, or none for a frame's step.
    """
    return Cp2kTrajectory(path, options)


class Cp2kTrajectory(TextTrajectory):
    """Frames of a CP2K run."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        frames = _indexed(path)
        super().__init__(path, frames.index, options)
        self._steps = frames.steps
        self._cells = _cells(path, options)
        self._velocities = self._companion("vel", bohr / atomic_time)
        self._forces = self._companion("frc", hartree / bohr)
        self._codes: NDArray[np.uint64] | None = None
        self.numbers = np.empty(0, dtype=np.int64)
        self.numbers = self.frame(0).structure.numbers

    def _companion(self, kind: str, scale: float) -> _Vectors | None:
        path = beside(self._path, kind)
        return _Vectors(path, scale) if path is not None and path.is_file() else None

    def frame(self, index: int) -> Frame:
        line = self.line_of(index)
        _, comment, rows = self.block(index).lstrip().split(b"\n", 2)
        atoms = rows.count(b"\n") + (not rows.endswith(b"\n"))
        numbers, words = parse_rows(rows, atoms, "sfff", self.source, line=line + 2, frame=index)
        match = _comment.match(comment)
        assert match is not None
        step = int(self._steps[index])
        cell = self._cell(step, index)
        return Frame(
            structure_at(self._species(words[:, 0], index, line), numbers, cell, True,
                         self.source, index),
            time=self._time(index),
            velocities=None if self._velocities is None else self._velocities.at(step, atoms),
            energy=None if match["energy"] is None else float(match["energy"]) * hartree,
            forces=None if self._forces is None else self._forces.at(step, atoms),
            index=index,
            extras={"step": step},
        )  # fmt: skip

    def _species(self, codes: NDArray[np.uint64], index: int, line: int) -> NDArray[np.int64]:
        if self._codes is not None:
            if not np.array_equal(codes, self._codes):
                atom = int(np.flatnonzero(codes != self._codes)[0])
                raise InputError(
                    f"the order of the atoms changed: atom {atom} was {word(self._codes[atom])} "
                    f"and is {word(codes[atom])}", self.source, line=line + 2 + atom, frame=index,
                )  # fmt: skip
            return self.numbers
        self._codes = codes.copy()
        unique, where = np.unique(codes, return_inverse=True)
        first = [int(np.flatnonzero(where == k)[0]) for k in range(len(unique))]
        kinds = [
            self._options.number(word(code), self._path, line=line + 2 + row)
            for code, row in zip(unique, first, strict=True)
        ]
        return np.array(kinds, dtype=np.int64)[where]

    def _cell(self, step: int, index: int) -> Array:
        steps, table = self._cells
        place = int(np.searchsorted(steps, step))
        if place < len(steps) and steps[place] == step:
            return table[place]
        if (table == table[0]).all():
            return table[0]
        raise InputError(
            f"the .cell file has no cell for step {step}, and its cells differ", self.source,
            frame=index,
        )  # fmt: skip


class _Vectors:
    """Velocities or forces beside the positions, found by step."""

    def __init__(self, path: Path, scale: float) -> None:
        self._path, self._scale = path, scale
        frames = _indexed(path)
        self._index, self._steps = frames.index, frames.steps

    def at(self, step: int, atoms: int) -> Array | None:
        """(atoms, 3) in zifglass's units; None where this step was not written."""
        places = np.flatnonzero(self._steps == step)
        if not len(places):
            return None
        index = int(places[-1])
        start, stop = (int(k) for k in self._index.offsets[index : index + 2])
        with self._path.open("rb") as file:
            file.seek(start)
            rows = file.read(stop - start).lstrip().split(b"\n", 2)[2]
        line = int(self._index.lines[index]) + 2
        numbers, _ = parse_rows(rows, atoms, "sfff", str(self._path), line=line, frame=index)
        return numbers * self._scale


def beside(path: Path, kind: str) -> Path | None:
    """``PROJECT-pos-1.xyz`` → ``PROJECT-<kind>-1.xyz`` (``cell``: ``PROJECT-1.cell``)."""
    match = re.fullmatch(r"(.*)-pos-(\d+)\.xyz", path.name)
    if match is None:
        return path.with_suffix(".cell") if kind == "cell" else None
    name = f"{match[1]}-{match[2]}.cell" if kind == "cell" else f"{match[1]}-{kind}-{match[2]}.xyz"
    return path.with_name(name)


def _cells(path: Path, options: ReadOptions) -> tuple[NDArray[np.int64], Array]:
    """(steps (n,), cells (n, 3, 3)) sorted by step; step −1 for one that the caller gave."""
    beside_it = beside(path, "cell")
    if beside_it is None or not beside_it.is_file():
        if options.cell is None:
            raise InputError(
                f"no cell: there is no {beside_it.name if beside_it else '.cell file'} beside "
                "this file; give one with cell (--cell, Å)", path,
            )  # fmt: skip
        return np.array([-1]), options.cell[None]
    if options.cell is not None:
        raise InputError("a .cell file lies beside this one: leave the given cell out", beside_it)
    return _cell_file(beside_it)


def _cell_file(path: Path) -> tuple[NDArray[np.int64], Array]:
    lines = text_of(path).splitlines()
    if "[Bohr]" in lines[0]:
        raise InputError("this .cell file is in bohr; expected Å", path, line=1)
    steps: list[int] = []
    table: list[Array] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            values = [float(word) for word in words]
            if len(values) < 11:
                raise ValueError
        except ValueError:
            if number == len(lines) and table:
                break  # the last line of a running or killed job
            raise InputError(
                "a line of a .cell file holds step, time, nine components and the volume",
                path, line=number,
            ) from None  # fmt: skip
        try:
            table.append(cells.check(np.reshape(values[2:11], (3, 3))))
        except InputError as error:
            raise InputError(error.message, path, line=number) from None
        steps.append(int(values[0]))
    if not table:
        raise InputError("this .cell file holds no cell", path)
    order = np.argsort(steps, kind="stable")
    return np.array(steps, dtype=np.int64)[order], np.stack(table)[order]
