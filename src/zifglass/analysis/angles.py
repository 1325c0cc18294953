"""Angles between bonds, N–Zn–N by default, also split by coordination. See README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._native import triplet_histogram
from ..core import Frame, InputError, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.statistics import mean_of_blocks
from .accumulate import accumulate, present

Array = NDArray[np.float64]

MOST = 15
"""Centres with more ends than this are counted in the row of this many."""


class AnglesSettings(Settings):
    """Which angles are counted."""

    first: str = Field(default="N", description="element of one end")
    centre: str = Field(default="Zn", description="element of the centre")
    second: str = Field(default="N", description="element of the other end")
    first_cutoff: float = Field(
        default=2.5, gt=0, allow_inf_nan=False, description="Å; the first end is closer than this"
    )
    second_cutoff: float = Field(
        default=2.5, gt=0, allow_inf_nan=False, description="Å; the second end is closer than this"
    )
    bins: int = Field(default=180, ge=1, description="equal bins from 0 to 180 degrees")


_defaults = AnglesSettings()


@dataclass(frozen=True, eq=False)
class Angles:
    """Distribution of angles.

    degrees (bins,): bin centres. density, density_std (bins,): per degree; its integral is 1
    (NaN where no angle was found at all). mean, mean_std: of the angle, degrees. count: angles
    found. coordinations (k,): the numbers of ends that gave angles; by_coordination,
    by_coordination_std (k, bins): the density of each, per degree, each with integral 1.
    by_coordination_count (k,): angles of each. std from blocks of frames; NaN for one frame.
    blocks (blocks, bins): the density of each block that holds angles, block_weights (blocks,):
    how many.
    """

    degrees: Array
    density: Array
    density_std: Array
    mean: float
    mean_std: float
    count: int
    coordinations: NDArray[np.int64]
    by_coordination: Array
    by_coordination_std: Array
    by_coordination_count: NDArray[np.int64]
    blocks: Array
    block_weights: Array


class AnglesAccumulator:
    """Histograms of angles by coordination. Memory: one set of histograms per block."""

    def __init__(self, numbers: NDArray[np.int64], settings: AnglesSettings | None = None) -> None:
        self.settings = settings or AnglesSettings()
        self._roles = (
            1 * (numbers == present(numbers, self.settings.centre))
            + 2 * (numbers == present(numbers, self.settings.first))
            + 4 * (numbers == present(numbers, self.settings.second))
        ).astype(np.int64)
        self._scratch = np.zeros(int((self._roles & 1).sum()), dtype=np.int64)
        self._histograms = [np.zeros((MOST + 1, self.settings.bins), dtype=np.int64)]

    def update(self, frame: Frame) -> None:
        structure = frame.structure
        try:
            triplet_histogram(
                structure.positions,
                structure.cell,
                structure.pbc,
                self._roles,
                self.settings.first_cutoff,
                self.settings.second_cutoff,
                self._histograms[-1],
                self._scratch,
            )
        except ValueError as error:
            raise InputError(f"no angle can be computed: {error}", frame=frame.index) from None

    def merge(self, later: Self) -> None:
        self._histograms += later._histograms

    def finalise(self) -> Angles:
        histograms = np.array(self._histograms)
        bins = self.settings.bins
        degrees = (np.arange(bins) + 0.5) * 180.0 / bins
        total = histograms.sum(axis=1)
        density, density_std = _density(total)
        mean, mean_std = _mean(total, degrees)
        seen = np.nonzero(histograms.sum(axis=(0, 2)))[0]
        split = [_density(histograms[:, k]) for k in seen]
        return Angles(
            degrees=degrees,
            density=density,
            density_std=density_std,
            mean=mean,
            mean_std=mean_std,
            count=int(total.sum()),
            coordinations=seen,
            by_coordination=np.array([d for d, _ in split]).reshape(-1, bins),
            by_coordination_std=np.array([s for _, s in split]).reshape(-1, bins),
            by_coordination_count=histograms.sum(axis=(0, 2))[seen],
            blocks=_shares(total)[0],
            block_weights=_shares(total)[1],
        )


def angles(
    trajectory: Any,
    triplet: Sequence[str] = (_defaults.first, _defaults.centre, _defaults.second),
    *,
    first_cutoff: float = _defaults.first_cutoff,
    second_cutoff: float = _defaults.second_cutoff,
    bins: int = _defaults.bins,
) -> Angles:
    """Angles first–centre–second (N–Zn–N) between bonds shorter than the cutoffs (Å).

    Every pair of ends of the same centre counts once; images are counted. The density is per
    degree and not divided by sin θ. Raises InputError if an element is absent or two bonded
    atoms lie on one place.
    """
    if isinstance(triplet, str) or len(triplet) != 3:
        raise InputError(f"a triplet is three elements, like N, Zn, N; got {triplet!r}")
    trajectory = as_trajectory(trajectory)
    settings = settings_from(
        AnglesSettings,
        {
            "first": triplet[0],
            "centre": triplet[1],
            "second": triplet[2],
            "first_cutoff": first_cutoff,
            "second_cutoff": second_cutoff,
            "bins": bins,
        },
    )
    return accumulate(
        trajectory, lambda: AnglesAccumulator(trajectory.numbers, settings)
    ).finalise()


def _density(histograms: NDArray[np.int64]) -> tuple[Array, Array]:
    """(density, std) per degree (bins,) from counts (blocks, bins); empty blocks weigh nothing."""
    bins = histograms.shape[1]
    blocks, weights = _shares(histograms)
    if not len(blocks):
        return np.full(bins, np.nan), np.full(bins, np.nan)
    return mean_of_blocks(blocks, weights)


def _shares(histograms: NDArray[np.int64]) -> tuple[Array, Array]:
    """Densities per degree (blocks, bins) of the blocks that hold angles, and how many each."""
    weights = histograms.sum(axis=1)
    filled = weights > 0
    width = 180.0 / histograms.shape[1]
    return histograms[filled] / weights[filled, None] / width, weights[filled].astype(np.float64)


def _mean(histograms: NDArray[np.int64], degrees: Array) -> tuple[float, float]:
    weights = histograms.sum(axis=1)
    filled = weights > 0
    if not filled.any():
        return float("nan"), float("nan")
    mean, std = mean_of_blocks(histograms[filled] @ degrees / weights[filled], weights[filled])
    return float(mean), float(std)
