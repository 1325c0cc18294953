"""Real spherical harmonics of a direction, 'component' normalisation (Σ_m Y_lm² = 2l + 1).

Basis and order of e3nn: y is the polar axis, so order 1 is √3 (x, y, z).
"""

from __future__ import annotations

from math import sqrt
from typing import Any


def harmonics(x: Any, y: Any, z: Any, l_max: int) -> list[list[Any]]:
    """[[Y_00], [Y_1,-1, Y_10, Y_11], …] of the unit vector (x, y, z) up to `l_max` ≤ 3.

    Works on numbers, numpy arrays and torch tensors alike: sums and products alone.
    """
    result: list[list[Any]] = [[x * 0 + 1]]
    if l_max >= 1:
        result.append([sqrt(3) * x, sqrt(3) * y, sqrt(3) * z])
    ring = x * x + z * z
    if l_max >= 2:
        result.append(
            [
                sqrt(15) * x * z,
                sqrt(15) * x * y,
                sqrt(5) * (y * y - 0.5 * ring),
                sqrt(15) * y * z,
                sqrt(15) / 2 * (z * z - x * x),
            ]
        )
    if l_max >= 3:
        result.append(
            [
                sqrt(70) / 4 * x * (3 * z * z - x * x),
                sqrt(105) * x * y * z,
                sqrt(42) / 4 * x * (4 * y * y - ring),
                sqrt(7) / 2 * y * (2 * y * y - 3 * ring),
                sqrt(42) / 4 * z * (4 * y * y - ring),
                sqrt(105) / 2 * y * (z * z - x * x),
                sqrt(70) / 4 * z * (z * z - 3 * x * x),
            ]
        )
    return result
