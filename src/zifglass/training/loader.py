"""The order of the training frames: a function of seed and epoch alone.

Lightning restores nequip's generator after the loader has been built from it, so that a resumed
run would shuffle as if it were at its first epoch. A sampler that is told its epoch needs no state.
Imported by nequip in the training process; needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler


class EpochSampler(Sampler[int]):
    """Every frame once per epoch, shuffled; Lightning calls `set_epoch` before each epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._count)
        return iter(order.tolist())


def epoch_loader(*, dataset: Any, seed: int, generator: Any, **settings: Any) -> DataLoader[Any]:
    """A DataLoader in the order of `EpochSampler`; nequip adds dataset, generator, collation."""
    del generator  # its state is what this loader does without
    return DataLoader(dataset, sampler=EpochSampler(len(dataset), seed), **settings)
