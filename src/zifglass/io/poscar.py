"""VASP's POSCAR and CONTCAR (version 5, with element symbols; 4 through the species map).

Read: one or three scaling factors or a volume, selective dynamics (its flags are left behind),
direct or Cartesian positions, velocities (Å/fs). Written: scale 1, Cartesian, every digit; a
run of the same element is one entry, so the order of the atoms is kept.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import ArrayTrajectory, Frame, InputError, Trajectory
from zifglass.core import cell as cells
from zifglass.core.files import write_text

from .options import ReadOptions
from .text import open_end, structure_at, text_of

Array = NDArray[np.float64]

SUFFIXES = (".poscar", ".vasp", ".contcar")
NAMES = ("POSCAR", "CONTCAR")

_number = rb"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?"
_triple = rb"[ \t]*" + _number + rb"([ \t]+" + _number + rb"){2}[^\n]*\n"
_content = re.compile(
    rb"[^\n]*\n[ \t]*" + _number + rb"[^\n]*\n(" + _triple + rb"){3}[ \t]*[A-Z0-9]"
)


def recognise(path: Path, head: bytes) -> bool:
    """A comment, a scale, three vectors, then symbols or counts."""
    return _content.match(head) is not None


class _Lines:
    """The lines of the file one after another; errors name them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = text_of(path)
        self.notes = () if text.endswith("\n") else (open_end(path),)
        self._lines = text.splitlines()
        self.number = 0

    def words(self, what: str) -> list[str]:
        """The words of the next line up to a comment."""
        if self.number == len(self._lines):
            raise InputError(
                f"the file ends before {what}: cut short?", self.path, line=self.number
            )
        self.number += 1
        return re.split(r"[!#]", self._lines[self.number - 1])[0].split()

    def numbers(self, what: str, count: int) -> list[float]:
        """The first `count` numbers of the next line."""
        words = self.words(what)
        try:
            values = [float(word) for word in words[:count]]
        except ValueError:
            values = []
        if len(values) < count or not np.isfinite(values).all():
            raise InputError(
                f"expected {what}, {count} finite numbers; got {' '.join(words)[:40]!r}",
                self.path, line=self.number,
            )  # fmt: skip
        return values

    def left(self) -> bool:
        """Whether anything but blank lines follows."""
        return any(line.strip() for line in self._lines[self.number :])


def read(path: Path, options: ReadOptions) -> ArrayTrajectory:
    """The structure as a trajectory of one frame. Raises InputError with the line."""
    if options.cell is not None:
        raise InputError("a POSCAR states its own cell: leave the given one out", path)
    lines = _Lines(path)
    lines.words("the comment")
    cell, scale = _cell(lines)
    species = _species(lines, options)
    mode = " ".join(lines.words("Direct or Cartesian"))
    if mode[:1].lower() == "s":
        mode = " ".join(lines.words("Direct or Cartesian"))
    if mode[:1].lower() not in ("d", "c", "k"):
        raise InputError(f"expected Direct or Cartesian, got {mode!r}", path, line=lines.number)
    table = np.array([lines.numbers("a position", 3) for _ in species])
    positions = table @ cell if mode[0].lower() == "d" else table * scale
    structure = structure_at(species, positions, cell, True, str(path), 0)
    frame = Frame(structure, velocities=_velocities(lines, len(species)))
    trajectory = ArrayTrajectory([frame], source=str(path))
    trajectory.notes = lines.notes
    return trajectory


def _cell(lines: _Lines) -> tuple[Array, Array]:
    words = lines.words("the scale")
    try:
        scale = np.array([float(word) for word in words[:3]])
    except ValueError:
        scale = np.empty(0)
    if scale.size == 2 or scale.size == 0 or not np.isfinite(scale).all() or (scale == 0).any():
        raise InputError(
            f"expected one scale (or three), got {' '.join(words)!r}", lines.path, line=lines.number
        )
    first = lines.number + 1
    cell = np.array([lines.numbers("a vector of the cell", 3) for _ in range(3)])
    if scale.size == 1 and scale[0] < 0:  # its magnitude is the volume
        scale = np.cbrt(-scale / abs(np.linalg.det(cell)))
    try:
        return cells.check(cell * scale), scale
    except InputError as error:
        raise InputError(error.message, lines.path, line=first) from None


def _species(lines: _Lines, options: ReadOptions) -> NDArray[np.int64]:
    symbols = lines.words("the element symbols")
    symbol_line = lines.number
    if symbols and symbols[0].isdigit():
        counts = symbols
        symbols = [str(k) for k in range(1, len(counts) + 1)]
    else:
        counts = lines.words("the number of atoms of each element")
    if not counts or not all(re.fullmatch(r"\d{1,9}", count) for count in counts):
        raise InputError(
            f"expected numbers of atoms, got {' '.join(counts)!r}", lines.path, line=lines.number
        )
    if len(symbols) != len(counts):
        raise InputError(
            f"{len(symbols)} elements but {len(counts)} numbers of atoms",
            lines.path, line=lines.number,
        )  # fmt: skip
    # VASP adds POTCAR suffixes and hashes: Zn_pv/6a2f546d
    labels = [re.split(r"[_/]", symbol)[0] for symbol in symbols]
    kinds = [options.number(label, lines.path, line=symbol_line) for label in labels]
    return np.repeat(np.array(kinds, dtype=np.int64), [int(count) for count in counts])


def _velocities(lines: _Lines, atoms: int) -> Array | None:
    if not lines.left():
        return None
    mode = lines.words("the velocities")
    if mode and mode[0][0].lower() not in ("c", "k"):
        return None  # lattice velocities or predictor-corrector data of VASP's own
    if not lines.left():
        return None
    return np.array([lines.numbers("a velocity", 3) for _ in range(atoms)])


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write a single structure. Raises InputError on several frames."""
    if len(trajectory) != 1:
        raise InputError(
            f"a POSCAR holds one structure; choose one of the {len(trajectory)} frames", path
        )
    frame = trajectory[0]
    structure = frame.structure
    runs = [(symbol, len(list(group))) for symbol, group in groupby(structure.symbols)]
    rows = [structure.cell, structure.positions]
    if frame.velocities is not None:
        rows.append(frame.velocities)
    texts = [[" ".join(map(repr, row)) for row in table.tolist()] for table in rows]
    lines = [structure.formula, "1.0", *texts[0], " ".join(symbol for symbol, _ in runs),
             " ".join(str(count) for _, count in runs), "Cartesian", *texts[1]]  # fmt: skip
    for velocities in texts[2:]:
        lines += ["", *velocities]
    write_text(path, "\n".join(lines) + "\n")
