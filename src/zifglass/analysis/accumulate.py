"""How a quantity is gathered frame by frame, in parallel, with the same result on any machine.

An accumulator takes frames (`update`), takes what a later stretch of the trajectory gave
(`merge`) and gives the result (`finalise`). One accumulator per block of frames: blocks are
fixed by the number of frames alone and merged in the order of time, so that the result does not
depend on how many processes filled them, to the last bit. Blocks also carry the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import Frame, InputError, Trajectory
from ..core.structure import number_of, symbols_of

BLOCKS = 20
"""Blocks of a trajectory: enough for a standard error (±16 %), few enough to be long."""


class Accumulator(Protocol):
    """Gathers one quantity; picklable, so that a worker process can return it."""

    def update(self, frame: Frame) -> None:
        """Add one frame to the block at hand."""

    def merge(self, later: Self) -> None:
        """Append the blocks of `later`, whose frames follow this one's."""

    def finalise(self) -> Any:
        """The result of all frames so far."""


A = TypeVar("A", bound=Accumulator)


def block_ranges(frames: int, blocks: int = BLOCKS) -> list[range]:
    """`frames` cut into `blocks` consecutive ranges, as even as can be; none is empty."""
    count = min(frames, blocks)
    return [range(frames * b // count, frames * (b + 1) // count) for b in range(count)]


def accumulate(trajectory: Trajectory, make: Callable[[], A]) -> A:
    """One accumulator per block, filled frame by frame and merged in order."""
    total: A | None = None
    for part in block_ranges(len(trajectory)):
        block = make()
        for index in part:
            block.update(trajectory[index])
        if total is None:
            total = block
        else:
            total.merge(block)
    if total is None:
        raise InputError("a trajectory needs at least one frame", trajectory.source)
    return total


def known_times(times: Sequence[float | None]) -> NDArray[np.float64] | None:
    """(frames,) fs, or None if any frame has no time."""
    known = [time for time in times if time is not None]
    return np.array(known) if len(known) == len(times) else None


def present(numbers: Any, symbol: str, *, source: str | None = None) -> int:
    """The atomic number of `symbol`; InputError if no atom is of that element."""
    number = number_of(symbol)
    if not (numbers == number).any():
        kinds = ", ".join(symbols_of(sorted(set(numbers.tolist()))))
        raise InputError(f"there is no {symbol} here, only {kinds or 'no atoms'}", source)
    return number
