"""Birch–Murnaghan: from pressures at several volumes to K₀, V₀ and ρ₀.

    P(V) = 3/2 K₀ [x⁷ − x⁵] (1 + 3/4 (K₀' − 4)(x² − 1)),   x = (V₀/V)^{1/3}

Second order is K₀' = 4. Source: Birch, DOI 10.1103/PhysRev.71.809; methods of Castel et al.
(SI, finite strain difference). Which points enter is decided in `window.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import chi2

from zifglass.core.errors import InputError
from zifglass.core.units import GPa, g_per_cm3

Array = NDArray[np.float64]


def birch_murnaghan_pressure(
    volume: Array, *, bulk_modulus: float, volume0: float, derivative: float = 4.0
) -> Array:
    """P(V), in the unit of `bulk_modulus`; volumes in any one unit; derivative K₀' (4: second
    order)."""
    x = np.cbrt(volume0 / np.asarray(volume, dtype=float))
    third = 1.0 + 0.75 * (derivative - 4.0) * (x**2 - 1.0)
    return 1.5 * bulk_modulus * (x**7 - x**5) * third


def birch_murnaghan_bulk_modulus(
    volume: Array, *, bulk_modulus: float, volume0: float, derivative: float = 4.0
) -> Array:
    """K(V) = −V dP/dV, in the unit of `bulk_modulus`."""
    x = np.cbrt(volume0 / np.asarray(volume, dtype=float))
    shape, slope = x**7 - x**5, 7 * x**6 - 5 * x**4
    third = 1.0 + 0.75 * (derivative - 4.0) * (x**2 - 1.0)
    change = slope * third + shape * 1.5 * (derivative - 4.0) * x
    return 0.5 * bulk_modulus * x * change  # −V d/dV = x/3 d/dx


@dataclass(frozen=True, eq=False)
class BirchMurnaghan:
    """A fitted curve.

    bulk_modulus K₀: eV/Å³. volume0 V₀: Å³. derivative K₀', exactly 4 (std 0) in second order.
    covariance (k, k): of (K₀, V₀[, K₀']), enlarged by χ²/dof where that exceeds 1 (Birge), so
    that a curve that does not fit does not look precise. chi_squared: of the stated errors.
    probability: of a χ² as large by chance, NaN without degrees of freedom. order: 2 or 3.
    """

    bulk_modulus: float
    bulk_modulus_std: float
    volume0: float
    volume0_std: float
    derivative: float
    derivative_std: float
    covariance: Array
    chi_squared: float
    degrees_of_freedom: int
    probability: float
    order: int

    def pressure_total(self, volume: Array) -> Array:
        """P(V), eV/Å³, at volumes in Å³."""
        return birch_murnaghan_pressure(
            volume,
            bulk_modulus=self.bulk_modulus,
            volume0=self.volume0,
            derivative=self.derivative,
        )

    def density0(self, mass: float) -> tuple[float, float]:
        """(ρ₀, its standard error), amu/Å³, of a cell that weighs `mass` amu."""
        density = mass / self.volume0
        return density, density * self.volume0_std / self.volume0


def fit_second_order(
    volume: Array, pressure_total: Array, *, pressure_std: Array
) -> BirchMurnaghan:
    """K₀ and V₀ by weighted least squares, K₀' = 4.

    volume (points,): Å³, at least 3 different ones. pressure_total (points,): eV/Å³, the total
    pressure. pressure_std (points,): its standard errors, positive. Raises InputError where no
    error bar could be given: fewer than 3 points, errors missing, a curve that rises with
    volume (no bulk modulus).
    """
    return _fit(volume, pressure_total, pressure_std, order=2)


def fit_third_order(volume: Array, pressure_total: Array, *, pressure_std: Array) -> BirchMurnaghan:
    """As `fit_second_order`, K₀' fitted too; at least 4 volumes."""
    return _fit(volume, pressure_total, pressure_std, order=3)


def _fit(volume: Array, pressure: Array, std: Array, *, order: int) -> BirchMurnaghan:
    volume, pressure, std = check_points(volume, pressure, std)
    if len(np.unique(volume)) < order + 1:
        raise InputError(
            f"a Birch–Murnaghan fit of order {order} with an error bar needs at least "
            f"{order + 1} different volumes; got {len(np.unique(volume))}"
        )
    line = np.polyfit(np.log(volume), pressure, 1, w=1 / std)
    if not line[0] < 0:
        raise InputError(
            f"the pressure rises with volume (−V dP/dV = {-line[0] / GPa:.3g} GPa): these points "
            "have no bulk modulus; the structure has changed between them or they are too noisy"
        )
    stiffness = -line[0]
    # Where the line crosses zero, kept within a factor of what was sampled: a start, no bound.
    lowest, highest = np.log(volume[[0, -1]])
    crossing = float(np.clip(line[1] / stiffness, lowest - 0.5, highest + 0.5))
    start = np.array([1.0, crossing, 4.0][:order])

    def residuals(parameters: Array) -> Array:
        k, log_v0, *rest = parameters
        model = birch_murnaghan_pressure(
            volume,
            bulk_modulus=k * stiffness,
            volume0=np.exp(log_v0),
            derivative=rest[0] if rest else 4.0,
        )
        return np.asarray((model - pressure) / std)

    result = least_squares(residuals, start, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    k0, v0 = float(result.x[0] * stiffness), float(np.exp(result.x[1]))
    jacobian = np.asarray(result.jac)
    information = jacobian.T @ jacobian
    if not result.success or not k0 > 0 or np.linalg.cond(information) > 1e14:
        raise InputError(
            f"no Birch–Murnaghan curve of order {order} passes through these {len(volume)} "
            f"points (K₀ went to {k0 / GPa:.3g} GPa): use more volumes or longer holds"
        )
    scale = np.array([stiffness, v0, 1.0][:order])
    covariance = np.linalg.inv(information) * np.outer(scale, scale)
    chi_squared, freedom = float(2 * result.cost), len(volume) - order
    if freedom > 0:
        covariance *= max(1.0, chi_squared / freedom)
    errors = np.sqrt(np.diag(covariance))
    return BirchMurnaghan(
        bulk_modulus=k0,
        bulk_modulus_std=float(errors[0]),
        volume0=v0,
        volume0_std=float(errors[1]),
        derivative=float(result.x[2]) if order == 3 else 4.0,
        derivative_std=float(errors[2]) if order == 3 else 0.0,
        covariance=covariance,
        chi_squared=chi_squared,
        degrees_of_freedom=freedom,
        probability=float(chi2.sf(chi_squared, freedom)) if freedom > 0 else float("nan"),
        order=order,
    )


def check_points(volume: Array, pressure: Array, std: Array) -> tuple[Array, Array, Array]:
    """The three (points,) as arrays sorted by volume, or an InputError saying which is wrong."""
    arrays = [np.array(a, dtype=np.float64) for a in (volume, pressure, std)]
    if any(a.ndim != 1 or len(a) != len(arrays[0]) for a in arrays):
        raise InputError(
            "volumes, pressures and their errors are three rows of one length; got shapes "
            + ", ".join(str(a.shape) for a in arrays)
        )
    for name, a in zip(("volume", "pressure_total", "pressure_std"), arrays, strict=True):
        if not np.isfinite(a).all():
            raise InputError(f"{name} of point {int(np.argmin(np.isfinite(a)))} is not finite")
    for name, a in (("volume", arrays[0]), ("pressure_std", arrays[2])):
        if len(a) and not a.min() > 0:
            raise InputError(
                f"{name} must be positive; point {int(a.argmin())} has {a.min():.4g}: a modulus "
                "needs the error of every pressure"
            )
    order = np.argsort(arrays[0], kind="stable")
    return arrays[0][order], arrays[1][order], arrays[2][order]


def curve_from_density(*, bulk_modulus: float, density0: float, mass: float) -> BirchMurnaghan:
    """A published curve, second order, from K₀ (eV/Å³) and ρ₀ (amu/Å³); its errors are NaN.

    mass: of the cell, amu; it sets the volume scale, V₀ = mass/ρ₀.
    """
    if not (bulk_modulus > 0 and density0 > 0 and mass > 0):
        raise InputError(
            "K₀, ρ₀ and the mass must be positive; got "
            f"{bulk_modulus / GPa:g} GPa, {density0 / g_per_cm3:g} g/cm³ and {mass:g} amu"
        )
    nan = float("nan")
    return BirchMurnaghan(
        bulk_modulus=bulk_modulus,
        bulk_modulus_std=nan,
        volume0=mass / density0,
        volume0_std=nan,
        derivative=4.0,
        derivative_std=0.0,
        covariance=np.full((2, 2), nan),
        chi_squared=nan,
        degrees_of_freedom=0,
        probability=nan,
        order=2,
    )
