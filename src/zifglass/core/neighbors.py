"""Who is near whom: exact for any triclinic cell, any cutoff, wrapped or unwrapped positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._native import neighbor_list as _neighbor_list
from .errors import InputError
from .structure import Structure
from .trajectory import Frame, as_structure

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """All directed pairs closer than `cutoff`, sorted by (i, j, shift); both directions present.

    i, j (pairs,): atoms. shifts (pairs, 3): whole cells, so that
    ``vectors = positions[j] + shifts @ cell - positions[i]`` (pairs, 3) Å for the positions as
    given, wrapped or not. distances (pairs,): Å.
    """

    i: Indices
    j: Indices
    shifts: Indices
    vectors: Array
    distances: Array
    cutoff: float

    def __len__(self) -> int:
        return len(self.i)

    def select(self, mask: NDArray[np.bool_]) -> Pairs:
        """The pairs where `mask` (pairs,) holds, in the same order."""
        return Pairs(
            self.i[mask],
            self.j[mask],
            self.shifts[mask],
            self.vectors[mask],
            self.distances[mask],
            self.cutoff,
        )


def neighbor_list(structure: Structure | Frame | Atoms, cutoff: float) -> Pairs:
    """Every pair of atoms (images counted) with 0 ≤ distance < `cutoff` (Å).

    An atom and its own image are a pair; an atom and itself are not. The cutoff may exceed the
    cell: each image then counts. Directions that are not periodic have no images. Cost: linear
    in atoms at fixed density and cutoff. Raises InputError if the cutoff is not positive.
    """
    structure = as_structure(structure)
    i, j, shifts, vectors, distances = _neighbor_list(
        structure.positions, structure.cell, structure.pbc, checked_cutoff(cutoff)
    )
    return Pairs(i, j, shifts, vectors, distances, float(cutoff))


def checked_cutoff(cutoff: float) -> float:
    """`cutoff` as a float; InputError unless it is positive and finite."""
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise InputError(f"a cutoff is a positive number of Å; got {cutoff}")
    return float(cutoff)
