"""LAMMPS dumps (style custom or atom, text), any box, atoms in any order.

Positions from xu (unwrapped), xsu (scaled and unwrapped), x or xs, in this order of preference;
image flags ix iy iz, where all three are there, unwrap x and xs. Species from the columns
element or typelabel, from type through the caller's map, or from mass. Velocities and forces in
the file's ``ITEM: UNITS``, else in the caller's `units`, else metal. Time from ``ITEM: TIME``,
else the step × the caller's timestep. Other columns become extras of the frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Trajectory
from zifglass.core import cell as cells
from zifglass.core.files import atomic_path
from zifglass.core.structure import symbols_of
from zifglass.core.trajectory import check_same_atoms
from zifglass.core.units import ps

from . import lammps_box
from .lammps_dump_header import DumpHeader, read_header
from .masses import element_of
from .options import ReadOptions, lammps_units
from .text import (
    FrameIndex,
    LineScanner,
    TextTrajectory,
    Truncated,
    index_frames,
    parse_rows,
    structure_at,
    word,
)

Array = NDArray[np.float64]

SUFFIXES = (".lammpstrj", ".dump", ".lammpsdump")

_words = ("element", "typelabel")
_position_columns = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
_image_columns = ("ix", "iy", "iz")


def recognise(path: Path, head: bytes) -> bool:
    """It begins with an ``ITEM:``."""
    return re.match(rb"\s*ITEM: (TIMESTEP|UNITS|TIME)\b", head) is not None


def read(path: Path, options: ReadOptions) -> DumpTrajectory:
    """Scan the dump for its frames; see the module for what is read.

    Raises InputError, naming file and line, on a frame that is cut in the middle of the file,
    on atoms that change, on units other than metal and real.
    """
    units: list[str | None] = []
    first_atoms = 0

    def scan(scanner: LineScanner, frame: int) -> tuple[int, float | None] | None:
        nonlocal first_atoms
        line = scanner.number
        header = read_header(scanner, path, frame)
        if header is None:
            return None
        if frame and header.atoms != first_atoms:
            raise InputError(
                f"every frame must hold the {first_atoms} atoms of the first; this one says "
                f"{header.atoms}", path, line=line, frame=frame,
            )  # fmt: skip
        first_atoms = header.atoms
        units.append(header.units)
        passed = scanner.skip(header.atoms)
        if passed < header.atoms:
            raise Truncated(f"{passed} of {header.atoms} atoms")
        return line, _time(header, lammps_units(units[0], options, path), options, path)

    index = index_frames(path, scan)
    return DumpTrajectory(path, index, replace(options, timestep=None), units[0])


def _time(
    header: DumpHeader, scale: dict[str, float], options: ReadOptions, path: Path
) -> float | None:
    if header.time is None:
        return None if options.timestep is None else header.step * options.timestep
    if options.timestep is not None:
        raise InputError("this dump states its times: leave the timestep out", path)
    return header.time * scale["time"]


@dataclass(frozen=True)
class _Layout:
    """kinds: for `parse_rows`. at: the place of each numeric column among the numbers."""

    kinds: str
    at: dict[str, int]
    label: str | None
    positions: tuple[str, str, str]
    images: bool
    extras: tuple[str, ...]


@lru_cache(maxsize=32)
def _layout(columns: tuple[str, ...]) -> _Layout:
    numeric = [name for name in columns if name not in _words]
    at = {name: place for place, name in enumerate(numeric)}
    sets = [triple for triple in _position_columns if all(name in at for name in triple)]
    if not sets:
        raise ValueError("its columns hold no whole set of positions (x y z, xu…, xs… or xsu…)")
    chosen = sets[0]
    images = chosen[0] in ("x", "xs") and all(name in at for name in _image_columns)
    used = {"id", "type", "mass", "vx", "vy", "vz", "fx", "fy", "fz", *_image_columns}
    used |= {name for triple in _position_columns for name in triple}
    label = next((name for name in _words if name in columns), None)
    kinds = "".join(
        "f" if name not in _words else "s" if name == label else "-" for name in columns
    )
    return _Layout(kinds, at, label, chosen, images, tuple(n for n in numeric if n not in used))


class DumpTrajectory(TextTrajectory):
    """Frames of a dump, atoms sorted by id."""

    def __init__(
        self, path: Path, index: FrameIndex, options: ReadOptions, units: str | None
    ) -> None:
        super().__init__(path, index, options)
        self._scale = lammps_units(units, options, path)
        self._ids: NDArray[np.int64] | None = None
        self._kinds: tuple[Any, NDArray[np.int64]] | None = None
        if options.cell is not None:
            raise InputError("a dump states its own cell: leave the given one out", path)
        first = self.frame(0)
        self.numbers = first.structure.numbers
        if self._ids is None:
            self.notes += (f"no column id: atoms are taken in the order of the file ({path})",)

    def frame(self, index: int) -> Frame:
        content = self.block(index)
        line = self.line_of(index)
        header, rows = self._split(content, index, line)
        try:
            layout = _layout(header.columns)
        except ValueError as error:
            raise InputError(str(error), self.source, line=line, frame=index) from None
        numbers, words = parse_rows(
            rows, header.atoms, layout.kinds, self.source, line=line + header.lines, frame=index
        )
        numbers, words = self._sorted(numbers, words, layout, index)
        species = self._species(numbers, words, layout, index)
        box = self._box(header, index, line)
        positions, unwrapped = _positions(numbers, layout, box)
        pbc = [flag == "pp" for flag in header.box_words[-3:]]
        extras = {name: numbers[:, layout.at[name]].copy() for name in layout.extras}
        return Frame(
            structure_at(species, positions, box.cell, pbc, self.source, index),
            time=self._time(index),
            velocities=self._triple(numbers, layout, "v", "velocity"),
            forces=self._triple(numbers, layout, "f", "force"),
            unwrapped=unwrapped,
            index=index,
            extras={"step": header.step, **extras},
        )

    def _split(self, content: bytes, index: int, line: int) -> tuple[DumpHeader, bytes]:
        from io import BytesIO

        start = content.index(b"ITEM: ATOMS")
        end = content.index(b"\n", start) + 1
        header = read_header(LineScanner(BytesIO(content[:end])), self._path, index)
        assert header is not None
        return header, content[end:]

    def _sorted(self, numbers: Array, words: Any, layout: _Layout, index: int) -> tuple[Array, Any]:
        if "id" not in layout.at:
            return numbers, words
        ids = numbers[:, layout.at["id"]].astype(np.int64)
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        if self._ids is None:
            if len(np.unique(ids)) != len(ids):
                raise InputError("two atoms share one id", self.source, frame=index)
            self._ids = ids
        elif not np.array_equal(ids, self._ids):
            raise InputError(
                "the ids of the atoms are not those of the first frame", self.source, frame=index
            )
        return numbers[order], words[order]

    def _species(
        self, numbers: Array, words: Any, layout: _Layout, index: int
    ) -> NDArray[np.int64]:
        if layout.label is not None:
            codes = words[:, 0]
        elif "type" in layout.at and self._options.species_map:
            codes = numbers[:, layout.at["type"]]
        elif "mass" in layout.at:
            codes = numbers[:, layout.at["mass"]]
        else:
            raise InputError(
                "this dump names no elements (no column element or mass): name its types with "
                "species_map (--species-map 1=…,2=…)", self.source,
            )  # fmt: skip
        if self._kinds is not None and np.array_equal(codes, self._kinds[0]):
            return self._kinds[1]
        unique, where = np.unique(codes, return_inverse=True)
        kinds = np.array([self._number(code, layout) for code in unique], dtype=np.int64)[where]
        if self._kinds is None:
            self._kinds = codes.copy(), kinds
        else:
            check_same_atoms(self._kinds[1], kinds, self.source, index)
        return kinds

    def _number(self, code: Any, layout: _Layout) -> int:
        if layout.label is not None:
            return self._options.number(word(code), self._path)
        if "type" in layout.at and self._options.species_map:
            number = self._options.number_of_type(int(code), self._path)
        else:
            number = element_of(float(code))
        if number is None:
            raise InputError(
                f"no element weighs {code:g} amu: name the types with species_map", self.source
            )
        return number

    def _box(self, header: DumpHeader, index: int, line: int) -> lammps_box.Box:
        try:
            table = np.array([text.split() for text in header.box_lines], dtype=np.float64)
            box = _box(header.box_words, table)
            cells.check(box.cell)
        except InputError as error:
            raise InputError(error.message, self.source, line=line, frame=index) from None
        except ValueError:
            raise InputError(
                f"BOX BOUNDS {' '.join(header.box_words)} does not fit its three lines",
                self.source, line=line, frame=index,
            ) from None  # fmt: skip
        return box

    def _triple(self, numbers: Array, layout: _Layout, letter: str, kind: str) -> Array | None:
        names = [letter + axis for axis in "xyz"]
        if not all(name in layout.at for name in names):
            return None
        return numbers[:, [layout.at[name] for name in names]] * self._scale[kind]


def _box(words: tuple[str, ...], table: Array) -> lammps_box.Box:
    if words[:2] == ("abc", "origin"):
        if table.shape != (3, 4):
            raise ValueError
        return lammps_box.Box(table[:, :3].copy(), table[:, 3].copy())
    tilted = words[:3] == ("xy", "xz", "yz")
    if table.shape != (3, 3 if tilted else 2):
        raise ValueError
    return lammps_box.from_dump_bounds(table[:, :2], table[:, 2] if tilted else np.zeros(3))


def _positions(numbers: Array, layout: _Layout, box: lammps_box.Box) -> tuple[Array, bool]:
    """(positions, whether they are unwrapped)."""
    values = numbers[:, [layout.at[name] for name in layout.positions]]
    if layout.positions[0] in ("xs", "xsu"):
        values = box.origin + values @ box.cell
    if layout.images:
        values = values + numbers[:, [layout.at[name] for name in _image_columns]] @ box.cell
    return values, layout.images or layout.positions[0] in ("xu", "xsu")


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write every frame, units metal: id, type, element, x (or xu), velocities, forces.

    The cells must be lower triangular (`core.cell.standard_form`), as in restricted LAMMPS boxes;
    others are written as general triclinic ones. Types are numbered alphabetically.
    """
    types = {symbol: k for k, symbol in enumerate(sorted(set(symbols_of(trajectory.numbers))), 1)}
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for step, frame in enumerate(trajectory):
            check_same_atoms(trajectory.numbers, frame.structure.numbers, trajectory.source, step)
            file.write(_text(frame, types, step))


def _text(frame: Frame, types: dict[str, int], step: int) -> str:
    structure = frame.structure
    names = ["id", "type", "element"] + [("xu" if frame.unwrapped else "x").replace("x", axis)
                                         for axis in "xyz"]  # fmt: skip
    table = [structure.positions]
    if frame.velocities is not None:
        names += ["vx", "vy", "vz"]
        table.append(frame.velocities * ps)
    if frame.forces is not None:
        names += ["fx", "fy", "fz"]
        table.append(frame.forces)
    lines = ["ITEM: UNITS", "metal"] if step == 0 else []
    if frame.time is not None:
        lines += ["ITEM: TIME", repr(frame.time / ps)]
    lines += ["ITEM: TIMESTEP", str(int(frame.extras.get("step", step)))]
    lines += [
        "ITEM: NUMBER OF ATOMS",
        str(len(structure)),
        *_box_lines(structure.cell, structure.pbc),
    ]
    lines.append("ITEM: ATOMS " + " ".join(names))
    rows = np.concatenate(table, axis=1).tolist()
    for k, (symbol, row) in enumerate(zip(structure.symbols, rows, strict=True), start=1):
        lines.append(f"{k} {types[symbol]} {symbol} " + " ".join(map(repr, row)))
    return "\n".join(lines) + "\n"


def _box_lines(cell: Array, pbc: NDArray[np.bool_]) -> list[str]:
    flags = " ".join("pp" if flag else "ff" for flag in pbc)
    if not np.array_equal(cell, np.tril(cell)):
        rows = np.concatenate([cell, np.zeros((3, 1))], axis=1).tolist()
        return [f"ITEM: BOX BOUNDS abc origin {flags}", *(" ".join(map(repr, r)) for r in rows)]
    tilts = np.array([cell[1, 0], cell[2, 0], cell[2, 1]])
    bounds = np.stack([np.zeros(3), np.diag(cell)], axis=1)
    if not tilts.any():
        return [f"ITEM: BOX BOUNDS {flags}", *(" ".join(map(repr, r)) for r in bounds.tolist())]
    outer = lammps_box.dump_bounds(bounds, tilts)
    rows = np.concatenate([outer, tilts[:, None]], axis=1).tolist()
    return [f"ITEM: BOX BOUNDS xy xz yz {flags}", *(" ".join(map(repr, r)) for r in rows)]
