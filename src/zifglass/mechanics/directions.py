"""Elastic moduli along directions: surfaces, and their exact extremes.

For a unit vector n and a unit vector m at right angles to it, from the compliance S:

* Young's modulus           1/E(n)   = S_ijkl n_i n_j n_k n_l
* linear compressibility    β(n)     = S_ijkk n_i n_j
* shear modulus             1/G(n,m) = 4 S_ijkl n_i m_j n_k m_l
* Poisson's ratio           ν(n,m)   = −S_ijkl n_i n_j m_k m_l · E(n)

β is a quadratic form: its extremes are eigenvalues. For the others every start of a dense grid
of n, with the best m found exactly as an eigenvector in the plane across n, is a candidate; the
best ones are refined over rotations of the pair (n, m), where the functions are smooth.

Source: Marmier et al., DOI 10.1016/j.cpc.2010.08.033; Gaillac, Pullumbi and Coudert,
DOI 10.1088/0953-8984/28/27/275201.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .elasticity import check_tensor, compliance_tensor, voigt_pairs

Array = NDArray[np.float64]

_grid_points = 2000
_starts = 8


def young_modulus(compliance: Array, n: Array) -> Array:
    """E(n), (...,), of S (6, 6) along unit vectors n (..., 3); the inverse of the unit of S."""
    nn = _dyad(n, n)
    return 1.0 / _contract(compliance, nn, nn)


def linear_compressibility(compliance: Array, n: Array) -> Array:
    """β(n), (...,), in the unit of S: relative shortening along n per unit pressure."""
    return _contract(compliance, _dyad(n, n), _unit_pressure)


def shear_modulus(compliance: Array, n: Array, m: Array) -> Array:
    """G(n, m), (...,), for shear along m of the planes across n."""
    nm = _dyad(n, m)
    return 0.25 / _contract(compliance, nm, nm)


def poisson_ratio(compliance: Array, n: Array, m: Array) -> Array:
    """ν(n, m), (...,): shrinking along m per stretch along n."""
    nn = _dyad(n, n)
    return -_contract(compliance, nn, _dyad(m, m)) / _contract(compliance, nn, nn)


_unit_pressure = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


def _dyad(a: Array, b: Array) -> Array:
    """The symmetric part of a ⊗ b as a stress six-vector (..., 6)."""
    first = [a[..., i] * b[..., j] for i, j in voigt_pairs]
    second = [a[..., j] * b[..., i] for i, j in voigt_pairs]
    return 0.5 * (np.stack(first, axis=-1) + np.stack(second, axis=-1))


def _contract(compliance: Array, a: Array, b: Array) -> Array:
    """S_ijkl a_ij b_kl (...,): S as a Voigt matrix carries the factors that stresses lack."""
    return np.asarray(((a @ compliance) * b).sum(axis=-1))


def transverse_extremes(compliance: Array, n: Array) -> tuple[Array, Array]:
    """((..., 2), (..., 2)): least and largest G(n, m) and ν(n, m) over m at each n (..., 3).

    The surfaces that are drawn for shear and Poisson's ratio.
    """
    n = np.asarray(n, dtype=float)
    inverse_g, across, _ = _plane_forms(compliance, n)
    g = np.asarray(1.0 / np.linalg.eigvalsh(inverse_g)[..., ::-1])
    nu = -np.linalg.eigvalsh(across)[..., ::-1] * young_modulus(compliance, n)[..., None]
    return g, nu


def sphere(points: int) -> Array:
    """(points, 3) unit vectors spread evenly (Fibonacci's spiral) over the half sphere z ≥ 0.

    Every modulus here is even in n, so half a sphere holds all of it.
    """
    k = np.arange(points) + 0.5
    z = 1.0 - k / points
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * k
    radius = np.sqrt(1.0 - z**2)
    return np.column_stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z])


@dataclass(frozen=True, eq=False)
class Extreme:
    """value, its standard error (None where no samples of the tensor were given), and where:
    n (3,) and, for shear and Poisson's ratio, m (3,), else None."""

    value: float
    std: float | None
    n: Array
    m: Array | None


@dataclass(frozen=True, eq=False)
class DirectionalExtremes:
    """(least, largest) of each modulus over all directions; units as in the module's head."""

    young: tuple[Extreme, Extreme]
    linear_compressibility: tuple[Extreme, Extreme]
    shear: tuple[Extreme, Extreme]
    poisson: tuple[Extreme, Extreme]


def directional_extremes(compliance: Array, *, samples: Array | None = None) -> DirectionalExtremes:
    """Extremes of E, β, G and ν over all directions.

    compliance (6, 6): positive definite. samples (k, 6, 6): bootstrap samples of it, from which
    the standard errors come, at the directions found (to first order an extreme does not
    notice a small turn of its direction). Note that noise in S itself spreads the extremes: the
    largest is biased up and the least down, by about its standard error for a body that is
    isotropic in truth.
    """
    compliance = check_tensor(compliance, what="compliance")
    grid = sphere(_grid_points)
    found: dict[str, tuple[Extreme, Extreme]] = {}
    for name, function, pairs in (
        ("young", _young_of_pair, [(grid, _any_across(grid))] * 2),
        ("shear", shear_modulus, _best_pairs(compliance, grid, 0)),
        ("poisson", poisson_ratio, _best_pairs(compliance, grid, 1)),
    ):
        found[name] = (
            _refine(compliance, function, *pairs[0], 1.0, samples, paired=name != "young"),
            _refine(compliance, function, *pairs[1], -1.0, samples, paired=name != "young"),
        )
    return DirectionalExtremes(
        young=found["young"],
        linear_compressibility=_compressibility_extremes(compliance, samples),
        shear=found["shear"],
        poisson=found["poisson"],
    )


def _young_of_pair(compliance: Array, n: Array, m: Array) -> Array:
    return young_modulus(compliance, n)


def _compressibility_extremes(compliance: Array, samples: Array | None) -> tuple[Extreme, Extreme]:
    values, vectors = np.linalg.eigh(np.einsum("ijkk->ij", compliance_tensor(compliance)))

    def extreme(k: int) -> Extreme:
        n = vectors[:, k]
        std = _spread(samples, lambda s: linear_compressibility(s, n))
        return Extreme(float(values[k]), std, n, None)

    return extreme(0), extreme(2)


def _spread(samples: Array | None, function: Callable[[Array], Array]) -> float | None:
    if samples is None:
        return None
    return float(np.std(np.concatenate([np.atleast_1d(function(s)) for s in samples]), ddof=1))


def _refine(
    compliance: Array,
    function: Callable[[Array, Array, Array], Array],
    n: Array,
    m: Array,
    sign: float,
    samples: Array | None,
    *,
    paired: bool,
) -> Extreme:
    """The least of sign·function, from the best starts of (n, m), each (points, 3)."""
    scale = float(np.abs(function(compliance, n, m)).max())
    best: tuple[float, Array, Array] | None = None
    for start in _separate_starts(sign * function(compliance, n, m), n):
        frame = np.stack([n[start], m[start]])

        def value(turn: Array, frame: Array = frame) -> float:
            turned = frame @ _rotation(turn).T
            return sign * float(function(compliance, turned[0], turned[1])) / scale

        result = minimize(value, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
        # "Precision loss" only says that the line search met rounding: the value stands.
        turned = frame @ _rotation(result.x).T
        if best is None or result.fun < best[0]:
            best = (float(result.fun), turned[0], turned[1])
    assert best is not None
    value_at, n_best, m_best = sign * best[0] * scale, best[1], best[2]
    std = _spread(samples, lambda s: function(s, n_best, m_best))
    return Extreme(value_at, std, n_best, m_best if paired else None)


def _separate_starts(values: Array, n: Array) -> list[int]:
    """Indices of the lowest values that lie more than 15° from one another."""
    chosen: list[int] = []
    for index in np.argsort(values):
        if all(abs(float(n[index] @ n[other])) < np.cos(np.radians(15.0)) for other in chosen):
            chosen.append(int(index))
        if len(chosen) == _starts:
            break
    return chosen


def _rotation(turn: Array) -> Array:
    """Rodrigues: the rotation by |turn| radians about `turn` (3,)."""
    x, y, z = turn
    generator = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = float(np.linalg.norm(turn))
    if angle < 1e-6:
        return np.eye(3) + generator + 0.5 * generator @ generator
    first, second = np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2
    return np.eye(3) + first * generator + second * generator @ generator


def _any_across(n: Array) -> Array:
    """Unit vectors (points, 3) at right angles to n (points, 3)."""
    axis = np.where(np.abs(n[..., :1]) < 0.8, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    m = np.cross(n, axis)
    return m / np.linalg.norm(m, axis=-1, keepdims=True)


def _plane_forms(compliance: Array, n: Array) -> tuple[Array, Array, Array]:
    """(1/G form, Σ S_ijkl n_i n_j form, basis): (..., 2, 2) twice and (..., 2, 3), at each n."""
    s = compliance_tensor(compliance)
    first = _any_across(n)
    basis = np.stack([first, np.cross(n, first)], axis=-2)
    inverse_g = 4 * np.einsum("ijkl,...i,...k->...jl", s, n, n)
    across = np.einsum("ijkl,...i,...j->...kl", s, n, n)
    project = "...ai,...ij,...bj->...ab"
    return (
        np.einsum(project, basis, inverse_g, basis),
        np.einsum(project, basis, across, basis),
        basis,
    )


def _best_pairs(compliance: Array, n: Array, which: int) -> list[tuple[Array, Array]]:
    """For the least and the largest: (n, m) with the best m at each n."""
    *forms, basis = _plane_forms(compliance, n)
    _, vectors = np.linalg.eigh(forms[which])
    least, largest = vectors[..., 1], vectors[..., 0]  # both quantities fall with their form
    return [(n, np.einsum("...a,...ai->...i", v, basis)) for v in (least, largest)]
