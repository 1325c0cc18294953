"""Which element has this mass: how LAMMPS files name their species."""

from __future__ import annotations

import numpy as np

from zifglass.core.structure import masses_of

_tolerance = 0.3  # amu; rounded masses (12, 65.4) are meant, but Co and Ni lie 0.24 apart
_deuterium = 2.014


def element_of(mass: float) -> int | None:
    """Atomic number whose standard weight lies within 0.3 amu of `mass` and at least three
    times nearer than any other's; 2.014 (deuterium) is hydrogen. None where there is none."""
    if abs(mass - _deuterium) < 0.02:
        return 1
    distances = np.abs(masses_of(np.arange(1, 119)) - mass)
    first, second = np.argsort(distances, kind="stable")[:2]
    if distances[first] > _tolerance or distances[second] < 3 * distances[first]:
        return None
    return int(first) + 1
