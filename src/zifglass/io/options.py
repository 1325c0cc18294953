"""What a user may have to tell a reader because the file does not say it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.core import cell as cells
from zifglass.core.structure import number_of
from zifglass.core.units import kcal_per_mol, ps

SpeciesMap = Mapping[Any, str] | Sequence[str]

_lammps_units = {
    "metal": {"time": ps, "velocity": 1 / ps, "force": 1.0},
    "real": {"time": 1.0, "velocity": 1.0, "force": kcal_per_mol},
}


class NoCellError(InputError):
    """A file without a cell, read without giving one."""


@dataclass(frozen=True, eq=False)
class ReadOptions:
    """species_map: the file's type or label → element symbol. timestep: fs. cell (3, 3): Å.
    units: LAMMPS units, for files that do not state theirs."""

    species_map: Mapping[str, str] = field(default_factory=dict)
    timestep: float | None = None
    cell: NDArray[np.float64] | None = None
    units: str | None = None

    @classmethod
    def checked(
        cls,
        species_map: SpeciesMap | None,
        timestep: float | None,
        cell: Any | None,
        units: str | None,
    ) -> ReadOptions:
        """From what the caller gave; raises InputError where it makes no sense."""
        if timestep is not None and not (np.isfinite(timestep) and timestep > 0):
            raise InputError(f"a timestep is a positive number of femtoseconds; got {timestep}")
        return cls(
            species_map=_normalised(species_map),
            timestep=timestep,
            cell=None if cell is None else cells.check(cell),
            units=units,
        )

    def number(self, label: str, path: Path, *, line: int | None = None) -> int:
        """Atomic number of a label in a file: through the map, else as an element symbol.

        ``D`` is hydrogen; a trailing count or charge (``Zn1``, ``N_2``) is not an element
        symbol and needs the map."""
        try:
            return number_of(self.species_map.get(label, label))
        except InputError:
            raise InputError(
                f"unknown element {label!r}: map it with species_map (--species-map {label}=…)",
                path,
                line=line,
            ) from None

    def number_of_type(self, kind: int, path: Path) -> int | None:
        """Atomic number of a LAMMPS type from the map; None where there is no map."""
        if not self.species_map:
            return None
        symbol = self.species_map.get(str(kind))
        if symbol is None:
            raise InputError(
                f"species_map has no type {kind}; it holds {', '.join(self.species_map)}", path
            )
        return number_of(symbol)

    def the_cell(self, path: Path, *, line: int | None = None) -> NDArray[np.float64]:
        """The cell that the caller gave for a file without one."""
        if self.cell is None:
            raise NoCellError(
                "this file has no cell: give one with cell (--cell, Å)",
                path,
                line=line,
            )
        return self.cell


def lammps_units(stated: str | None, options: ReadOptions, path: Path) -> dict[str, float]:
    """What one unit of time, velocity and force of a LAMMPS file is in fs, Å/fs and eV/Å.

    `stated` is what the file says; else the caller's, else metal. Raises InputError on units
    other than metal and real, and where file and caller disagree."""
    if stated and options.units and stated != options.units:
        raise InputError(f"the file says units {stated}, not {options.units}", path)
    units = stated or options.units or "metal"
    if units not in _lammps_units:
        raise InputError(f"LAMMPS units {units} are not read: convert to metal or real", path)
    return _lammps_units[units]


def species_map_from_text(text: str) -> dict[str, str]:
    """``1=C,2=H`` (any labels) or ``C H N Zn`` (types 1, 2, 3, 4) as a map to element symbols.

    Raises InputError on anything else and on unknown elements.
    """
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    pairs = [word.partition("=") for word in words]
    if not words or len({separator for _, separator, _ in pairs}) != 1:
        raise InputError(f"a species map reads '1=C,2=H' or 'C,H,N,Zn'; got {text!r}")
    if pairs[0][1]:
        return _normalised({label: symbol for label, _, symbol in pairs})
    return _normalised(words)


def cell_from_text(text: str) -> NDArray[np.float64]:
    """A cell (3, 3) in Å from 3 lengths, 3 lengths and 3 angles (degrees), or 9 components.

    Raises InputError on anything else."""
    try:
        numbers = np.array([float(word) for word in re.split(r"[,\s]+", text.strip())])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size not in (3, 6, 9) or not np.isfinite(numbers).all():
        raise InputError(
            f"a cell is 3 lengths, 3 lengths and 3 angles, or 9 components; got {text!r}"
        )
    if numbers.size == 6:
        return cells.check(cells.from_lengths_and_angles(numbers))
    return cells.check(numbers.reshape(3, 3) if numbers.size == 9 else numbers)


def _normalised(species_map: SpeciesMap | None) -> dict[str, str]:
    if species_map is None:
        return {}
    if isinstance(species_map, str):
        return species_map_from_text(species_map)
    if not isinstance(species_map, Mapping):
        species_map = dict(enumerate(species_map, start=1))
    result = {str(label): symbol for label, symbol in species_map.items()}
    for symbol in result.values():
        number_of(symbol)
    return result
