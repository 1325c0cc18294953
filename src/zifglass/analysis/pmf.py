"""Potential of mean force along a distance, from the RDF. See README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..core import InputError, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.statistics import statistical_inefficiency
from ..core.units import kB, kJ_per_mol
from .rdf import Rdf, RdfSettings, rdf

Array = NDArray[np.float64]
_rdf_defaults = RdfSettings()


class PmfSettings(Settings):
    """Of which pair, at which temperature."""

    pair: str = Field(default="Zn-N", description="pair of elements")
    temperature: float = Field(gt=0, allow_inf_nan=False, description="K")


_default_pair: str = PmfSettings.model_fields["pair"].default


@dataclass(frozen=True, eq=False)
class Pmf:
    """Potential of mean force, kJ/mol, zero at the highest peak of g.

    r (bins,): Å. energy, energy_std (bins,): kJ/mol; +inf where no pair was seen. barrier,
    barrier_std: kJ/mol, the highest point between the peak and the next shell, at
    `barrier_position` Å; +inf with NaN std where a bin in between was never visited, NaN where
    g has no second shell within reach. peak_position: Å. temperature: K. std from a jackknife
    over blocks of frames; NaN for one frame.
    """

    r: Array
    energy: Array
    energy_std: Array
    barrier: float
    barrier_std: float
    barrier_position: float
    peak_position: float
    temperature: float


def pmf(
    trajectory: Any,
    pair: str | Sequence[str] = _default_pair,
    *,
    temperature: float,
    r_max: float = _rdf_defaults.r_max,
    bins: int = _rdf_defaults.bins,
) -> Pmf:
    """``W(r) = -k_B T ln(g(r) / max g)`` of one pair from a trajectory or an `Rdf`.

    temperature in K; r_max in Å and bins as in `rdf` (not used when an Rdf is given).
    """
    if isinstance(trajectory, Rdf):
        return pmf_of_rdf(trajectory, pair, temperature=temperature)
    result = rdf(as_trajectory(trajectory), [pair], r_max=r_max, bins=bins)
    return pmf_of_rdf(result, pair, temperature=temperature)


def pmf_of_rdf(
    result: Rdf, pair: str | Sequence[str] = _default_pair, *, temperature: float
) -> Pmf:
    """The potential of mean force of one pair of an `Rdf`; see `pmf`."""
    name = pair if isinstance(pair, str) else "-".join(pair)
    settings = settings_from(PmfSettings, {"pair": name, "temperature": temperature})
    g, _ = result.of(settings.pair)
    if not g.max() > 0:
        raise InputError(f"no {settings.pair} pair is closer than {result.edges[-1]:g} Å")
    thermal = kB * settings.temperature / kJ_per_mol
    gap = _gap(g)
    peak = int(np.argmax(g))
    energy = _energy(g, peak, thermal)
    top = None if gap is None else gap.start + int(np.argmax(energy[gap]))
    blocks = result.blocks[:, result.row(settings.pair)]
    energy_std, barrier_std = _jackknife(blocks, result.block_weights, peak, gap, thermal)
    return Pmf(
        r=result.r,
        energy=energy,
        energy_std=energy_std,
        barrier=float("nan") if top is None else float(energy[top]),
        barrier_std=barrier_std,
        barrier_position=float("nan") if top is None else float(result.r[top]),
        peak_position=float(result.r[peak]),
        temperature=settings.temperature,
    )


def _energy(g: Array, peak: int, thermal: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-thermal * np.log(g / g[peak]))


def _gap(g: Array) -> slice | None:
    """The bins after the highest peak where g stays below 1, if it comes back above."""
    peak = int(np.argmax(g))
    below = np.nonzero(g[peak:] < 1)[0]
    if not len(below):
        return None
    start = peak + int(below[0])
    above = np.nonzero(g[start:] >= 1)[0]
    return slice(start, start + int(above[0])) if len(above) else None


def _jackknife(
    blocks: Array, weights: Array, peak: int, gap: slice | None, thermal: float
) -> tuple[Array, float]:
    """Standard errors of the energies and of the barrier, leaving out one block at a time."""
    count = len(blocks)
    if count < 2:
        return np.full(blocks.shape[1], np.nan), float("nan")
    weighted = blocks * weights[:, None]
    rest = (weighted.sum(axis=0) - weighted) / (weights.sum() - weights)[:, None]
    energies = np.array([_energy(g, peak, thermal) for g in rest])
    # Jackknife: std of the leave-one-out values (over n) times √(n - 1).
    factor = np.sqrt((count - 1) * statistical_inefficiency(blocks))
    with np.errstate(invalid="ignore"):
        std = np.asarray(energies.std(axis=0) * factor)
        barrier_std = np.nan if gap is None else energies[:, gap].max(axis=1).std() * factor
    return std, float(barrier_std)
