"""LAMMPS data files: one structure, orthorhombic, triclinic or general triclinic.

Read: atom styles atomic, charge, molecular, bond, angle and full; image flags (positions come
back unwrapped), Velocities, type labels; species from the caller's map, the type labels, the
comments of Masses or the masses themselves. Units: metal and real (both Å and amu); velocities
are in Å/ps or Å/fs by the first line's ``units = …``, which write_data leaves, else by the
caller's `units`, else metal. Written: atom style atomic, units metal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import ArrayTrajectory, Frame, InputError, Trajectory
from zifglass.core import cell as cells
from zifglass.core.files import write_text
from zifglass.core.structure import masses_of, number_of, symbols_of
from zifglass.core.units import ps

from . import lammps_box
from .masses import element_of
from .options import ReadOptions, lammps_units
from .text import open_end, structure_at, text_of

Array = NDArray[np.float64]
Line = tuple[int, list[str], str]  # number from 1, words, comment

SUFFIXES = (".lmp", ".data", ".lammps", ".lmpdat")
WRITE_OPTIONS = ("types",)

# style: columns of (type, x); the atom's id is the first.
_styles = {
    "atomic": (1, 2),
    "charge": (1, 3),
    "molecular": (2, 3),
    "bond": (2, 3),
    "angle": (2, 3),
    "full": (2, 4),
}
_sections = {
    "Masses", "Atoms", "Velocities", "Atom Type Labels", "Bonds", "Angles", "Dihedrals",
    "Impropers", "Pair Coeffs", "PairIJ Coeffs", "Bond Coeffs", "Angle Coeffs",
    "Dihedral Coeffs", "Improper Coeffs", "Bond Type Labels", "Angle Type Labels",
    "Dihedral Type Labels", "Improper Type Labels", "BondBond Coeffs", "BondAngle Coeffs",
}  # fmt: skip


def recognise(path: Path, head: bytes) -> bool:
    """A header line ``N atoms``."""
    return re.search(rb"(?m)^\s*\d+[ \t]+atoms\s*(#.*)?$", head) is not None


@dataclass
class _File:
    """The file taken apart, nothing interpreted."""

    path: Path
    title: str
    header: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    sections: dict[str, list[Line]] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)


def read(path: Path, options: ReadOptions) -> ArrayTrajectory:
    """The structure as a trajectory of one frame; see the module for what is read.

    Raises InputError naming the line on a missing or malformed part, on species that neither
    map, labels, comments nor masses give, and on units other than metal and real.
    """
    text = text_of(path)
    file = _taken_apart(text, path)
    if options.cell is not None:
        raise InputError("a LAMMPS data file states its own cell: leave the given one out", path)
    count = _whole(file, "atoms")
    rows = file.sections.get("Atoms")
    if rows is None:
        raise InputError("no section Atoms", path)
    if len(rows) != count:
        last = rows[-1][0] if rows else None
        raise InputError(
            f"the header says {count} atoms, the section Atoms holds {len(rows)}: cut short?",
            path, line=last,
        )  # fmt: skip
    box = _box(file)
    type_column, x_column = _columns(file, rows)
    labels = {words[1]: words[0] for _, words, _ in file.sections.get("Atom Type Labels", [])}
    ids = np.array([_integer(words[0], path, line) for line, words, _ in rows])
    if len(np.unique(ids)) != count:
        raise InputError("two atoms share one id in the section Atoms", path)
    kinds = [
        _integer(labels.get(words[type_column], words[type_column]), path, line)
        for line, words, _ in rows
    ]
    positions = _floats(rows, x_column, x_column + 3, path)
    order = np.argsort(ids, kind="stable")
    species = _species(file, kinds, rows, options)
    images = _images(rows, x_column + 3, path)
    if images is not None:
        positions = positions + images @ box.cell
    frame = Frame(
        structure_at(species[order], positions[order], box.cell, True, str(path), 0),
        velocities=_velocities(file, ids[order], options),
        unwrapped=images is not None,
    )
    trajectory = ArrayTrajectory([frame], source=str(path))
    trajectory.notes = () if text.endswith("\n") else (open_end(path),)
    return trajectory


def _taken_apart(text: str, path: Path) -> _File:
    lines = text.splitlines()
    file = _File(path, lines[0])
    section = None
    for number, line in enumerate(lines[1:], start=2):
        body, _, comment = line.partition("#")
        name = body.strip()
        if not name:
            continue
        if name in _sections:
            section = name
            file.sections[name] = []
            file.styles[name] = comment.strip()
        elif name[0].isalpha() and section in (None, "Atoms", "Velocities"):
            raise InputError(f"unknown section {name!r}", path, line=number)
        elif section is None:
            words = name.split()
            values = [w for w in words if not w[0].isalpha()]
            key = " ".join(words[len(values) :])
            file.header[key] = (number, values)
        else:
            file.sections[section].append((number, name.split(), comment.strip()))
    return file


def _whole(file: _File, key: str) -> int:
    if key not in file.header:
        raise InputError(f"the header does not say how many {key}", file.path)
    line, values = file.header[key]
    value = _integer(values[0] if len(values) == 1 else " ".join(values), file.path, line)
    if value < 1:
        raise InputError(f"the header says {value} {key}", file.path, line=line)
    return value


def _box(file: _File) -> lammps_box.Box:
    general = ("avec", "bvec", "cvec", "abc origin")
    if "avec" in file.header:
        a, b, c, origin = (_header(file, key, 3) for key in general)
        box = lammps_box.Box(np.stack([a, b, c]), origin)
    else:
        bounds = np.stack([_header(file, f"{x}lo {x}hi", 2) for x in "xyz"])
        tilts = _header(file, "xy xz yz", 3) if "xy xz yz" in file.header else np.zeros(3)
        box = lammps_box.restricted(bounds, tilts)
    line = file.header["avec" if "avec" in file.header else "xlo xhi"][0]
    try:
        cells.check(box.cell)
    except InputError as error:
        raise InputError(error.message, file.path, line=line) from None
    return box


def _header(file: _File, key: str, count: int) -> Array:
    if key not in file.header:
        raise InputError(f"the header has no line '… {key}': the box is not known", file.path)
    line, values = file.header[key]
    try:
        numbers = np.array(values, dtype=np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.shape != (count,):
        raise InputError(f"'{key}' takes {count} numbers; got {values}", file.path, line=line)
    return numbers


def _columns(file: _File, rows: list[Line]) -> tuple[int, int]:
    """(column of the type, first column of the position)."""
    style = file.styles["Atoms"].split()[0] if file.styles["Atoms"] else ""
    widths = {len(words) for _, words, _ in rows}
    if len(widths) != 1:
        width = len(rows[0][1])
        line = next(n for n, words, _ in rows if len(words) != width)
        raise InputError(f"expected {width} columns as in the first atom", file.path, line=line)
    width = widths.pop()
    if style and style not in _styles:
        raise InputError(
            f"atom style {style!r} is not read; known are {', '.join(_styles)}", file.path
        )
    fitting = {
        columns
        for name, columns in _styles.items()
        if width in (columns[1] + 3, columns[1] + 6) and name == (style or name)
    }
    if len(fitting) != 1:
        raise InputError(
            f"{width} columns do not tell the atom style{f' {style!r}' if style else ''}: "
            "write it after the section's name, as in 'Atoms # full'",
            file.path, line=rows[0][0],
        )  # fmt: skip
    return fitting.pop()


def _species(
    file: _File, kinds: list[int], rows: list[Line], options: ReadOptions
) -> NDArray[np.int64]:
    known: dict[int, int] = {}
    for kind, (line, _, _) in zip(kinds, rows, strict=True):
        if kind not in known:
            known[kind] = _element(file, kind, options, line)
    return np.array([known[kind] for kind in kinds], dtype=np.int64)


def _element(file: _File, kind: int, options: ReadOptions, line: int) -> int:
    number = options.number_of_type(kind, file.path)
    if number is not None:
        return number
    labels = file.sections.get("Atom Type Labels", [])
    names = [words[1] for _, words, _ in labels if words[0] == str(kind)]
    mass = None
    for row, words, comment in file.sections.get("Masses", []):
        if words[0] in (str(kind), *names):
            mass = _floats([(row, words, comment)], 1, 2, file.path)[0, 0]
            names += comment.split()[:1]
            line = row
    named = next((number for number in map(_symbol, names) if number), None)
    weighed = None if mass is None else element_of(mass)
    if named and mass is not None and weighed != named and abs(masses_of(named) - mass) > 0.5:
        raise InputError(
            f"type {kind} is called {symbols_of([named])[0]} but weighs {mass:g} amu",
            file.path,
            line=line,
        )
    found = named or weighed
    if found is None:
        reason = "has no mass" if mass is None else f"weighs {mass:g} amu, no element does"
        raise InputError(
            f"type {kind} {reason}: name it with species_map (--species-map {kind}=…)",
            file.path, line=line,
        )  # fmt: skip
    return found


def _symbol(name: str) -> int | None:
    try:
        return number_of(name)
    except InputError:
        return None


def _images(rows: list[Line], start: int, path: Path) -> Array | None:
    if len(rows[0][1]) < start + 3:
        return None
    return np.array(
        [[_integer(w, path, line) for w in words[start : start + 3]] for line, words, _ in rows],
        dtype=np.float64,
    )


def _velocities(file: _File, ids: NDArray[np.int64], options: ReadOptions) -> Array | None:
    rows = file.sections.get("Velocities")
    if not rows:
        return None
    match = re.search(r"units = (\w+)", file.title)
    scale = lammps_units(match[1] if match else None, options, file.path)
    values = _floats(rows, 1, 4, file.path)
    own = np.array([_integer(words[0], file.path, line) for line, words, _ in rows])
    order = np.argsort(own, kind="stable")
    if not np.array_equal(own[order], ids):
        raise InputError("Velocities and Atoms list different atoms", file.path, line=rows[-1][0])
    return values[order] * scale["velocity"]


def _integer(text: str, path: Path, line: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise InputError(f"expected a whole number, got {text!r}", path, line=line)
    return int(text)


def _floats(rows: list[Line], start: int, stop: int, path: Path) -> Array:
    values = []
    for line, words, _ in rows:
        try:
            values.append([float(word) for word in words[start:stop]])
        except ValueError:
            raise InputError(
                f"expected numbers, got {' '.join(words[start:stop])!r}", path, line=line
            ) from None
        if len(values[-1]) < stop - start or not np.isfinite(values[-1]).all():
            raise InputError(
                f"expected {stop - start} finite numbers in columns {start + 1} to {stop}",
                path, line=line,
            )  # fmt: skip
    return np.array(values, dtype=np.float64).reshape(len(rows), stop - start)


def write(path: str | Path, trajectory: Trajectory, *, types: Sequence[str] | None = None) -> None:
    """Write a single structure; see `text_of_frame`. Raises InputError on several frames."""
    if len(trajectory) != 1:
        raise InputError(
            f"a LAMMPS data file holds one structure; choose one of the {len(trajectory)} frames",
            path,
        )
    write_text(path, text_of_frame(trajectory[0], types=types))


def text_of_frame(frame: Frame, *, types: Sequence[str] | None = None) -> str:
    """One structure in atom style atomic, units metal.

    types: the element symbols of types 1, 2, …; by default those present, in alphabetical
    order. LAMMPS wants a lower-triangular cell: cell, positions and velocities are turned
    together where they are not in that form yet.
    """
    structure = frame.structure
    cell, turn = cells.standard_form(structure.cell)
    if (
        np.array_equal(np.tril(structure.cell), structure.cell)
        and (np.diag(structure.cell) > 0).all()
    ):
        cell, turn = structure.cell, np.eye(3)
    types = sorted(set(structure.symbols)) if types is None else list(types)
    kinds = {number_of(symbol): k for k, symbol in enumerate(types, start=1)}
    missing = set(structure.numbers.tolist()) - set(kinds)
    if missing:
        raise InputError(f"no type for {', '.join(symbols_of(sorted(missing)))} in {types}")
    lines = ["LAMMPS data file written by zifglass, units = metal", "",
             f"{len(structure)} atoms", f"{len(types)} atom types", ""]  # fmt: skip
    lines += [f"0.0 {float(cell[k, k])!r} {x}lo {x}hi" for k, x in enumerate("xyz")]
    if cell[1, 0] or cell[2, 0] or cell[2, 1]:
        lines.append(f"{_row((cell[1, 0], cell[2, 0], cell[2, 1]))} xy xz yz")
    lines += ["", "Masses", ""]
    lines += [f"{kind} {float(masses_of(number))!r} # {types[kind - 1]}"
              for number, kind in kinds.items()]  # fmt: skip
    lines += ["", "Atoms # atomic", ""]
    turned = structure.positions
    if not np.array_equal(turn, np.eye(3)):
        turned = turned @ turn
    rows = zip(structure.numbers.tolist(), turned, strict=True)
    lines += [f"{k} {kinds[z]} {_row(r)}" for k, (z, r) in enumerate(rows, start=1)]
    if frame.velocities is not None:
        lines += ["", "Velocities", ""]
        lines += [f"{k} {_row(v)}" for k, v in enumerate(frame.velocities @ turn * ps, start=1)]
    return "\n".join(lines) + "\n"


def _row(values: object) -> str:
    return " ".join(repr(float(x)) for x in np.asarray(values))
