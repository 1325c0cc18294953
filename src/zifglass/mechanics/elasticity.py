"""Elastic tensors as 6 × 6 matrices in Voigt's order xx, yy, zz, yz, xz, xy.

The strain six-vector holds doubled shears, (ε_xx, ε_yy, ε_zz, 2ε_yz, 2ε_xz, 2ε_xy), the stress
six-vector plain ones, so that σ = C e, e = S σ and S = C⁻¹ as 6 × 6 matrices. Hence
C_IJ = C_ijkl, but S_IJ = S_ijkl times 1, 2 or 4 for no, one or two shear indices.
Moduli are in the unit of what is given (inside zifglass eV/Å³). Every function takes stacks
(..., 6, 6).

Sources: Nye, Physical Properties of Crystals (1985); Hill, DOI 10.1088/0370-1298/65/5/307;
Ranganathan and Ostoja-Starzewski, DOI 10.1103/PhysRevLett.101.055504;
Mouhat and Coudert, DOI 10.1103/PhysRevB.90.224104.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from zifglass.core.errors import InputError

Array = NDArray[np.float64]

voigt_pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
voigt_labels = ("xx", "yy", "zz", "yz", "xz", "xy")

_rows = np.array([pair[0] for pair in voigt_pairs])
_columns = np.array([pair[1] for pair in voigt_pairs])
_place = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
_doubling = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
_mandel = np.sqrt(_doubling)


def strain_vector(strain: Array) -> Array:
    """(..., 6) with doubled shears from a symmetric strain (..., 3, 3)."""
    return strain[..., _rows, _columns] * _doubling


def strain_matrix(vector: Array) -> Array:
    """(..., 3, 3) from the strain six-vector (..., 6): the inverse of `strain_vector`."""
    return (np.asarray(vector) / _doubling)[..., _place]


def stress_vector(stress: Array) -> Array:
    """(..., 6) from a symmetric stress (..., 3, 3); shears stay as they are."""
    return stress[..., _rows, _columns]


def stiffness_tensor(stiffness: Array) -> Array:
    """C_ijkl (..., 3, 3, 3, 3) from C_IJ (..., 6, 6)."""
    return np.asarray(stiffness)[..., _place[:, :, None, None], _place[None, None]]


def compliance_tensor(compliance: Array) -> Array:
    """S_ijkl (..., 3, 3, 3, 3) from S_IJ (..., 6, 6): factors 1, 1/2, 1/4 taken out."""
    return stiffness_tensor(np.asarray(compliance) / np.outer(_doubling, _doubling))


def stiffness_matrix(tensor: Array) -> Array:
    """C_IJ (..., 6, 6) from C_ijkl (..., 3, 3, 3, 3)."""
    i, j = _rows[:, None], _columns[:, None]
    return tensor[..., i, j, _rows[None], _columns[None]]


def compliance_matrix(tensor: Array) -> Array:
    """S_IJ (..., 6, 6) from S_ijkl (..., 3, 3, 3, 3)."""
    return np.asarray(stiffness_matrix(tensor) * np.outer(_doubling, _doubling))


def rotate_stiffness(stiffness: Array, rotation: Array) -> Array:
    """C'_ijkl = R_ia R_jb R_kc R_ld C_abcd for r' = R r (columns), as (6, 6)."""
    return stiffness_matrix(_rotated(stiffness_tensor(stiffness), rotation))


def rotate_compliance(compliance: Array, rotation: Array) -> Array:
    """As `rotate_stiffness`, for S."""
    return compliance_matrix(_rotated(compliance_tensor(compliance), rotation))


def _rotated(tensor: Array, rotation: Array) -> Array:
    r = rotation
    return np.einsum("ia,jb,kc,ld,...abcd->...ijkl", r, r, r, r, tensor, optimize=True)


def inverse(matrix: Array, *, what: str = "stiffness") -> Array:
    """C from S or S from C, (6, 6); raises InputError where the tensor is singular."""
    mandel = _to_mandel(matrix, _mandel if what == "stiffness" else 1 / _mandel)
    values = np.linalg.eigvalsh(0.5 * (mandel + mandel.T))
    if not np.abs(values).min() > 1e-10 * np.abs(values).max():
        raise InputError(
            f"the {what} tensor is singular (eigenvalues {np.array2string(values, precision=3)} "
            "in internal units): some deformation costs no energy, or was never sampled, "
            "so there is no inverse"
        )
    return np.asarray(np.linalg.inv(matrix))


@dataclass(frozen=True, eq=False)
class Averages:
    """Polycrystal averages of an elastic tensor, each a float or an array (...).

    Bulk, shear and Young moduli after Voigt (uniform strain: upper bound), Reuss (uniform
    stress: lower bound) and Hill (their mean), in the unit of the tensor; Poisson ratios;
    anisotropy: the universal index A = 5 G_V/G_R + K_V/K_R − 6 (0 for an isotropic body).
    """

    bulk_voigt: Array
    bulk_reuss: Array
    bulk_hill: Array
    shear_voigt: Array
    shear_reuss: Array
    shear_hill: Array
    young_voigt: Array
    young_reuss: Array
    young_hill: Array
    poisson_voigt: Array
    poisson_reuss: Array
    poisson_hill: Array
    anisotropy: Array

    def map(self, function: Callable[[Array], Array]) -> Averages:
        """`function` of every field; ``samples.map(lambda x: x.std(ddof=1))`` gives errors."""
        return Averages(*(function(getattr(self, field.name)) for field in fields(self)))

    def items(self) -> list[tuple[str, Array]]:
        """(name, value) of every field."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def averages(stiffness: Array, compliance: Array) -> Averages:
    """Voigt's from `stiffness`, Reuss's from `compliance`, both (..., 6, 6); Hill's their mean.

    K_V = (C11+C22+C33 + 2(C12+C13+C23))/9, 15 G_V = C11+C22+C33 − (C12+C13+C23) + 3(C44+C55+C66),
    1/K_R = S11+S22+S33 + 2(S12+S13+S23), 15/G_R = 4(S11+S22+S33) − 4(S12+S13+S23)
    + 3(S44+S55+S66); E = 9KG/(3K+G), ν = (3K − 2G)/(6K + 2G).
    """
    axial, mixed, shear = _sums(np.asarray(stiffness, dtype=float))
    bulk_v, shear_v = (axial + 2 * mixed) / 9, (axial - mixed + 3 * shear) / 15
    axial, mixed, shear = _sums(np.asarray(compliance, dtype=float))
    bulk_r, shear_r = 1 / (axial + 2 * mixed), 15 / (4 * axial - 4 * mixed + 3 * shear)
    young_v, poisson_v = _young_and_poisson(bulk_v, shear_v)
    young_r, poisson_r = _young_and_poisson(bulk_r, shear_r)
    bulk_h, shear_h = 0.5 * (bulk_v + bulk_r), 0.5 * (shear_v + shear_r)
    young_h, poisson_h = _young_and_poisson(bulk_h, shear_h)
    return Averages(
        bulk_voigt=bulk_v,
        bulk_reuss=bulk_r,
        bulk_hill=bulk_h,
        shear_voigt=shear_v,
        shear_reuss=shear_r,
        shear_hill=shear_h,
        young_voigt=young_v,
        young_reuss=young_r,
        young_hill=young_h,
        poisson_voigt=poisson_v,
        poisson_reuss=poisson_r,
        poisson_hill=poisson_h,
        anisotropy=5 * shear_v / shear_r + bulk_v / bulk_r - 6,
    )


def _young_and_poisson(bulk: Array, shear: Array) -> tuple[Array, Array]:
    young = 9 * bulk * shear / (3 * bulk + shear)
    return young, (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear)


def _sums(matrix: Array) -> tuple[Array, Array, Array]:
    axial = matrix[..., 0, 0] + matrix[..., 1, 1] + matrix[..., 2, 2]
    mixed = matrix[..., 0, 1] + matrix[..., 0, 2] + matrix[..., 1, 2]
    shear = matrix[..., 3, 3] + matrix[..., 4, 4] + matrix[..., 5, 5]
    return axial, mixed, shear


def stiffness_eigenvalues(stiffness: Array) -> Array:
    """The six eigenvalues (..., 6), ascending, of C as a map of symmetric tensors.

    Born's criterion at zero stress: the crystal is stable if and only if all are positive.
    They are invariant under rotation (the eigenvalues of the plain Voigt matrix are not).
    """
    mandel = _to_mandel(np.asarray(stiffness), _mandel)
    return np.asarray(np.linalg.eigvalsh(0.5 * (mandel + np.swapaxes(mandel, -1, -2))))


def _to_mandel(matrix: Array, weights: Array) -> Array:
    return matrix * weights[:, None] * weights


def is_stable(stiffness: Array) -> bool:
    """Born stability at zero stress of one tensor (6, 6)."""
    return bool(stiffness_eigenvalues(stiffness)[..., 0] > 0)


def check_tensor(matrix: Array, *, what: str = "stiffness") -> Array:
    """`matrix` as a symmetric, finite (6, 6) array, or an InputError."""
    array = np.array(matrix, dtype=np.float64)
    if array.shape != (6, 6):
        raise InputError(f"a {what} tensor is a (6, 6) Voigt matrix; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"the {what} tensor holds values that are not finite")
    scale = np.abs(array).max()
    if np.abs(array - array.T).max() > 1e-6 * scale:
        raise InputError(
            f"the {what} tensor must be symmetric; its entries differ from their mirror images "
            f"by up to {np.abs(array - array.T).max() / scale:.1e} of the largest"
        )
    return 0.5 * (array + array.T)
