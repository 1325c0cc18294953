"""Training, validation and test parts: in the order of the file, or by blocks of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PAPER_SIZES = (2375, 190, 135)
"""Training, validation, test (SI), sequential."""


def split_sequential(frames: int, sizes: Sequence[int] = PAPER_SIZES) -> list[Indices]:
    """The first ``sizes[0]`` frames, the next ``sizes[1]``, and so on: the paper's way.

    Frames beyond the sum are in no part. Raises InputError if there are too few.
    """
    _check_sizes(frames, sizes)
    bounds = np.cumsum([0, *sizes])
    return [np.arange(a, b) for a, b in pairwise(bounds)]


def split_blocks(
    runs: Sequence[Indices],
    sizes: Sequence[int],
    *,
    rng: np.random.Generator,
    times: Array | None = None,
    gap: float = 0.0,
    blocks: int = 1,
) -> list[Indices]:
    """Parts of exactly `sizes`, each run cut into contiguous stretches of time.

    runs: the frames of each run. blocks: every run is cut into so many pieces, and each piece
    into one stretch per part, the parts in an order drawn from `rng`. times (frames,) and gap:
    frames less than `gap` fs after the end of a stretch are in no part. Every run gives to every
    part in proportion to its length. Raises InputError if gaps leave too few frames.
    """
    total = sum(len(run) for run in runs)
    _check_sizes(total, sizes)
    if gap > 0 and times is None:
        raise InputError("a gap between the parts needs frames with times")
    pieces = [piece for run in runs for piece in _pieces(run, blocks, times)]
    quotas = _quotas(sizes, [len(piece) for piece in pieces])
    parts: list[list[int]] = [[] for _ in sizes]
    for piece, quota in zip(pieces, quotas, strict=True):
        position, last = 0, None
        for part in rng.permutation(len(sizes)):
            if quota[part] == 0:
                continue
            if last is not None and gap > 0:
                assert times is not None
                while position < len(piece) and times[piece[position]] - last < gap * (1 - 1e-9):
                    position += 1
            taken = piece[position : position + quota[part]]
            if len(taken) < quota[part]:
                raise InputError(
                    f"{sum(sizes)} of {total} frames do not fit with gaps of {gap:g} fs: take "
                    "smaller parts, a smaller gap or fewer blocks"
                )
            parts[part] += taken.tolist()
            position += quota[part]
            last = None if times is None else float(times[taken[-1]])
    return [np.sort(np.array(part, dtype=np.int64)) for part in parts]


def _pieces(run: Indices, blocks: int, times: Array | None) -> list[Indices]:
    if blocks < 1:
        raise InputError(f"blocks count from 1; got {blocks}")
    ordered = run if times is None else run[np.argsort(times[run], kind="stable")]
    return [piece for piece in np.array_split(ordered, blocks) if len(piece)]


def _quotas(sizes: Sequence[int], lengths: Sequence[int]) -> NDArray[np.int64]:
    """(pieces, parts): whole numbers with the right sums, as near proportion as can be, and no
    piece asked for more than it has."""
    ideal = np.outer(lengths, sizes) / sum(lengths)
    quota = np.floor(ideal).astype(np.int64)
    for part, size in enumerate(sizes):
        short = size - int(quota[:, part].sum())
        rest = ideal[:, part] - quota[:, part]
        while short:  # the room left is at least the sum of what is short
            for piece in np.argsort(-rest, kind="stable"):
                if short and quota[piece].sum() < lengths[piece]:
                    quota[piece, part] += 1
                    short -= 1
    return quota


def _check_sizes(frames: int, sizes: Sequence[int]) -> None:
    if not sizes or min(sizes) < 1:
        raise InputError(f"every part has at least one frame; got {'/'.join(map(str, sizes))}")
    if sum(sizes) > frames:
        raise InputError(
            f"parts of {'/'.join(map(str, sizes))} need {sum(sizes)} frames; there are {frames}"
        )
