"""The files of a CP2K molecular dynamics run: found, indexed by step, read at any step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.core import cell as cells
from zifglass.core.structure import number_of
from zifglass.io.extxyz import index_xyz
from zifglass.io.text import open_binary, parse_rows, word

from .output import diagonal_only, unconverged_steps
from .sections import read_input

Array = NDArray[np.float64]

_comment = re.compile(rb"i\s*=\s*(\d+)(?:,\s*time\s*=\s*([-\d.E+]+))?(?:,\s*E\s*=\s*(\S+))?")


@dataclass(frozen=True)
class MdFiles:
    """The files of one leg; only `positions` is needed. output, input: to leave out steps whose
    SCF did not converge, and to know of a stress without shear."""

    positions: Path
    velocities: Path | None = None
    forces: Path | None = None
    cell: Path | None = None
    energies: Path | None = None
    stress: Path | None = None
    output: Path | None = None
    input: Path | None = None


def find_md_files(folder: str | Path, *, project: str | None = None) -> MdFiles:
    """The files of a leg by CP2K's default names, ``<project>-pos-1.xyz`` and so on.

    Raises InputError if there is none, or several projects and `project` does not say which.
    """
    folder = Path(folder)
    found = sorted(folder.glob(f"{project or '*'}-pos-1.xyz"))
    if len(found) != 1:
        what = f"{len(found)} files" if found else "no file"
        raise InputError(
            f"{what} named {project or '*'}-pos-1.xyz here: name the project, or the files one "
            "by one",
            folder,
        )
    name = found[0].name.removesuffix("-pos-1.xyz")

    def existing(suffix: str) -> Path | None:
        path = folder / f"{name}{suffix}"
        return path if path.is_file() and path.stat().st_size else None

    outputs = [folder / "output.out", folder / f"{name}.out"]
    inputs = [folder / "input.inp", folder / f"{name}.inp"]
    return MdFiles(
        positions=found[0],
        velocities=existing("-vel-1.xyz"),
        forces=existing("-frc-1.xyz"),
        cell=existing("-1.cell"),
        energies=existing("-1.ener"),
        stress=existing("-1.stress"),
        output=next((path for path in outputs if path.is_file()), None),
        input=next((path for path in inputs if path.is_file()), None),
    )


class Leg:
    """One leg: a step is known if every file that the leg has holds it whole."""

    def __init__(self, files: MdFiles, cell: Any | None) -> None:
        self.files = files
        self._blocks = {
            name: XyzBlocks(path)
            for name in ("positions", "velocities", "forces")
            if (path := getattr(files, name)) is not None
        }
        self._cells = _table(files.cell, columns=9)
        self._energies = _table(files.energies, columns=3)
        self.stress = _table(files.stress, columns=9)
        self._given = None if cell is None else cells.check(cell)
        if self._cells is None and self._given is None:
            raise InputError(
                "there is no .cell file with these positions: give the cell", files.positions
            )
        tables = (self._cells, self._energies, self.stress)
        known = [set(blocks.rows) for blocks in self._blocks.values()]
        known += [set(table) for table in tables if table is not None]
        self.steps = sorted(set.intersection(*known))
        self.unconverged = set(unconverged_steps(files.output)) if files.output else set()
        self.diagonal = diagonal_only(read_input(files.input)) if files.input else False
        self.numbers = self._blocks["positions"].numbers

    def time(self, step: int) -> float | None:
        """fs."""
        return self._blocks["positions"].times[step]

    def positions(self, step: int) -> Array:
        """(atoms, 3) Å."""
        return self._blocks["positions"].vectors(step)

    def vectors(self, name: str, step: int, unit: float) -> Array | None:
        """Velocities or forces (atoms, 3) times `unit`; None where the leg has none."""
        return self._blocks[name].vectors(step) * unit if name in self._blocks else None

    def cell(self, step: int) -> Array:
        """(3, 3) Å."""
        if self._given is not None:
            return self._given
        assert self._cells is not None
        return self._cells[step].reshape(3, 3)

    def energy(self, step: int) -> float | None:
        """Potential energy, Hartree, with the ten decimals of the positions' comment."""
        return self._blocks["positions"].energies[step]

    def kinetic_energy(self, step: int) -> float | None:
        """Hartree."""
        return None if self._energies is None else float(self._energies[step][0])

    def temperature(self, step: int) -> float | None:
        """K."""
        return None if self._energies is None else float(self._energies[step][1])


class XyzBlocks:
    """An XYZ file of CP2K, ``i = step, time = fs, E = Hartree`` in its comments.

    rows: step → frame in the file (the last one of that step). times, energies: per step.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        comments: list[bytes] = []

        def note(comment: bytes) -> None:
            comments.append(comment)

        self._index = index_xyz(path, note)
        self.rows: dict[int, int] = {}
        self.times: dict[int, float | None] = {}
        self.energies: dict[int, float | None] = {}
        for row, line in enumerate(self._index.lines):
            match = _comment.search(comments[row])
            if match is None:
                raise InputError(
                    "the comment of a CP2K frame reads 'i = step, time = fs, E = Hartree'",
                    path,
                    line=int(line) + 1,
                    frame=row,
                )
            step = int(match[1])
            self.rows[step] = row
            self.times[step] = None if match[2] is None else float(match[2])
            self.energies[step] = None if match[3] is None else float(match[3])
        self.numbers = self._species()

    def vectors(self, step: int) -> Array:
        """The three columns of numbers (atoms, 3) at `step`, in the file's unit."""
        return np.ascontiguousarray(self._table(self.rows[step])[0])

    def _species(self) -> NDArray[np.int64]:
        codes = self._table(0)[1][:, 0]
        return np.array([number_of(word(code).capitalize()) for code in codes], dtype=np.int64)

    def _table(self, row: int) -> tuple[Array, NDArray[np.uint64]]:
        start, stop = (int(k) for k in self._index.offsets[row : row + 2])
        with open_binary(self._path) as file:
            file.seek(start)
            block = file.read(stop - start)
        count, _, rows = block.lstrip().split(b"\n", 2)
        line = int(self._index.lines[row]) + 2
        return parse_rows(rows, int(count), "sfff", str(self._path), line=line, frame=row)


def _table(path: Path | None, *, columns: int) -> dict[int, Array] | None:
    """step → `columns` numbers after step and time; a last line without an end is left out."""
    if path is None:
        return None
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    rows: dict[int, Array] = {}
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            values = np.array(words, dtype=np.float64)
        except ValueError:
            values = np.empty(0)
        if len(values) < columns + 2:
            raise InputError(
                f"expected step, time and {columns} numbers, got {line.strip()[:60]!r}",
                path,
                line=number,
            )
        rows[int(values[0])] = values[2 : columns + 2]
    return rows
