"""What velocities say: kinetic stress and temperature.

Total = virial + kinetic. A stress here is tension positive, so the kinetic part is negative:
``−(1/V) Σ m v ⊗ v``; the kinetic *pressure* is minus a third of its trace.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .units import kB, kinetic_unit

Array = NDArray[np.float64]


def kinetic_stress(masses: Array, velocities: Array, volume: float) -> Array:
    """−(1/V) Σ m v ⊗ v, (3, 3) eV/Å³; masses (atoms,) amu, velocities (atoms, 3) Å/fs, V Å³."""
    momenta = masses[:, None] * velocities
    return -kinetic_unit * (momenta.T @ velocities) / volume


def temperature_of(masses: Array, velocities: Array, *, degrees_of_freedom: int) -> float:
    """Σ m v² / (degrees of freedom · k_B), K."""
    twice = kinetic_unit * float(np.sum(masses[:, None] * velocities**2))
    return twice / (degrees_of_freedom * kB)
