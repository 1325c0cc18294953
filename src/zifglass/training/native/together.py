"""One training in several processes, each with its share of every batch (torch's gloo).

Without a process group all of this is the identity, so that the loop is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

T = TypeVar("T")


def join(meeting: Path, rank: int, ranks: int) -> None:
    """Enter the group of `ranks` processes that meet at the file `meeting`, which must be new."""
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=ranks)


def leave() -> None:
    """End of the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process writes files and reports."""
    return not dist.is_initialized() or dist.get_rank() == 0


def share(items: Sequence[T], *, at_least_one: bool = False) -> Sequence[T]:
    """This process's part of `items`. at_least_one: where there are fewer items than processes,
    they are handed out again."""
    if not dist.is_initialized():
        return items
    rank, ranks = dist.get_rank(), dist.get_world_size()
    if at_least_one and len(items) < ranks:
        return [items[rank % len(items)]]
    return items[rank::ranks]


def mean_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Every process gets the mean of all processes' gradients."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for gradient in gradients:
        stop = start + gradient.numel()
        gradient.copy_(flat[start:stop].view_as(gradient))
        start = stop


def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over all processes."""
    if not dist.is_initialized():
        return values
    tensor = torch.tensor(values)
    dist.all_reduce(tensor)
    return np.asarray(tensor.numpy())


def any_says(yes: bool) -> bool:
    """Whether any process does; all get the same answer."""
    return bool(total(np.array([float(yes)]))[0] > 0)
