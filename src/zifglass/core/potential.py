"""What a potential is: a function from a structure to a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .structure import Structure

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """energy: eV. forces (atoms, 3): eV/Å. stress (3, 3): eV/Å³, tension positive, virial part
    only (no kinetic term). energies (atoms,): eV, where the potential has them."""

    energy: float
    forces: Array
    stress: Array
    energies: Array | None = None

    @property
    def pressure_virial(self) -> float:
        """−tr(stress)/3, eV/Å³."""
        return -float(np.trace(self.stress)) / 3.0


@runtime_checkable
class Potential(Protocol):
    """Anything that gives energy, forces and virial stress.

    species: the atomic numbers it knows. cutoff: Å, 0 where it has none. sha256: of the model,
    hexadecimal, or of its settings where there is no file; a run records it and refuses to go
    on with another.
    """

    @property
    def name(self) -> str: ...
    @property
    def species(self) -> tuple[int, ...]: ...
    @property
    def cutoff(self) -> float: ...
    @property
    def sha256(self) -> str: ...
    def __call__(self, structure: Structure) -> Prediction: ...
