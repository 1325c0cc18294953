"""What a melt–quench says about the glass on its way down: expansion and glass transition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zifglass.core import InputError, Quantity
from zifglass.core.statistics import mean_of_series

from .state import Array


@dataclass(frozen=True)
class GlassTransition:
    """Two straight lines V(T) that meet at the glass transition.

    temperature, temperature_std: K. expansion_glass, expansion_liquid: volumetric thermal
    expansion (1/V)(dV/dT) at the transition, 1/K, with their _std. All errors are standard
    deviations over bootstrap draws of blocks of the cooling run.
    """

    temperature: float
    temperature_std: float
    expansion_glass: float
    expansion_glass_std: float
    expansion_liquid: float
    expansion_liquid_std: float


def binned(temperature: Array, quantity: Array, *, bins: int = 24) -> tuple[Array, Array, Array]:
    """(centres K, means, standard errors) of `quantity` (lines,) in equal bins of temperature.

    The standard error counts each bin as one stretch of a correlated series: it is that of five
    consecutive block means. Bins with fewer than ten lines are left out.
    """
    edges = np.linspace(temperature.min(), temperature.max(), bins + 1)
    which = np.clip(np.digitize(temperature, edges) - 1, 0, bins - 1)
    rows = []
    for i in range(bins):
        values = quantity[which == i]
        if len(values) >= 10:
            blocks = np.array([block.mean() for block in np.array_split(values, 5)])
            error = blocks.std(ddof=1) / np.sqrt(5)
            rows.append((0.5 * (edges[i] + edges[i + 1]), values.mean(), error))
    table = np.array(rows).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def glass_transition(
    temperature: Array, volume: Array, *, rng: np.random.Generator, draws: int = 200
) -> GlassTransition:
    """Fit V(T) = V_g + a_g (T − T_g) below and V_g + a_l (T − T_g) above T_g, least squares.

    temperature, volume (lines,): targets in K and volumes in Å³ of a cooling (or heating) run at
    constant pressure. Raises InputError on a run at constant volume or too short a one.
    """
    if np.ptp(volume) < 1e-6 * volume.mean():
        raise InputError("a glass transition is read off V(T): the volume of this run is constant")
    centres, means, _ = binned(temperature, volume)
    if len(centres) < 8:
        raise InputError(
            f"a glass transition needs at least 8 temperatures with 10 lines each; got "
            f"{len(centres)}"
        )
    best = _fit(centres, means)
    blocks = np.array_split(np.arange(len(volume)), 60)
    fits = []
    for _ in range(draws):
        lines = np.concatenate([blocks[i] for i in rng.integers(0, len(blocks), len(blocks))])
        drawn = binned(temperature[lines], volume[lines])
        if len(drawn[0]) >= 8:
            fits.append(_fit(drawn[0], drawn[1]))
    spread = np.std(fits, axis=0, ddof=1)
    return GlassTransition(best[0], spread[0], best[1], spread[1], best[2], spread[2])


def _fit(T: Array, V: Array) -> tuple[float, float, float]:
    """(T_g, expansion below, expansion above) of the broken line with the least squares."""
    best, least = (np.nan, np.nan, np.nan), np.inf
    for knee in np.linspace(T[2], T[-3], 200):
        columns = np.stack([np.ones_like(T), np.minimum(T - knee, 0), np.maximum(T - knee, 0)], 1)
        solution, *_ = np.linalg.lstsq(columns, V, rcond=None)
        residual = float(((columns @ solution - V) ** 2).sum())
        if residual < least:
            at_knee, low, high = solution.tolist()
            best, least = (float(knee), low / at_knee, high / at_knee), residual
    return best


def quench_results(thermo: dict[str, Array], *, segment: int, glass: int) -> dict[str, Quantity]:
    """Density and total pressure of the glass, and for a quench at constant pressure its thermal
    expansion and glass transition. thermo: as `read_thermo`; segment, glass: the numbers of the
    cooling segment and of the equilibration after it."""
    after = thermo["segment"] == glass
    results = {
        name: _mean(thermo[column][after], unit)
        for name, column, unit in (
            ("density", "density_g_cm3", "g/cm³"),
            ("pressure_total", "pressure_total_GPa", "GPa"),
            ("temperature", "temperature_K", "K"),
        )
    }
    cooling = thermo["segment"] == segment
    try:
        found = glass_transition(
            thermo["target_K"][cooling],
            thermo["volume_A3"][cooling],
            rng=np.random.default_rng(0),
        )
    except InputError:  # constant volume, or too short to say
        return results
    for name, unit in (
        ("temperature", "K"), ("expansion_glass", "1/K"), ("expansion_liquid", "1/K"),
    ):  # fmt: skip
        label = "glass_transition" if name == "temperature" else name
        results[label] = Quantity(getattr(found, name), getattr(found, f"{name}_std"), unit)
    return results


def _mean(values: Array, unit: str) -> Quantity:
    found = mean_of_series(values)
    return Quantity(found.mean, found.std, unit)
