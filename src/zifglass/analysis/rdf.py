"""Radial distribution functions, total and partial, to any distance. See README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._native import pair_histogram
from ..core import Frame, InputError, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.statistics import mean_of_blocks
from ..core.structure import number_of, symbols_of
from .accumulate import accumulate

Array = NDArray[np.float64]
Pair = tuple[str, str]


class RdfSettings(Settings):
    """How far and how finely distances are counted."""

    r_max: float = Field(
        default=12.0,
        gt=0,
        allow_inf_nan=False,
        description="Å; largest distance, may exceed the cell",
    )
    bins: int = Field(default=240, ge=1, description="equal bins from 0 to r_max")


_defaults = RdfSettings()


@dataclass(frozen=True, eq=False)
class Rdf:
    """Radial distribution functions, dimensionless; they tend to 1.

    r (bins,), edges (bins + 1,): centres and edges of the bins, Å. g, g_std (bins,): all atoms.
    pairs: the pairs of species, in the order of the rows of `partial`, `partial_std`
    (pairs, bins). species, counts: the elements and how many atoms of each. density: atoms per
    Å³ (from the mean of 1/V). frames: how many entered. std is the standard error from blocks
    of frames and NaN for one frame. blocks (blocks, pairs, bins): the partials of each block,
    block_weights (blocks,): the sum of 1/V over their frames, Å⁻³, by which they are averaged.
    """

    r: Array
    edges: Array
    g: Array
    g_std: Array
    pairs: tuple[Pair, ...]
    partial: Array
    partial_std: Array
    species: tuple[str, ...]
    counts: tuple[int, ...]
    density: float
    frames: int
    blocks: Array
    block_weights: Array

    def row(self, pair: str | Sequence[str]) -> int:
        """The row of a pair (``"Zn-N"`` or ``("Zn", "N")``, either order)."""
        names = parse_pair(pair)
        for index, known in enumerate(self.pairs):
            if sorted(known) == sorted(names):
                return index
        known_pairs = ", ".join("-".join(p) for p in self.pairs)
        raise InputError(f"there is no pair {'-'.join(names)} here, only {known_pairs}")

    def of(self, pair: str | Sequence[str]) -> tuple[Array, Array]:
        """(g, g_std) of one pair."""
        row = self.row(pair)
        return self.partial[row], self.partial_std[row]

    def shells(self) -> Array:
        """Volumes (bins,) of the spherical shells, Å³."""
        return np.asarray(4 / 3 * np.pi * np.diff(self.edges**3))

    def running_coordination(self, centre: str, neighbour: str) -> tuple[Array, Array]:
        """(n, n_std) (bins,): neighbours closer than ``edges[1:]``, ``4π ρ_B ∫ g r² dr``.

        The integral over the bins is exact: it is the mean number of `neighbour` atoms around
        a `centre` atom, images counted.
        """
        row = self.row((centre, neighbour))
        counts = dict(zip(self.species, self.counts, strict=True))
        density = self.density * counts[neighbour] / sum(counts.values())
        running = np.cumsum(self.blocks[:, row] * self.shells() * density, axis=1)
        return mean_of_blocks(running, self.block_weights)


class RdfAccumulator:
    """Pair histograms of every pair of species. Memory: one set of histograms per block."""

    def __init__(self, numbers: NDArray[np.int64], settings: RdfSettings | None = None) -> None:
        self.settings = settings or RdfSettings()
        elements, kinds = np.unique(numbers, return_inverse=True)
        self.species = tuple(symbols_of(elements))
        self.counts = tuple(int(n) for n in np.bincount(kinds))
        self._kinds = kinds.astype(np.int64)
        self._pairs = list(combinations_with_replacement(range(len(elements)), 2))
        self._histograms = [np.zeros((len(self._pairs), self.settings.bins), dtype=np.int64)]
        self._frames = [0]
        self._inverse_volumes = [0.0]

    def update(self, frame: Frame) -> None:
        structure = frame.structure
        pair_histogram(
            structure.positions,
            structure.cell,
            structure.pbc,
            self._kinds,
            len(self.species),
            self.settings.r_max,
            self._histograms[-1],
        )
        self._frames[-1] += 1
        self._inverse_volumes[-1] += 1.0 / structure.volume

    def merge(self, later: Self) -> None:
        self._histograms += later._histograms
        self._frames += later._frames
        self._inverse_volumes += later._inverse_volumes

    def finalise(self, pairs: Sequence[str | Sequence[str]] | None = None) -> Rdf:
        edges = np.linspace(0.0, self.settings.r_max, self.settings.bins + 1)
        histograms = np.array(self._histograms)
        frames = sum(self._frames)
        weights = np.array(self._inverse_volumes)
        ideal = weights[:, None] * 4 / 3 * np.pi * np.diff(edges**3)
        # Unordered pairs of an ideal gas of this density, the atoms' own images among them.
        expected = np.array(
            [self.counts[a] * self.counts[b] / (2 if a == b else 1) for a, b in self._pairs]
        )
        total = histograms.sum(axis=1) / (ideal * sum(self.counts) ** 2 / 2)
        blocks = histograms / (ideal[:, None] * expected[:, None])
        g, g_std = mean_of_blocks(total, weights)
        partial, partial_std = mean_of_blocks(blocks, weights)
        result = Rdf(
            r=0.5 * (edges[1:] + edges[:-1]),
            edges=edges,
            g=g,
            g_std=g_std,
            pairs=tuple((self.species[a], self.species[b]) for a, b in self._pairs),
            partial=partial,
            partial_std=partial_std,
            species=self.species,
            counts=self.counts,
            density=sum(self.counts) * float(weights.sum()) / frames,
            frames=frames,
            blocks=blocks,
            block_weights=weights,
        )
        return result if pairs is None else _only(result, pairs)


def rdf(
    trajectory: Any,
    pairs: Sequence[str | Sequence[str]] | None = None,
    *,
    r_max: float = _defaults.r_max,
    bins: int = _defaults.bins,
) -> Rdf:
    """g_AB(r) of every pair of species, or of `pairs` (``["Zn-N", ("C", "C")]``), and the total.

    ``g_AB(r) = ⟨n_AB(r)⟩ / (N_A N_B v(r) ⟨1/V⟩)`` with n_AB the directed pairs A→B, images
    counted, in the shell of volume v around r. r_max in Å. Raises InputError on a pair that is
    not there. Like pairs tend to 1 - 1/N plus the atoms' own images, which together average 1.
    """
    trajectory = as_trajectory(trajectory)
    settings = settings_from(RdfSettings, {"r_max": r_max, "bins": bins})
    return accumulate(trajectory, lambda: RdfAccumulator(trajectory.numbers, settings)).finalise(
        pairs
    )


def parse_pair(pair: str | Sequence[str]) -> Pair:
    """("Zn", "N") from "Zn-N" or a pair of symbols; InputError on anything else."""
    parts = pair.split("-") if isinstance(pair, str) else list(pair)
    if len(parts) != 2:
        raise InputError(f"a pair is two elements, like Zn-N; got {pair!r}")
    first, second = (symbols_of([number_of(part)])[0] for part in parts)
    return first, second


def _only(result: Rdf, pairs: Sequence[str | Sequence[str]]) -> Rdf:
    rows = [result.row(pair) for pair in pairs]
    return replace(
        result,
        pairs=tuple(parse_pair(pair) for pair in pairs),
        partial=result.partial[rows],
        partial_std=result.partial_std[rows],
        blocks=result.blocks[:, rows],
    )
