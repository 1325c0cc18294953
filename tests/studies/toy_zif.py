"""A ZIF whose atoms are tethered to their places and whose bulk modulus and density are known:
``python:tests.studies.toy_zif:tethered``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zifglass.core import Prediction, Structure
from zifglass.core.units import GPa, g_per_cm3
from zifglass.io import structures

TETHERED = "python:tests.studies.toy_zif:tethered"
STIFFER = "python:tests.studies.toy_zif:stiffer"
BULK_MODULUS = 1.69  # GPa
DENSITY = 1.20  # g/cm³


@dataclass(frozen=True)
class Tethered:
    """E = ½ k Σ (d_i − d̄)² + 9/8 K V₀ ((V₀/V)^⅔ − 1)², d_i from the atom's place in the crystal
    scaled to the cell (that of the given structure where it is another one).

    By the virial theorem the tethers' pressure and the kinetic one cancel in the mean: what is
    left is a second-order Birch–Murnaghan P(V) with K and V₀ exactly. k: eV/Å².
    """

    k: float = 50.0
    species: tuple[int, ...] = (1, 6, 7, 30)
    cutoff: float = 0.0
    name: str = "tethered"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @cached_property
    def _crystals(self) -> dict[int, Any]:
        crystal = structures.load("zif4")
        both = (crystal, crystal.repeat((2, 2, 2)))
        return {len(one): one.positions @ np.linalg.inv(one.cell) for one in both}

    def __call__(self, structure: Structure) -> Prediction:
        n, volume = len(structure), structure.volume
        away = structure.positions @ np.linalg.inv(structure.cell) - self._crystals[n]
        away -= away[0]
        away -= np.round(away)
        d = away @ structure.cell
        d -= d.mean(axis=0)
        rest = float(structure.masses.sum()) / (DENSITY * g_per_cm3)
        modulus, x = BULK_MODULUS * GPa, rest / volume
        energy = 0.5 * self.k * float((d**2).sum())
        energy += 9.0 / 8.0 * modulus * rest * (x ** (2 / 3) - 1.0) ** 2
        pressure = 1.5 * modulus * (x ** (7 / 3) - x ** (5 / 3))
        stress = self.k * d.T @ d / volume - pressure * np.eye(3)
        return Prediction(energy=energy, forces=-self.k * d, stress=stress)


def tethered() -> Tethered:
    return Tethered()


def stiffer() -> Tethered:
    """Its teacher, say."""
    return Tethered(k=52.0, name="stiffer")
