"""What every potential of this room refuses before it computes: a wrong number is worse."""

from __future__ import annotations

import numpy as np

from zifglass.core import InputError, Structure
from zifglass.core.structure import symbols_of

CLOSEST = 0.4
"""Å. No two nuclei of a chemical simulation come closer; H–H in H2 is 0.74 Å."""

DENSEST = 0.6
"""Atoms/Å³: more than three times diamond (0.176)."""


def check_structure(structure: Structure, species: tuple[int, ...], name: str) -> None:
    """Raise InputError on no atoms, on an element that `name` does not know (naming the first
    such atom) and on a density that no solid has."""
    if len(structure) == 0:
        raise InputError("a structure without atoms has no energy")
    unknown = ~np.isin(structure.numbers, species)
    if unknown.any():
        atom = int(np.nonzero(unknown)[0][0])
        raise InputError(
            f"{name} knows {' '.join(symbols_of(species))}; atom {atom} is "
            f"{structure.symbols[atom]}"
        )
    density = len(structure) / structure.volume
    if density > DENSEST and structure.pbc.all():
        raise InputError(
            f"{density:.3g} atoms per Å³ is more than three times the density of diamond: check "
            "the units of the cell (Å are expected)"
        )


def check_distance(shortest: float, first: int, second: int) -> None:
    """Raise InputError if atoms `first` and `second`, `shortest` Å apart, are on top of each
    other."""
    if shortest < CLOSEST:
        raise InputError(
            f"atoms {first} and {second} are {shortest:.3f} Å apart; nuclei closer than "
            f"{CLOSEST} Å have no meaningful energy"
        )
