"""Extended XYZ, and plain XYZ where the caller gives the cell.

Read: ``Lattice`` (rows a, b, c; Å), ``Properties``, ``pbc``, ``energy`` (eV), ``stress``
(eV/Å³, tension positive, 9 numbers or Voigt's 6) or ``virial`` (eV, = −stress × volume),
``time`` (fs), ``temperature`` (K), ``unwrapped``; columns ``species`` or ``Z``, ``pos``,
``forces`` (eV/Å), ``momenta`` (ASE's units) or ``velo`` (Å/fs). Everything else becomes an
extra of the frame. Written: what ASE and NequIP read back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Structure
from zifglass.core.structure import masses_of
from zifglass.core.trajectory import check_same_atoms

from .extxyz_text import ase_velocity, write
from .options import ReadOptions
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

__all__ = ["SUFFIXES", "ExtxyzTrajectory", "index_xyz", "read", "recognise", "write"]

SUFFIXES = (".extxyz", ".xyz")

_item = re.compile(
    r"""([^\s="']+)(?:=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|'([^']*)'|\{([^}]*)\}|\[([^\]]*)\]|(\S*)))?"""
)
_time = re.compile(rb"""(?<!\S)time=["']?([^\s"']+)""")
_booleans = {"T": True, "F": False, "TRUE": True, "FALSE": False, "true": True, "false": False,
             "True": True, "False": False}  # fmt: skip


def recognise(path: Path, head: bytes) -> bool:
    """A number of atoms, a comment, then a line that begins with a word and holds numbers."""
    lines = head.split(b"\n", 3)
    if len(lines) < 2 or not lines[0].strip().isdigit() or re.match(rb"\s*i\s*=", lines[1]):
        return False  # i = … : the comment of CP2K
    if b"Lattice=" in lines[1] or b"Properties=" in lines[1]:
        return True
    return len(lines) > 2 and bool(
        re.match(rb"\s*[A-Za-z][\w+-]*\s+[-+.\d]\S*\s+[-+.\d]\S*\s+[-+.\d]", lines[2])
    )


def read(path: Path, options: ReadOptions) -> TextTrajectory:
    """Scan the file for its frames; see the module for what is read."""
    return ExtxyzTrajectory(path, index_xyz(path, _time_of), options)


def index_xyz(path: Path, time_of: Any) -> FrameIndex:
    """The frames of any file of XYZ blocks; `time_of(comment bytes)` gives fs or None.

    Raises InputError where a block does not begin with the number of atoms of the first.
    """
    atoms = 0

    def scan(scanner: LineScanner, frame: int) -> tuple[int, float | None] | None:
        nonlocal atoms
        line = scanner.line()
        while line is not None and not line.strip():
            line = scanner.line()
        if line is None:
            return None
        first = scanner.number - 1
        count = _count(line, path, first, frame, open_end=scanner.at_open_end)
        if frame and count != atoms:
            raise InputError(
                f"every frame must hold the {atoms} atoms of the first; this one says {count}",
                path, line=first, frame=frame,
            )  # fmt: skip
        atoms = count
        comment = scanner.line()
        if comment is None:
            raise Truncated("no line of comment")
        passed = scanner.skip(count)
        if passed < count:
            raise Truncated(f"{passed} of {count} atoms")
        return first, time_of(comment)

    return index_frames(path, scan)


def _count(line: bytes, path: Path, number: int, frame: int, *, open_end: bool) -> int:
    text = line.strip()
    if text.isdigit() and len(text) < 19 and int(text) > 0:
        if open_end:
            raise Truncated("nothing after its number of atoms")
        return int(text)
    shown = text[:20].decode("latin-1")
    message = f"a frame begins with its number of atoms, a whole number from 1; got {shown!r}"
    if frame:
        message += ": is the frame before it cut short or too long?"
    raise InputError(message, path, line=number, frame=frame)


def _time_of(comment: bytes) -> float | None:
    match = _time.search(comment)
    if match is None:
        return None
    try:
        return float(match[1])
    except ValueError:
        return None  # the frame itself, when it is read, says what is wrong


@dataclass(frozen=True)
class _Layout:
    """Where the columns of ``Properties`` go: (name, letter, first number or word, width)."""

    kinds: str
    fields: tuple[tuple[str, str, int, int], ...]


@lru_cache(maxsize=32)
def _layout(properties: str) -> _Layout:
    parts = properties.split(":")
    if len(parts) % 3:
        raise ValueError("it is not a list of name:type:columns")
    kinds, fields = "", []
    for name, letter, width in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if letter not in ("S", "R", "I", "L") or not width.isdigit() or not 0 < int(width) < 1000:
            raise ValueError(f"{name}:{letter}:{width} is no column")
        kind = "f" if letter in "RI" else "s"
        fields.append((name, letter, kinds.count(kind), int(width)))
        kinds += kind * int(width)
    return _Layout(kinds, tuple(fields))


class ExtxyzTrajectory(TextTrajectory):
    """Frames of an extended XYZ file."""

    def __init__(self, path: Path, index: FrameIndex, options: ReadOptions) -> None:
        super().__init__(path, index, options)
        self._codes: NDArray[np.uint64] | None = None
        first = self.frame(0)
        self.numbers = first.structure.numbers

    def frame(self, index: int) -> Frame:
        line = self.line_of(index)
        atoms, comment, rows = self.block(index).lstrip().split(b"\n", 2)
        info = self._info(comment)
        layout = self._columns(info, index, line + 1)
        numbers, words = parse_rows(
            rows, int(atoms), layout.kinds, self.source, line=line + 2, frame=index
        )
        columns = {
            name: (numbers if letter in "RI" else words)[:, start : start + width]
            for name, letter, start, width in layout.fields
        }
        letters = {name: letter for name, letter, _, _ in layout.fields}
        species = self._numbers(columns, letters, index, line + 2)
        return self._build(info, columns, letters, species, index, line)

    def _info(self, comment: bytes) -> dict[str, Any]:
        text = comment.decode("utf-8", "replace")
        if "=" not in text:
            return {}  # plain XYZ: free words
        info: dict[str, Any] = {}
        for match in _item.finditer(text):
            value = next((g for g in match.groups()[1:] if g is not None), "T")
            info[match[1]] = re.sub(r"\\(.)", r"\1", value) if "\\" in value else value
        return info

    def _columns(self, info: dict[str, Any], index: int, line: int) -> _Layout:
        properties = info.pop("Properties", "species:S:1:pos:R:3")
        try:
            return _layout(properties)
        except ValueError as error:
            raise InputError(
                f"Properties cannot be understood: {error}", self.source, line=line, frame=index
            ) from None

    def _numbers(
        self, columns: dict[str, Any], letters: dict[str, str], index: int, line: int
    ) -> NDArray[np.int64]:
        species = columns.pop("species", None)
        if species is None and "Z" in columns:
            species = columns.pop("Z").astype(np.int64)
            letters["species"] = "I"
        if species is None or species.shape[1] != 1:
            raise InputError(
                "Properties names neither a column species nor Z", self.source, frame=index
            )
        codes = species[:, 0]
        if self._codes is not None and np.array_equal(codes, self._codes):
            return self.numbers
        unique, where = np.unique(codes, return_inverse=True)
        labels = [str(c) if letters["species"] == "I" else word(c) for c in unique]
        kinds = []
        for label, position in zip(labels, range(len(labels)), strict=True):
            row = int(np.flatnonzero(where == position)[0])
            if label.isdigit() and label not in self._options.species_map:
                kinds.append(int(label))
            else:
                kinds.append(self._options.number(label, self._path, line=line + row))
        found = np.array(kinds, dtype=np.int64)[where]
        if self._codes is None:
            self._codes = codes.copy()
        else:
            check_same_atoms(self.numbers, found, self.source, index)
        return found

    def _build(
        self,
        info: dict[str, Any],
        columns: dict[str, Any],
        letters: dict[str, str],
        species: NDArray[np.int64],
        index: int,
        line: int,
    ) -> Frame:
        if "pos" not in columns or columns["pos"].shape[1] != 3:
            raise InputError("Properties names no column pos:R:3", self.source, frame=index)
        where = {"line": line + 1, "frame": index}
        cell = self._cell(info, where)
        pbc = self._pbc(info, where)
        structure = structure_at(
            species, columns.pop("pos"), cell, pbc, self.source, index, line + 1
        )
        scalar = {key: self._number(info, key, where) for key in ("energy", "temperature", "time")}
        stress = self._stress(info, structure, where)
        velocities = _velocities(columns, species)
        forces = columns.pop("forces", None)
        unwrapped = _booleans.get(info.pop("unwrapped", "F"), False)
        extras = {key: _value(text) for key, text in info.items()}
        extras |= {name: _column(array, letters[name]) for name, array in columns.items()}
        return Frame(
            structure,
            time=self._time(index) if scalar["time"] is None else scalar["time"],
            velocities=velocities,
            energy=scalar["energy"],
            forces=None if forces is None else np.ascontiguousarray(forces),
            stress=stress,
            temperature=scalar["temperature"],
            unwrapped=unwrapped,
            index=index,
            extras=extras,
        )

    def _cell(self, info: dict[str, Any], where: dict[str, int]) -> Array:
        text = info.pop("Lattice", None)
        if text is None:
            return self._options.the_cell(self._path, line=where["line"])
        if self._options.cell is not None:
            raise InputError("this file has its own cell: leave the given one out", self.source)
        values = _numbers_in(text)
        if len(values) == 3:
            return np.diag(values)
        if len(values) != 9:
            raise InputError(
                f"Lattice is nine numbers (or three of a box); got {text[:60]!r}",
                self.source,
                **where,
            )
        return np.array(values).reshape(3, 3)

    def _pbc(self, info: dict[str, Any], where: dict[str, int]) -> list[bool]:
        text = info.pop("pbc", "T T T")
        flags = [_booleans.get(part) for part in text.split()]
        if len(flags) != 3 or None in flags:
            raise InputError(f"pbc is three of T and F; got {text!r}", self.source, **where)
        return [bool(flag) for flag in flags]

    def _number(self, info: dict[str, Any], key: str, where: dict[str, int]) -> float | None:
        text = info.pop(key, None)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            raise InputError(f"{key} is a number; got {text!r}", self.source, **where) from None

    def _stress(
        self, info: dict[str, Any], structure: Structure, where: dict[str, int]
    ) -> Array | None:
        stress = self._tensor(info, "stress", where)
        virial = self._tensor(info, "virial", where)
        if stress is None and virial is not None:
            return -virial / structure.volume
        return stress

    def _tensor(self, info: dict[str, Any], key: str, where: dict[str, int]) -> Array | None:
        text = info.pop(key, None)
        if text is None:
            return None
        values = np.array(_numbers_in(text))
        if values.size == 6:
            xx, yy, zz, yz, xz, xy = values
            values = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
        if values.size != 9:
            raise InputError(
                f"{key} is nine numbers (or six, Voigt's); got {text[:60]!r}", self.source, **where
            )
        return values.reshape(3, 3, order="F")


def _numbers_in(text: str) -> list[float]:
    """The numbers of a text; none where one of its words is not a number."""
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        return []


def _velocities(columns: dict[str, Any], species: NDArray[np.int64]) -> Array | None:
    if "momenta" in columns:
        masses = columns["masses"][:, 0] if "masses" in columns else masses_of(species)
        momenta: Array = columns.pop("momenta")
        return momenta / masses[:, None] / ase_velocity
    if "velo" in columns:
        return np.ascontiguousarray(columns.pop("velo"))
    return None


def _value(text: str) -> Any:
    """Numbers, booleans, JSON or the text itself, as ASE reads them."""
    if text.startswith("_JSON "):
        value = json.loads(text[6:])
        return np.array(value, dtype=np.float64) if _numeric(value) else str(value)
    parts = text.replace(",", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return _booleans.get(text, text)
    if not numbers:
        return text
    return numbers[0] if len(numbers) == 1 else np.array(numbers)


def _numeric(value: Any) -> bool:
    try:
        np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError):
        return False
    return True


def _column(array: Any, letter: str) -> Any:
    if letter == "L":
        array = np.vectorize(lambda code: _booleans.get(word(code), False), otypes=[bool])(array)
    elif letter == "S":
        array = np.vectorize(word, otypes=[object])(array).astype(str)
    else:
        array = np.ascontiguousarray(array)
    return array[:, 0] if array.shape[1] == 1 else array
