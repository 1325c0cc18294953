"""One of several training processes, for test_native: spawned, so in a module of its own."""

from __future__ import annotations

from pathlib import Path

import torch

from zifglass import read
from zifglass.potentials.network import load
from zifglass.training import TrainingSettings
from zifglass.training.native import together
from zifglass.training.native.descent import descend
from zifglass.training.native.frames import samples_of


def work(rank: int, folder: Path, data: tuple[Path, Path], settings: TrainingSettings) -> str:
    """Train in a group of two; the SHA-256 of what this process ends with."""
    torch.set_num_threads(1)
    together.join(folder / "meeting", rank, 2)
    parts = [read(path) for path in data]
    network = descend(
        lambda: load(folder / "start.safetensors"),
        settings,
        lambda n: samples_of(parts[0], n.species, cutoff=n.cutoff),
        lambda n: samples_of(parts[1], n.species, cutoff=n.cutoff),
        folder / "run",
    )
    together.leave()
    return network.sha256
