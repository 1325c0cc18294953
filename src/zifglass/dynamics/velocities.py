"""Starting velocities."""

from __future__ import annotations

import numpy as np

from zifglass.core import InputError
from zifglass.core.units import kB, kinetic_unit

from .state import Array


def maxwell_boltzmann(masses: Array, temperature: float, *, rng: np.random.Generator) -> Array:
    """Velocities (atoms, 3), Å/fs, of atoms of `masses` (amu) at `temperature` (K).

    v = √(k_B T / m) ξ, less the centre of mass's velocity: zero momentum, 3N − 3 degrees of
    freedom whose kinetic energy follows the canonical distribution. Raises InputError on a
    temperature below zero.
    """
    if not (np.isfinite(temperature) and temperature >= 0):
        raise InputError(f"a temperature is finite and not negative; got {temperature} K")
    width = np.sqrt(kB * temperature / (kinetic_unit * masses))[:, None]
    velocities = width * rng.standard_normal((len(masses), 3))
    return velocities - masses @ velocities / masses.sum()


def rescaled(velocities: Array, masses: Array, temperature: float) -> Array:
    """`velocities` (atoms, 3) multiplied so that Σ m v² = (3N − 3) k_B T exactly."""
    twice_kinetic = kinetic_unit * float(np.einsum("i,ij,ij->", masses, velocities, velocities))
    if not twice_kinetic > 0:
        raise InputError("atoms at rest cannot be rescaled to a temperature; draw velocities first")
    return velocities * np.sqrt((3 * len(masses) - 3) * kB * temperature / twice_kinetic)
