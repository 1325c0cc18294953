"""Which frames to train on: a flat histogram of a scalar, or the farthest points of a descriptor.

The paper's 2700 frames flatten a histogram that is not published (SI); the default here is the
potential energy per atom, within each trajectory on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Trajectory
from zifglass.core.neighbors import neighbor_list

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Selection:
    """indices (count,): the frames chosen, ascending. edges (bins + 1,), before, after (bins,):
    the histogram of the scalar; empty where none was flattened."""

    indices: Indices
    edges: Array
    before: Indices
    after: Indices


def potential_energy_per_atom(trajectory: Trajectory) -> Array:
    """(frames,) eV/atom; InputError if a frame has no energy."""
    values = []
    for index, frame in enumerate(trajectory):
        if frame.energy is None:
            raise InputError(
                "this frame has no energy to select by: label it, or give another scalar",
                trajectory.source,
                frame=index,
            )
        values.append(frame.energy / len(frame.structure))
    return np.array(values)


def scalar_of(trajectory: Trajectory, name: str) -> Array:
    """(frames,) of a named extra or field of the frames; InputError where it is no number."""
    values = []
    for index, frame in enumerate(trajectory):
        value = frame.extras.get(name, getattr(frame, name, None))
        if not isinstance(value, (int, float, np.number)):
            raise InputError(
                f"this frame has no number called {name!r}", trajectory.source, frame=index
            )
        values.append(float(value))
    return np.array(values)


def share_out(count: int, available: Sequence[int]) -> list[int]:
    """`count` frames from trajectories of `available` frames: as evenly as they allow."""
    if count > sum(available):
        raise InputError(f"{count} frames wanted, {sum(available)} are there")
    shares = [0] * len(available)
    while (left := count - sum(shares)) > 0:
        open_ones = [k for k, most in enumerate(available) if shares[k] < most]
        each, more = divmod(left, len(open_ones))
        for order, k in enumerate(open_ones):
            shares[k] = min(available[k], shares[k] + each + (order < more))
    return shares


def select_flat(
    scalar: Array,
    count: int,
    *,
    rng: np.random.Generator,
    bins: int = 50,
    times: Array | None = None,
    minimum_gap: float = 0.0,
) -> Selection:
    """`count` frames whose histogram of `scalar` (frames,) is as flat as the frames allow.

    Bins are of equal width from the least to the largest value. The next frame always comes
    from the bin with the fewest chosen among those with frames left (at random where several
    tie), so bin b ends with min(n_b, L) or min(n_b, L + 1) frames for one level L. times
    (frames,) and minimum_gap: fs between any two chosen. Raises InputError if there are not
    `count` frames so far apart.
    """
    scalar = _checked(scalar, count)
    edges = np.linspace(scalar.min(), scalar.max(), bins + 1)
    where = np.clip(np.searchsorted(edges, scalar, side="right") - 1, 0, bins - 1)
    free = _Spacing(len(scalar), times, minimum_gap)
    queues = [rng.permutation(np.flatnonzero(where == b)).tolist() for b in range(bins)]
    chosen: list[int] = []
    while len(chosen) < count:
        progressed = False
        for b in rng.permutation(bins):
            frame = _next_free(queues[b], free)
            if frame is None or len(chosen) == count:
                continue
            free.take(frame)
            chosen.append(frame)
            progressed = True
        if not progressed:
            raise InputError(_too_few(count, len(chosen), minimum_gap))
    indices = np.sort(np.array(chosen, dtype=np.int64))
    before = np.bincount(where, minlength=bins)
    after = np.bincount(where[indices], minlength=bins)
    return Selection(indices, edges, before, after)


def select_farthest(
    descriptors: Array,
    count: int,
    *,
    rng: np.random.Generator,
    times: Array | None = None,
    minimum_gap: float = 0.0,
) -> Selection:
    """`count` frames, each the farthest (Euclid) from those before it; the first at random.

    descriptors (frames, n), for example `pair_descriptor`. Farthest-point sampling covers the
    set: no frame is farther from a chosen one than twice the best possible (Gonzalez, 1985,
    DOI 10.1016/0304-3975(85)90224-5) if `minimum_gap` is 0.
    """
    points = np.asarray(descriptors, dtype=np.float64)
    _checked(points[:, 0] if points.ndim == 2 else points, count)
    if not np.isfinite(points).all():
        raise InputError("a descriptor holds values that are not finite")
    free = _Spacing(len(points), times, minimum_gap)
    chosen = [int(rng.integers(len(points)))]
    free.take(chosen[0])
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        open_distance = np.where(free.open, distance, -1.0)
        frame = int(np.argmax(open_distance))
        if open_distance[frame] < 0:
            raise InputError(_too_few(count, len(chosen), minimum_gap))
        chosen.append(frame)
        free.take(frame)
        distance = np.minimum(distance, np.linalg.norm(points - points[frame], axis=1))
    none = np.empty(0, dtype=np.int64)
    return Selection(np.sort(np.array(chosen, dtype=np.int64)), np.empty(0), none, none)


def pair_descriptor(
    trajectory: Trajectory, *, cutoff: float = 6.0, bins: int = 30, width: float = 0.2
) -> Array:
    """(frames, species pairs × bins): how many neighbours per atom at each distance.

    For every pair of elements the distances up to `cutoff` (Å), smeared by a Gaussian of `width`
    (Å) on a grid of `bins`, divided by the number of atoms. Rotation, translation, permutation
    and the choice of images change nothing.
    """
    kinds, label = np.unique(trajectory.numbers, return_inverse=True)
    grid = (np.arange(bins) + 0.5) * cutoff / bins
    rows = []
    for frame in trajectory:
        pairs = neighbor_list(frame.structure, cutoff)
        low = np.minimum(label[pairs.i], label[pairs.j])
        high = np.maximum(label[pairs.i], label[pairs.j])
        channel = low * len(kinds) + high
        wave = np.exp(-0.5 * ((pairs.distances[:, None] - grid) / width) ** 2)
        sums = np.zeros((len(kinds) ** 2, bins))
        np.add.at(sums, channel, wave)
        rows.append(sums[np.triu(np.ones((len(kinds),) * 2, dtype=bool)).ravel()].ravel())
    return np.array(rows) / len(label)


class _Spacing:
    """Which frames are still far enough from all that were taken."""

    def __init__(self, frames: int, times: Array | None, gap: float) -> None:
        if gap > 0 and times is None:
            raise InputError("a minimum time between frames needs frames with times")
        self.open = np.ones(frames, dtype=bool)
        self._gap = gap
        if gap > 0:
            assert times is not None
            self._order = np.argsort(times, kind="stable")
            self._sorted = np.asarray(times)[self._order]
            self._times = np.asarray(times)

    def take(self, frame: int) -> None:
        self.open[frame] = False
        if self._gap > 0:
            # A hair less than the gap: frames exactly that far apart stay.
            reach = self._gap * (1 - 1e-9)
            time = self._times[frame]
            first = np.searchsorted(self._sorted, time - reach, side="right")
            last = np.searchsorted(self._sorted, time + reach, side="left")
            self.open[self._order[first:last]] = False


def _next_free(queue: list[int], free: _Spacing) -> int | None:
    while queue:
        frame = queue.pop()
        if free.open[frame]:
            return frame
    return None


def _checked(scalar: Array, count: int) -> Array:
    scalar = np.asarray(scalar, dtype=np.float64)
    if count < 1 or count > len(scalar):
        raise InputError(f"{count} frames wanted, {len(scalar)} are there")
    if not np.isfinite(scalar).all():
        frame = int(np.flatnonzero(~np.isfinite(scalar))[0])
        raise InputError("the scalar to select by is not finite", frame=frame)
    return scalar


def _too_few(count: int, got: int, gap: float) -> str:
    return (
        f"{count} frames wanted, but only {got} were found {gap:g} fs apart: choose fewer or a "
        "smaller gap"
    )
