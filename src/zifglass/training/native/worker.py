"""One process of a native training: python -m zifglass.training.native.worker FOLDER RANK."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from zifglass.io import read
from zifglass.potentials.network import Network, load, save
from zifglass.training.dataset_facts import dataset_facts
from zifglass.training.settings import NequipModel, TrainingSettings

from . import together
from .descent import descend
from .frames import samples_of
from .run import NATIVE
from .start import fresh_network


def main() -> int:
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    job = json.loads((folder / "native.json").read_text(encoding="utf-8"))
    settings = TrainingSettings.model_validate(job["settings"])
    files = {name: Path(path) for name, path in job["files"].items()}
    torch.set_num_threads(1)
    if job["ranks"] > 1:
        together.join(Path(job["meeting"]), rank, job["ranks"])
    end = None if settings.hours is None else time.monotonic() + 3600 * settings.hours
    train = read(files["train"])

    def start() -> Network:
        if "start" in files:
            return load(files["start"])
        assert isinstance(settings.model, NequipModel)
        facts = dataset_facts([train], cutoff=settings.model.cutoff)
        return fresh_network(settings.model, facts, seed=settings.seed)

    network = descend(
        start,
        settings,
        lambda n: samples_of(train, n.species, cutoff=n.cutoff),
        lambda n: samples_of(read(files["validation"]), n.species, cutoff=n.cutoff),
        folder,
        enough=lambda: end is not None and time.monotonic() > end,
    )
    if together.is_first():
        save(network, folder / NATIVE)
    together.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
