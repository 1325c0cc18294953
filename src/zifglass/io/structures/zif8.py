"""ZIF-8 from its space group: ``python -m zifglass.io.structures.zif8 zif8.extxyz``.

Zn(2-methylimidazolate)₂ in I-43m with a = 16.991 Å (Park et al., PNAS 2006, DOI
10.1073/pnas.0602439103) and Zn at 12d, (1/4, 1/2, 0): the sodalite net. The linker is built,
not copied: a planar ring of common bond lengths and angles whose mirror plane is the crystal's,
between two neighbouring Zn. What is left, the turn of its plane about the line of the two Zn, is
set where N–Zn–N comes nearest to the tetrahedral angle; the other such turn gives the mirror
image of the framework. The methyl hydrogens are ordered, one of them in the mirror plane, on the
side that keeps hydrogens of neighbouring linkers further apart (2.44 against 2.39 Å). Not in the
construction, so a check of it: the cage and window come out as 11.5 and 3.4 Å across, published
as 11.6 and 3.4 Å.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from ase.spacegroup import Spacegroup
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from zifglass.core import Structure

Array = NDArray[np.float64]

LATTICE = 16.991  # Å
TURN_NEAR = 27.0  # degrees; the mirror image lies at 180° minus this
_group: Any = Spacegroup(217)  # I-43m
_zinc = np.array([0.25, 0.5, 0.0]) * LATTICE
_neighbour = np.array([0.5, 0.25, 0.0]) * LATTICE

# Half of the linker, Å: (element, along the Zn–Zn line, across it in the ring's plane, off the
# plane); the Zn lie at (±3.0036, 0, 0) and the mirror takes `along` to −`along`. From Zn–N 1.987,
# N–C2 1.339, N–C4 1.371, C4–C5 1.346, C2–CH3 1.492, C–H 1.08 and 1.09 Å, N–C2–N 112.2°.
_half_linker = (
    (7, 1.1114, -0.6064, 0.0),
    (6, 0.0, 0.1404, 0.0),
    (6, 0.6730, -1.9054, 0.0),
    (6, 0.0, 1.6324, 0.0),
    (1, 1.3380, -2.7560, 0.0),
    (1, 0.0, 1.9960, 1.0276),
    (1, 0.8899, 1.9960, -0.5138),
)


def build() -> Structure:
    """The conventional cell: Zn12 (C4H5N2)24, 276 atoms."""
    turn = minimize_scalar(
        _angle_strain, bounds=(TURN_NEAR - 15, TURN_NEAR + 15), method="bounded",
        options={"xatol": 1e-9},
    ).x  # fmt: skip
    numbers, places = [30], [_zinc]
    along, across, off = _frame(turn)
    middle = (_zinc + _neighbour) / 2
    for number, x, y, z in _half_linker:
        numbers.append(number)
        places.append(middle + x * along + y * across + z * off)
    sites, kinds = _group.equivalent_sites(np.array(places) / LATTICE, onduplicates="keep")
    return Structure(np.array(numbers)[kinds], np.round(sites, 9) * LATTICE, np.eye(3) * LATTICE)


def _frame(turn: float) -> tuple[Array, Array, Array]:
    """Unit vectors along the two Zn, across them in the ring's plane, and off that plane."""
    along = (_zinc - _neighbour) / np.linalg.norm(_zinc - _neighbour)
    first = np.cross(along, [0.0, 0.0, 1.0])
    second = np.cross(along, first)
    across = np.cos(np.radians(turn)) * second + np.sin(np.radians(turn)) * first
    return along, across, np.cross(along, across)


def _angle_strain(turn: float) -> float:
    """Sum of the squared deviations of cos(N–Zn–N) from −1/3 at one Zn."""
    along, across, _ = _frame(turn)
    _, x, y, _ = _half_linker[0]
    nitrogen = (_zinc + _neighbour) / 2 + x * along + y * across
    sites, _ = _group.equivalent_sites([nitrogen / LATTICE])
    bonds = sites - _zinc / LATTICE
    bonds = (bonds - np.round(bonds)) * LATTICE
    bonds = bonds[np.linalg.norm(bonds, axis=1) < 2.5]
    bonds /= np.linalg.norm(bonds, axis=1)[:, None]
    cosines = (bonds @ bonds.T)[np.triu_indices(len(bonds), 1)]
    return float(((cosines + 1 / 3) ** 2).sum())


if __name__ == "__main__":
    from zifglass.io import write

    write(sys.argv[1], build())
