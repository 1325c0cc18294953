"""ZIF-90 whose atoms are tethered to their places, or one oxygen to a place away from its linker:
``python:tests.end_to_end.tethers:whole`` and ``…:torn``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from tests.analysis.zif90 import zif90

from zifglass.core import Prediction, Structure

WHOLE = "python:tests.end_to_end.tethers:whole"
TORN = "python:tests.end_to_end.tethers:torn"


@cache
def crystal() -> Structure:
    return zif90()


@dataclass(frozen=True)
class Tethered:
    """E = ½ k Σ d², k 5 eV/Å², d from an atom's place; oxygen `away` has its place 2 Å off."""

    away: int | None
    name: str
    k: float = 5.0
    species: tuple[int, ...] = (1, 6, 7, 8, 30)
    cutoff: float = 0.0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def __call__(self, structure: Structure) -> Prediction:
        places = crystal().positions.copy()
        if self.away is not None:
            places[np.nonzero(crystal().numbers == 8)[0][self.away], 2] += 2.0
        d = (structure.positions - places) @ np.linalg.inv(structure.cell)
        d = (d - np.round(d)) @ structure.cell
        stress = self.k * d.T @ d / structure.volume
        return Prediction(0.5 * self.k * float((d**2).sum()), forces=-self.k * d, stress=stress)


def whole() -> Tethered:
    return Tethered(None, "whole")


def torn() -> Tethered:
    return Tethered(3, "torn")
