"""Periodic cells: a (3, 3) array in Å whose ROWS are the lattice vectors.

Cartesian and fractional coordinates: ``r = s @ cell``, ``s = r @ inv(cell)``.
"""

from __future__ import annotations

from math import hypot, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

Array = NDArray[np.float64]


def volume(cell: Array) -> float:
    """|det(cell)|, Å³."""
    return abs(float(np.linalg.det(cell)))


def heights(cell: Array) -> Array:
    """Distances (3,) between opposite faces, Å: V / |a_j × a_k|."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def lengths_and_angles(cell: Array) -> Array:
    """(6,): a, b, c in Å, then α, β, γ in degrees."""
    lengths = np.linalg.norm(cell, axis=1)
    unit = cell / lengths[:, None]
    cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return np.concatenate([lengths, angles])


def from_lengths_and_angles(parameters: Any) -> Array:
    """Lower-triangular cell (a along x, b in the xy plane) from a, b, c (Å), α, β, γ (degrees)."""
    a, b, c, alpha, beta, gamma = np.asarray(parameters, dtype=float)
    cos_a, cos_b, cos_g = np.cos(np.radians([alpha, beta, gamma]))
    # cos(90°) is 6e-17 in floating point: right angles are meant exactly.
    cos_a, cos_b, cos_g = (0.0 if abs(x) < 1e-15 else x for x in (cos_a, cos_b, cos_g))
    sin_g = np.sqrt(1.0 - cos_g**2)
    cx, cy = c * cos_b, c * (cos_a - cos_b * cos_g) / sin_g
    square = c**2 - cx**2 - cy**2
    if not square > 0:
        raise InputError(
            f"no cell has the angles {alpha:g}, {beta:g}, {gamma:g} degrees: "
            "their volume would be zero or imaginary"
        )
    return np.array([[a, 0, 0], [b * cos_g, b * sin_g, 0], [cx, cy, np.sqrt(square)]])


def check(cell: Any, *, where: str | None = None, frame: int | None = None) -> Array:
    """`cell` as a (3, 3) float array, or an InputError that says what is wrong with it.

    Accepts (3,) (an orthorhombic box) and (3, 3). Refused: other shapes, NaN, zero volume,
    left-handed vectors (their determinant is negative; swap two of them and the fractional
    coordinates that belong to them).
    """
    array = np.array(cell, dtype=np.float64)
    if array.shape == (3,):
        array = np.diag(array)
    if array.shape != (3, 3):
        raise InputError(
            f"a cell is three vectors, a (3, 3) array; got shape {array.shape}", where, frame=frame
        )
    # Every step of dynamics passes here: on nine numbers, Python is faster than numpy's calls.
    (a, b, c), (d, e, f), (g, h, i) = array.tolist()
    if not all(map(isfinite, (a, b, c, d, e, f, g, h, i))):
        raise InputError("the cell holds values that are not finite", where, frame=frame)
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    scale = hypot(a, b, c) * hypot(d, e, f) * hypot(g, h, i)
    if abs(determinant) <= 1e-8 * scale or scale == 0.0:
        raise InputError(
            "the cell has no volume: its three vectors lie in a plane or are zero",
            where,
            frame=frame,
        )
    if determinant < 0:
        raise InputError(
            f"the cell is left-handed (determinant {determinant:.4g} Å³): swap two of its vectors",
            where,
            frame=frame,
        )
    return array


def wrap(positions: Array, cell: Array, pbc: NDArray[np.bool_] | None = None) -> Array:
    """`positions` moved by lattice vectors into 0 ≤ s < 1 along the periodic directions."""
    fractional = positions @ np.linalg.inv(cell)
    shift = np.floor(fractional)
    if pbc is not None:
        shift = np.where(pbc, shift, 0.0)
    return positions - shift @ cell


def standard_form(cell: Array) -> tuple[Array, Array]:
    """(lower, rotation): `cell` turned so that it is lower triangular with positive diagonal.

    ``lower = cell @ rotation`` and positions turn the same way, ``r @ rotation``. This is the
    form LAMMPS wants. `cell` must be right-handed.
    """
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    rotation = q * signs
    lower = (r * signs[:, None]).T
    return np.tril(lower), rotation
