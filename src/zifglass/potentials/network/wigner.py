"""Real Wigner 3j tensors in the basis and sign convention of e3nn, computed here.

Racah's formula gives the Clebsch-Gordan coefficients as the square root of a rational number,
evaluated in exact integers; the change to real harmonics (rows m = −l…l) turns them real up
to a phase that the factor (−i)^l absorbs; the tensor is then scaled to Frobenius norm 1.
Sources: Racah, Phys. Rev. 62, 438 (1942), DOI 10.1103/PhysRev.62.438; e3nn, DOI
10.48550/arXiv.2207.09453.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import factorial, sqrt

import numpy as np
from numpy.typing import NDArray


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> NDArray[np.float64]:
    """(2l1+1, 2l2+1, 2l3+1), invariant under rotation, norm 1; read-only.

    Raises ValueError unless |l1 − l2| ≤ l3 ≤ l1 + l2.
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(f"orders {l1}, {l2}, {l3} do not couple")
    coupling = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            coupling[l1 + m1, l2 + m2, l3 + m1 + m2] = clebsch_gordan(l1, m1, l2, m2, l3)
    q1, q2, q3 = (_real_to_complex(order) for order in (l1, l2, l3))
    tensor = np.einsum("ia,jb,kc,ijk->abc", q1, q2, q3.conj(), coupling).real
    # Exact zeros come out as rounding noise; the entries that are not zero exceed 0.01.
    tensor[np.abs(tensor) < 1e-12] = 0.0
    tensor /= np.linalg.norm(tensor)
    tensor.flags.writeable = False
    return tensor


def clebsch_gordan(j1: int, m1: int, j2: int, m2: int, j: int) -> float:
    """⟨j1 m1 j2 m2 | j m1+m2⟩ for whole j, by Racah's formula."""
    m = m1 + m2
    squared = Fraction(
        (2 * j + 1) * factorial(j + j1 - j2) * factorial(j - j1 + j2) * factorial(j1 + j2 - j),
        factorial(j1 + j2 + j + 1),
    )
    squared *= factorial(j + m) * factorial(j - m)
    squared *= factorial(j1 + m1) * factorial(j1 - m1) * factorial(j2 + m2) * factorial(j2 - m2)
    total = Fraction(0)
    for k in range(j1 + j2 - j + 1):
        terms = (k, j1 + j2 - j - k, j1 - m1 - k, j2 + m2 - k, j - j2 + m1 + k, j - j1 - m2 + k)
        if min(terms) >= 0:
            denominator = 1
            for term in terms:
                denominator *= factorial(term)
            total += Fraction((-1) ** k, denominator)
    value = sqrt(squared * total**2)
    return value if total >= 0 else -value


def _real_to_complex(l: int) -> NDArray[np.complex128]:  # noqa: E741
    """Rows: complex harmonics m = −l…l; columns: real ones."""
    q = np.zeros((2 * l + 1, 2 * l + 1), dtype=np.complex128)
    q[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1) ** m
        q[l - m, l + m], q[l - m, l - m] = sqrt(0.5), -1j * sqrt(0.5)
        q[l + m, l + m], q[l + m, l - m] = sign * sqrt(0.5), 1j * sign * sqrt(0.5)
    return (-1j) ** l * q
