"""What nequip's training process takes from here: the order of the frames, first weights, a clock.

The order is a function of seed and epoch alone.

Lightning restores nequip's generator after the loader has been built from it, so that a resumed
run would shuffle as if it were at its first epoch. A sampler that is told its epoch needs no state.
Imported by nequip in the training process; needs torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
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


class EpochClock(Callback):
    """Logs what each epoch took, validation included, as `epoch_seconds`."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log("epoch_seconds", time.monotonic() - self._start)


class StartingWeights(Callback):
    """Puts the averaged weights of another run's checkpoint into a network of the same shape
    before its first step; a run that continues has weights of its own."""

    def __init__(self, checkpoint: str) -> None:
        self._checkpoint = checkpoint

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.ckpt_path is not None:
            return
        saved = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        _load(pl_module.model, saved["state_dict"])
        # The average starts where the weights do.
        for average, weight in zip(
            pl_module.ema.ema_weights, pl_module.model.parameters(), strict=True
        ):
            average.copy_(weight.detach())


def _load(model: torch.nn.Module, state: dict[str, Any]) -> None:
    """Buffers and averaged weights of a checkpoint, into a model of the same shape."""
    mine = {
        name.removeprefix("model."): value
        for name, value in state.items()
        if name.startswith("model.") and not name.endswith("_extra_state")
    }
    model.load_state_dict(mine, strict=False)
    with torch.no_grad():
        for index, weight in enumerate(model.parameters()):
            weight.copy_(state[f"ema.ema_weight_{index}"])
