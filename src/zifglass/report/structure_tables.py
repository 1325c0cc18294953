"""What of each structural quantity goes into results.json, and what into its CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.analysis import Angles, BrokenLinkers, Coordination, Msd, Pmf, Rdf, RingStatistics
from zifglass.analysis.bonds import BondLifetimes
from zifglass.analysis.melting_clocks import Melting
from zifglass.analysis.pore_series import PoreSeries
from zifglass.analysis.scattering import Scattering
from zifglass.analysis.survey import Survey
from zifglass.core import Quantity
from zifglass.core.units import fs, ps

Columns = dict[str, NDArray[Any]]
"""Column title with its unit → values, all of one length."""

_lags_in_table = 2000


def summary(survey: Survey) -> dict[str, Quantity]:
    """The scalars of a survey, name → value ± std in the units people use."""
    found: dict[str, Quantity] = {}
    for quantity, result in survey.results.items():
        found |= _summaries[quantity](result)
    return found


def columns(quantity: str, result: Any) -> Columns:
    """The CSV of one quantity."""
    return _tables[quantity](result)


def _first_peak(r: NDArray[Any], g: NDArray[Any]) -> float:
    """Position of the first maximum above 1, by a parabola through its three points."""
    above = np.nonzero(g > 1)[0]
    if not len(above):
        return float("nan")
    end = above[0]
    while end + 1 < len(g) and g[end + 1] >= 1:
        end += 1
    k = above[0] + int(np.argmax(g[above[0] : end + 1]))
    if not 0 < k < len(g) - 1:
        return float(r[k])
    left, middle, right = g[k - 1 : k + 2]
    bend = left - 2 * middle + right
    return float(r[k] + 0.5 * (left - right) / bend * (r[1] - r[0])) if bend else float(r[k])


def _rdf_summary(rdf: Rdf) -> dict[str, Quantity]:
    width = float(rdf.r[1] - rdf.r[0])
    return {
        f"rdf_first_peak_{a}-{b}": Quantity(
            _first_peak(rdf.r, g), width / 12**0.5, "Å", "std from the width of a bin"
        )
        for (a, b), g in zip(rdf.pairs, rdf.partial, strict=True)
    }


def _rdf_table(rdf: Rdf) -> Columns:
    table: Columns = {"r (Å)": rdf.r, "g": rdf.g, "g_std": rdf.g_std}
    for (a, b), g, g_std in zip(rdf.pairs, rdf.partial, rdf.partial_std, strict=True):
        table |= {f"g {a}-{b}": g, f"g_std {a}-{b}": g_std}
    return table


def _pmf_summary(pmf: Pmf) -> dict[str, Quantity]:
    note = f"at {pmf.temperature:.0f} K"
    if np.isinf(pmf.barrier):
        note += "; no pair was seen on the top of the barrier"
    return {"pmf_barrier": Quantity(pmf.barrier, pmf.barrier_std, "kJ/mol", note)}


def _pmf_table(pmf: Pmf) -> Columns:
    return {"r (Å)": pmf.r, "PMF (kJ/mol)": pmf.energy, "PMF_std (kJ/mol)": pmf.energy_std}


def _angles_summary(angles: Angles) -> dict[str, Quantity]:
    return {"angle_mean": Quantity(angles.mean, angles.mean_std, "degree")}


def _angles_table(angles: Angles) -> Columns:
    table: Columns = {
        "angle (degree)": angles.degrees,
        "density (1/degree)": angles.density,
        "density_std (1/degree)": angles.density_std,
    }
    for number, density in zip(angles.coordinations, angles.by_coordination, strict=True):
        table[f"density of {number}-coordinated (1/degree)"] = density
    return table


def _coordination_summary(result: Coordination) -> dict[str, Quantity]:
    found = {"coordination": Quantity(result.mean, result.mean_std, "neighbours per centre")}
    shares = zip(result.distribution, result.distribution_std, strict=True)
    # The same names for every trajectory, so that a mean over trajectories counts the zeros.
    for number, (share, std) in enumerate(
        [*shares, *[(0.0, 0.0)] * 7][: max(7, len(result.numbers))]
    ):
        found[f"coordination_fraction_{number}"] = Quantity(share, std, "1")
    return found


def _coordination_table(result: Coordination) -> Columns:
    table = _clock(result.times, len(result.per_frame))
    table["coordination"] = result.per_frame
    for number, share in zip(result.numbers, result.per_frame_distribution.T, strict=True):
        table[f"fraction of {number}"] = share
    return table


def _linkers_summary(result: BrokenLinkers) -> dict[str, Quantity]:
    return {
        "broken_linker_fraction": Quantity(result.mean, result.mean_std, "1"),
        "linkers_expected": Quantity(result.expected, None, "linkers", "from the composition"),
        "linkers_intact_least": Quantity(int(result.intact.min()), None, "linkers", "a count"),
    }


def _linkers_table(result: BrokenLinkers) -> Columns:
    return _clock(result.times, len(result.intact)) | {
        "intact linkers": result.intact,
        "broken fraction": result.fraction,
    }


def _rings_summary(result: RingStatistics) -> dict[str, Quantity]:
    found = {}
    for size, count, std in zip(result.sizes, result.mean, result.mean_std, strict=True):
        found[f"rings_of_{size}"] = Quantity(count, std, "rings per cell")
    if (result.complete_to < result.sizes[-1]).any():
        least = int(result.complete_to.min())
        note = "larger rings were too many to count in some frames"
        found["rings_complete_to"] = Quantity(least, None, "metal atoms", note)
    return found


def _rings_table(result: RingStatistics) -> Columns:
    table = _clock(result.times, len(result.counts))
    for size, counts in zip(result.sizes, result.counts.T, strict=True):
        table[f"rings of {size}"] = counts
    return table | {"broken linkers": result.broken, "not bridging two": result.dangling}


def _pores_summary(result: PoreSeries) -> dict[str, Quantity]:
    note = f"probe radius {result.each[0].settings.probe_radius:g} Å, {len(result.frames)} frames"
    found = _quantities(result, {"porous_volume": "cm³/kg", "surface_area": "m²/g"}, note)
    if result.sizes is None:
        return found
    diameters = {"largest_included_sphere": "Å", "largest_free_sphere": "Å"}
    return found | _quantities(result.sizes, diameters, f"{len(result.sizes.frames)} frames")


def _quantities(result: Any, units: dict[str, str], note: str) -> dict[str, Quantity]:
    return {
        name: Quantity(getattr(result, name), getattr(result, f"{name}_std"), unit, note)
        for name, unit in units.items()
    }


def _pores_table(result: PoreSeries) -> Columns:
    """One row per frame; what was not measured of a frame is NaN."""
    sized = () if result.sizes is None else zip(result.sizes.frames, result.sizes.each, strict=True)
    volumes = dict(zip(result.frames.tolist(), result.each, strict=True))
    sizes = {int(frame): one for frame, one in sized}
    frames = sorted(volumes | sizes)

    def column(results: Mapping[int, Any], name: str) -> NDArray[Any]:
        return np.array([getattr(results.get(frame), name, np.nan) for frame in frames])

    table = {
        "frame": np.array(frames),
        "porous volume (cm³/kg)": column(volumes, "porous_volume"),
        "sampling std (cm³/kg)": column(volumes, "porous_volume_std"),
        "accessible volume (cm³/kg)": column(volumes, "accessible_volume"),
        "surface area (m²/g)": column(volumes, "surface_area"),
    }
    if sizes:
        table |= {
            "largest included sphere Di (Å)": column(sizes, "largest_included_sphere"),
            "largest free sphere Df (Å)": column(sizes, "largest_free_sphere"),
            "included along free path Dif (Å)": column(sizes, "included_along_free"),
        }
    return table


def _scattering_table(result: Scattering) -> Columns:
    return padded(
        {
            "Q (1/Å)": result.q,
            "F(Q)": result.f,
            "F_std": result.f_std,
            "r (Å)": result.r,
            "D(r) (1/Å²)": result.d,
            "D_std (1/Å²)": result.d_std,
        }
    )


def padded(table: Columns) -> Columns:
    """Columns of numbers made as long as the longest, with NaN."""
    longest = max(len(values) for values in table.values())
    return {
        name: np.concatenate([values, np.full(longest - len(values), np.nan)])
        for name, values in table.items()
    }


def _msd_summary(result: Msd) -> dict[str, Quantity]:
    found = {}
    for symbol, value, std, exponent in zip(
        result.species, result.diffusion, result.diffusion_std, result.exponent, strict=True
    ):
        note = f"MSD grows as t^{exponent:.2f} there; a diffusion coefficient only where that is 1"
        # 1 Å²/fs is 1e-5 m²/s.
        found[f"diffusion_{symbol}"] = Quantity(value * 1e-5, std * 1e-5, "m²/s", note)
    return found


def _msd_table(result: Msd) -> Columns:
    every = max(1, len(result.lags) // _lags_in_table)
    table: Columns = {"lag (ps)": result.lags[::every] * fs / ps}
    for symbol, msd, msd_std in zip(result.species, result.msd, result.msd_std, strict=True):
        table |= {f"MSD {symbol} (Å²)": msd[::every], f"MSD_std {symbol} (Å²)": msd_std[::every]}
    return table


def _bonds_summary(result: BondLifetimes) -> dict[str, Quantity]:
    per_ns = ps * 1e3
    return {
        "bond_lifetime": Quantity(
            result.lifetime / ps, result.lifetime_std / ps, "ps", f"{result.breakings} breakings"
        ),
        "bond_exchange_rate": Quantity(
            result.exchange_rate * per_ns,
            result.exchange_rate_std * per_ns,
            "1/ns per neighbour",
            f"{result.exchanges} exchanges",
        ),
    }


def _bonds_table(result: BondLifetimes) -> Columns:
    every = max(1, len(result.lags) // _lags_in_table)
    return {
        "lag (ps)": result.lags[::every] / ps,
        "survival": result.continuous[::every],
        "survival_std": result.continuous_std[::every],
        "survival with returns": result.intermittent[::every],
        "survival with returns_std": result.intermittent_std[::every],
    }


def _melting_summary(result: Melting) -> dict[str, Quantity]:
    verdict = result.verdict
    found = {
        "melting": Quantity(
            verdict.word,
            None,
            "verdict",
            f"confidence {verdict.confidence:.2f}. {verdict.sentence}",
        )
    }
    if result.onset is not None and result.onset_std is not None:
        found["melting_onset"] = Quantity(result.onset / ps, result.onset_std / ps, "ps")
    return found


def _melting_table(result: Melting) -> Columns:
    table: Columns = {"time (ps)": result.history.times / ps}
    for clock in result.clocks:
        table[clock.label] = clock.values
    return table


def _clock(times: NDArray[Any] | None, frames: int) -> Columns:
    table: Columns = {"frame": np.arange(frames)}
    return table if times is None else table | {"time (ps)": times / ps}


_summaries: dict[str, Callable[[Any], dict[str, Quantity]]] = {
    "rdf": _rdf_summary,
    "pmf": _pmf_summary,
    "angles": _angles_summary,
    "coordination": _coordination_summary,
    "linkers": _linkers_summary,
    "rings": _rings_summary,
    "pores": _pores_summary,
    "scattering": lambda result: {},
    "msd": _msd_summary,
    "bonds": _bonds_summary,
    "melting": _melting_summary,
}
_tables: dict[str, Callable[[Any], Columns]] = {
    "rdf": _rdf_table,
    "pmf": _pmf_table,
    "angles": _angles_table,
    "coordination": _coordination_table,
    "linkers": _linkers_table,
    "rings": _rings_table,
    "pores": _pores_table,
    "scattering": _scattering_table,
    "msd": _msd_table,
    "bonds": _bonds_table,
    "melting": _melting_table,
}
