"""Mean squared displacements and diffusion coefficients per species. See README.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..core import InputError, Trajectory, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.structure import masses_of, symbols_of
from .frame_times import frame_ticks

Array = NDArray[np.float64]

_CHUNK = 128
_FFT_ROWS = 32


class MsdSettings(Settings):
    """Which stretch of the MSD gives the diffusion coefficient, and how much memory to use."""

    fit_from: float = Field(
        default=0.1, ge=0, lt=1, description="start of the fit, as a part of the longest lag"
    )
    fit_until: float = Field(
        default=0.5, gt=0, le=1, description="end of the fit, as a part of the longest lag"
    )
    memory: float = Field(
        default=1000.0,
        gt=0,
        description="MB for positions; above it the frames are read once per batch of atoms",
    )


_defaults = MsdSettings()


@dataclass(frozen=True, eq=False)
class Msd:
    """Mean squared displacements, one row per species.

    lags (lags,): fs, from 0 to the length of the trajectory; of unevenly spaced frames, those
    that some pair of frames has. species: the rows. msd, msd_std (species, lags): Å², averaged
    over atoms and all time origins. diffusion, diffusion_std
    (species,): Å²/fs (1 Å²/fs = 1e-5 m²/s), the slope over `fit` (from, until; fs) divided
    by 6; exponent (species,): d ln MSD / d ln t there: 1 for diffusion, 0 for atoms in a cage,
    2 for free flight. origins (lags,): time origins of each lag. std: see `msd`.
    """

    lags: Array
    species: tuple[str, ...]
    msd: Array
    msd_std: Array
    diffusion: Array
    diffusion_std: Array
    exponent: Array
    fit: tuple[float, float]
    origins: NDArray[np.int64]

    def of(self, symbol: str) -> tuple[Array, Array]:
        """(msd, msd_std) of one species, Å²."""
        if symbol not in self.species:
            raise InputError(f"there is no {symbol} here, only {', '.join(self.species)}")
        row = self.species.index(symbol)
        return self.msd[row], self.msd_std[row]


def msd(
    trajectory: Any,
    *,
    timestep: float | None = None,
    groups: Any = None,
    fit_from: float = _defaults.fit_from,
    fit_until: float = _defaults.fit_until,
    memory: float = _defaults.memory,
) -> Msd:
    """``MSD(τ) = ⟨|r_i(t + τ) - r_i(t)|²⟩`` over the atoms i of a species and all origins t.

    Positions are made continuous (a move beyond half the cell between two frames cannot be
    told from its image) and freed of the drift of the centre of mass of all atoms. By FFT, so
    O(frames log frames). Frames need not be evenly spaced: each lag is averaged over the pairs
    of frames that are that far apart. timestep: fs between frames, for a source without times.
    groups (atoms,): whole numbers; atoms of one group move together and count as one in the
    std, which is the standard error over independently moving groups (each atom its own if not
    given). Raises InputError on fewer than two frames, no times, times that do not increase or
    have no common step.
    """
    trajectory = as_trajectory(trajectory)
    settings = settings_from(
        MsdSettings, {"fit_from": fit_from, "fit_until": fit_until, "memory": memory}
    )
    pairs = _Pairs(*frame_ticks(trajectory, timestep))
    elements, kinds = np.unique(trajectory.numbers, return_inverse=True)
    slope, window = _fit_weights(pairs, settings)
    sums = _ClusterSums(len(elements), pairs, slope)
    labels = _checked_groups(groups, len(trajectory.numbers))
    for batch in _batches(labels, pairs.length, settings.memory):
        sums.add(_tracks(trajectory, batch, pairs), kinds[batch], labels[batch])
    mean, std, diffusion, diffusion_std = sums.results()
    lags = pairs.lags
    return Msd(
        lags=lags,
        species=tuple(symbols_of(elements)),
        msd=mean,
        msd_std=std,
        diffusion=diffusion / 6.0,
        diffusion_std=diffusion_std / 6.0,
        exponent=_exponents(lags[window], mean[:, window]),
        fit=(float(lags[window][0]), float(lags[window][-1])),
        origins=pairs.origins,
    )


class _Pairs:
    """Which lags the pairs of frames have, and how many pairs each.

    ticks (frames,): times in whole numbers of `step` (fs) since the first. length: the number
    of ticks. present (length,): 1 where there is a frame. steps (lags,): the lags that occur, in
    ticks, and lags in fs; origins (lags,): their pairs.
    """

    def __init__(self, step: float, ticks: NDArray[np.int64]) -> None:
        self.ticks, self.length = ticks, int(ticks[-1]) + 1
        self.even = self.length == len(ticks)
        self.present = np.zeros(self.length)
        self.present[ticks] = 1.0
        counts = np.arange(self.length, 0, -1)
        if not self.even:
            counts = np.rint(_correlated(self.present, self.present)).astype(np.int64)
        self.steps = np.nonzero(counts)[0]
        self.origins = counts[self.steps]
        self.lags = step * self.steps.astype(np.float64)


def unwrapped_chunks(trajectory: Trajectory, size: int = _CHUNK) -> Iterator[Array]:
    """Continuous positions (n, atoms, 3), Å, of n ≤ `size` frames at a time.

    Frames marked as unwrapped are taken as they are. Else each step is the shortest image of
    the difference of positions in the cell of its end, and steps are added up (the toroidal
    scheme, which keeps diffusion right in cells that change: von Bülow et al.,
    DOI 10.1063/5.0008316). The shortest image is found for steps shorter than half the
    smallest distance between faces.
    """
    first = trajectory[0]
    periodic = first.structure.pbc
    last_given = last = first.structure.positions
    for positions, cells in trajectory.chunks(size):
        if first.unwrapped:
            yield positions
            continue
        steps = np.diff(np.concatenate([last_given[None], positions]), axis=0)
        turns = np.rint(steps @ np.linalg.inv(cells)) * periodic
        steps -= turns @ cells
        continuous = last + np.cumsum(steps, axis=0)
        last_given, last = positions[-1], continuous[-1]
        yield continuous


def _tracks(trajectory: Trajectory, batch: NDArray[np.int64], pairs: _Pairs) -> Array:
    """(atoms of the batch, 3, ticks): continuous, free of drift, from zero at the start, and zero
    where there is no frame."""
    masses = masses_of(trajectory.numbers)
    masses = masses / masses.sum()
    tracks = np.zeros((len(batch), 3, pairs.length))
    start = 0
    for positions in unwrapped_chunks(trajectory):
        drift = np.einsum("a,tax->tx", masses, positions)
        part = positions[:, batch] - drift[:, None]
        tracks[:, :, pairs.ticks[start : start + len(part)]] = np.moveaxis(part, 0, -1)
        start += len(part)
    tracks -= tracks[:, :, :1].copy()
    return tracks if pairs.even else tracks * pairs.present


def _msd_of_tracks(tracks: Array, pairs: _Pairs) -> Array:
    """(atoms, lags): MSD of each track over all origins."""
    return _msd_of_even(tracks) if pairs.even else _msd_of_uneven(tracks, pairs)


def _msd_of_uneven(tracks: Array, pairs: _Pairs) -> Array:
    """With m_t = 1 where there is a frame and r_t = 0 elsewhere, the sum over the pairs of lag k
    is Σ_t m_t+k r_t² + m_t r_t+k² - 2 r_t · r_t+k: correlations all, by FFT."""
    means = tracks.sum(axis=2, keepdims=True) / pairs.present.sum()
    centred = (tracks - means) * pairs.present
    squares = np.square(centred).sum(axis=1)
    sums = _correlated(squares, pairs.present) + _correlated(pairs.present, squares)
    sums -= 2.0 * _correlated(centred, centred).sum(axis=1)
    result = sums[:, pairs.steps] / pairs.origins
    result[:, 0] = 0.0
    return np.asarray(np.maximum(result, 0.0))


def _correlated(first: Array, second: Array) -> Array:
    """Σ_t first_t second_t+k over the last axis, k = 0 … length - 1."""
    from scipy import fft  # a quarter of a second to import

    size = first.shape[-1]
    length = fft.next_fast_len(2 * size - 1, real=True)
    one = np.conj(fft.rfft(first, n=length))
    return np.asarray(fft.irfft(one * fft.rfft(second, n=length), n=length)[..., :size])


def _msd_of_even(tracks: Array) -> Array:
    """Calandrini et al., DOI 10.1051/sfn/201112010: the squares by running sums, the products
    by FFT."""
    frames = tracks.shape[-1]
    centred = tracks - tracks.mean(axis=2, keepdims=True)
    from scipy import fft

    length = fft.next_fast_len(2 * frames - 1, real=True)
    power = np.square(np.abs(fft.rfft(centred, n=length, axis=2))).sum(axis=1)
    products = fft.irfft(power, n=length, axis=1)[:, :frames]
    running = np.cumsum(np.square(centred).sum(axis=1), axis=1)
    # Lag k: the squares of frames 0 … n - 1 - k and of k … n - 1, less twice the products.
    result = running[:, ::-1] + running[:, -1:] - 2.0 * products
    result[:, 1:] -= running[:, :-1]
    result /= np.arange(frames, 0, -1)
    result[:, 0] = 0.0
    return np.asarray(np.maximum(result, 0.0))


class _ClusterSums:
    """Means over atoms of a species and their standard errors over groups of atoms.

    With S_g the sum over the n_g atoms of group g, the mean m is Σ S_g / N and its variance
    G / (G - 1) Σ (S_g - n_g m)² / N².
    """

    def __init__(self, species: int, pairs: _Pairs, slope: Array) -> None:
        self._slope, self._pairs = slope, pairs
        shape = (species, len(slope) + 1)  # the last column is the slope of the fit
        self._sum, self._square, self._cross = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._atoms, self._atoms_square = np.zeros(species), np.zeros(species)
        self._groups = np.zeros(species)

    def add(self, tracks: Array, kinds: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        for kind in np.unique(kinds):
            chosen = np.nonzero(kinds == kind)[0]
            chosen = chosen[np.argsort(labels[chosen], kind="stable")]
            for bounds in _whole_groups(_bounds(labels[chosen]), _FFT_ROWS):
                self._add_groups(int(kind), tracks[chosen[bounds[0] : bounds[-1]]], bounds)

    def _add_groups(self, kind: int, tracks: Array, bounds: NDArray[np.int64]) -> None:
        of_atoms = _msd_of_tracks(tracks, self._pairs)
        of_atoms = np.column_stack([of_atoms, of_atoms @ self._slope])
        sums = np.add.reduceat(of_atoms, bounds[:-1] - bounds[0], axis=0)
        sizes = np.diff(bounds).astype(np.float64)
        self._sum[kind] += sums.sum(axis=0)
        self._square[kind] += np.square(sums).sum(axis=0)
        self._cross[kind] += sizes @ sums
        self._atoms[kind] += sizes.sum()
        self._atoms_square[kind] += sizes @ sizes
        self._groups[kind] += len(sizes)

    def results(self) -> tuple[Array, Array, Array, Array]:
        atoms, groups = self._atoms[:, None], self._groups[:, None]
        mean = self._sum / atoms
        spread = self._square - 2 * mean * self._cross + mean**2 * self._atoms_square[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            std = np.sqrt(groups / (groups - 1) * np.maximum(spread, 0.0)) / atoms
        std[self._groups < 2] = np.nan
        return mean[:, :-1], std[:, :-1], mean[:, -1], std[:, -1]


def _whole_groups(bounds: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Cut consecutive groups, given by their bounds, into runs of at most `most` members (or
    one group); each run is the bounds of its groups."""
    begin = 0
    while begin < len(bounds) - 1:
        end = int(np.searchsorted(bounds, bounds[begin] + most, side="right")) - 1
        end = max(end, begin + 1)
        yield bounds[begin : end + 1]
        begin = end


def _checked_groups(groups: Any, atoms: int) -> NDArray[np.int64]:
    if groups is None:
        return np.arange(atoms)
    array = np.asarray(groups)
    if array.shape != (atoms,) or array.dtype.kind not in "iu":
        raise InputError(f"groups are {atoms} whole numbers, one per atom; got {array.shape}")
    return array.astype(np.int64)


def _batches(groups: NDArray[np.int64], ticks: int, memory: float) -> Iterator[NDArray[np.int64]]:
    """Atoms in batches whose tracks fit `memory` (MB), groups kept whole."""
    most = max(1, int(memory * 1e6 / (2 * 24 * ticks)))
    order = np.argsort(groups, kind="stable")
    for bounds in _whole_groups(_bounds(groups[order]), most):
        yield np.sort(order[bounds[0] : bounds[-1]])


def _bounds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal labels starts in sorted `labels`, and their number at the end."""
    return np.append(np.unique(labels, return_index=True)[1], len(labels))


def _fit_weights(pairs: _Pairs, settings: MsdSettings) -> tuple[Array, slice]:
    """Weights (lags,) whose product with an MSD is its least-squares slope, and the window."""
    longest = pairs.length - 1
    low = max(1, round(settings.fit_from * longest))
    first = int(np.searchsorted(pairs.steps, low))
    last = int(np.searchsorted(pairs.steps, round(settings.fit_until * longest), side="right")) - 1
    weights = np.zeros(len(pairs.lags))
    if last <= first:  # too short for a slope: NaN, not a guess
        weights[:] = np.nan
        return weights, slice(first, first + 1)
    time = pairs.lags[first : last + 1]
    deviation = time - time.mean()
    weights[first : last + 1] = deviation / (deviation @ deviation)
    return weights, slice(first, last + 1)


def _exponents(lags: Array, values: Array) -> Array:
    """Slopes of ln MSD against ln lag; NaN for fewer than two lags or no motion."""
    result = np.full(len(values), np.nan)
    for row, curve in enumerate(values):
        if len(lags) > 1 and (curve > 0).all():
            result[row] = np.polyfit(np.log(lags), np.log(curve), 1)[0]
    return result
