"""The noun that crosses every border: atoms in a periodic cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import cell as cells
from .errors import InputError
from .units import g_per_cm3

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in a cell. Frozen; the arrays are read-only.

    numbers (atoms,): atomic numbers. positions (atoms, 3): Å, Cartesian, wrapped or not.
    cell (3, 3): Å, rows are the vectors, right-handed. pbc (3,): periodic directions.
    Raises InputError on NaN, unknown elements, a cell without volume, mismatched shapes.
    """

    numbers: NDArray[np.int64]
    positions: Array
    cell: Array
    pbc: NDArray[np.bool_] = field(default_factory=lambda: np.ones(3, dtype=bool))

    def __post_init__(self) -> None:
        numbers = np.array(self.numbers, dtype=np.int64)
        positions = np.array(self.positions, dtype=np.float64)
        pbc = np.array(self.pbc, dtype=bool)
        if pbc.shape != (3,):
            pbc = np.broadcast_to(pbc, (3,)).copy()
        if numbers.ndim != 1:
            raise InputError(f"atomic numbers form one row; got shape {numbers.shape}")
        if positions.shape != (len(numbers), 3):
            raise InputError(
                f"{len(numbers)} atoms need positions of shape ({len(numbers)}, 3); "
                f"got {positions.shape}"
            )
        if not np.isfinite(positions).all():
            atom = int(np.nonzero(~np.isfinite(positions).all(axis=1))[0][0])
            raise InputError(f"the position of atom {atom} is not finite: {positions[atom]}")
        if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= 118):
            raise InputError(
                f"atomic numbers lie between 1 and 118; got {numbers.min()} to {numbers.max()}"
            )
        cell = cells.check(self.cell)
        for name, array in (
            ("numbers", numbers), ("positions", positions), ("cell", cell), ("pbc", pbc),
        ):  # fmt: skip
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"Structure({self.formula}, volume {self.volume:.2f} Å³)"

    @property
    def symbols(self) -> list[str]:
        """Element symbols, one per atom."""
        return symbols_of(self.numbers)

    @property
    def formula(self) -> str:
        """Element counts, heaviest first: Zn16N64C96H96."""
        kinds, counts = np.unique(self.numbers, return_counts=True)
        pairs = zip(symbols_of(kinds[::-1]), counts[::-1], strict=True)
        return "".join(f"{symbol}{count}" for symbol, count in pairs)

    @property
    def volume(self) -> float:
        """Å³."""
        return cells.volume(self.cell)

    @property
    def masses(self) -> Array:
        """Standard atomic weights (atoms,), amu."""
        return masses_of(self.numbers)

    @property
    def density(self) -> float:
        """amu/Å³; divide by units.g_per_cm3."""
        return float(self.masses.sum()) / self.volume

    @property
    def density_g_per_cm3(self) -> float:
        """g/cm³, from standard atomic weights."""
        return self.density / g_per_cm3

    def with_positions(self, positions: Array) -> Structure:
        """The same atoms elsewhere (atoms, 3), Å."""
        return replace(self, positions=positions)

    def scaled_to(self, cell: Array) -> Structure:
        """The same fractional coordinates in another cell (3, 3), Å."""
        fractional = self.positions @ np.linalg.inv(self.cell)
        return replace(self, cell=cell, positions=fractional @ np.asarray(cell))

    def wrapped(self) -> Structure:
        """Every atom inside the cell along its periodic directions."""
        return replace(self, positions=cells.wrap(self.positions, self.cell, self.pbc))

    def repeat(self, repeats: Sequence[int]) -> Structure:
        """The supercell of (3,) copies; the copies of the whole cell follow one another."""
        n = np.asarray(repeats, dtype=int)
        if n.shape != (3,) or (n < 1).any():
            raise InputError(f"a supercell is three whole numbers from 1; got {list(repeats)}")
        grid = np.stack(np.meshgrid(*(np.arange(k) for k in n), indexing="ij"), axis=-1)
        offsets = grid.reshape(-1, 1, 3) @ self.cell
        return Structure(
            numbers=np.tile(self.numbers, len(offsets)),
            positions=(self.positions[None] + offsets).reshape(-1, 3),
            cell=self.cell * n[:, None],
            pbc=self.pbc,
        )

    @classmethod
    def from_ase(cls, atoms: Atoms) -> Structure:
        """From an ``ase.Atoms``; its constraints and calculator are left behind."""
        return cls(atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc)

    def to_ase(self) -> Atoms:
        """As an ``ase.Atoms`` of its own arrays."""
        from ase import Atoms

        return Atoms(self.numbers, self.positions.copy(), cell=self.cell.copy(), pbc=self.pbc)


def symbols_of(numbers: Any) -> list[str]:
    """Element symbols of atomic numbers."""
    from ase.data import chemical_symbols

    return [chemical_symbols[int(z)] for z in numbers]


def number_of(symbol: str) -> int:
    """Atomic number of an element symbol; 'D' is hydrogen. Raises InputError on others."""
    from ase.data import atomic_numbers

    number = 1 if symbol == "D" else atomic_numbers.get(symbol, 0)
    if not number:
        raise InputError(f"unknown element {symbol!r}")
    return int(number)


def masses_of(numbers: Any) -> Array:
    """Standard atomic weights, amu (IUPAC 2016, as in ase.data)."""
    from ase.data import atomic_masses

    return np.asarray(atomic_masses[np.asarray(numbers)], dtype=np.float64)
