"""How fast is native training? `python -m benchmarks.training` (some ten minutes: compilation).

Seconds per epoch and frame of one network (preset `zif4-fast`) on the same 32 frames of 272 atoms,
labelled here by `zif4-fast`: nequip eager, nequip compiled, native in one process and in as many as
there are cores. Each runs four epochs through `zifglass.training.train`; the least epoch after
the first counts, which leaves out compilation. Needs the extra [train].
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import record
from zifglass import load_potential
from zifglass.core import ArrayTrajectory, Frame
from zifglass.io import structures, write
from zifglass.training import preset, train

FRAMES, VALIDATION, EPOCHS = 32, 2, 4
VARIANTS: dict[str, dict[str, Any]] = {
    "nequip eager": {"execution": "eager", "batch": 1},
    "nequip compiled": {"execution": "compiled", "batch": 2},
    "native, one process": {"execution": "native", "batch": 1},
    "native": {"execution": "native", "batch": 2},
}


def frames(count: int, rng: np.random.Generator) -> ArrayTrajectory:
    """The crystal, rattled and labelled."""
    potential, crystal = load_potential("zif4-fast"), structures.load("zif4")
    found = []
    for index in range(count):
        moved = crystal.with_positions(
            crystal.positions + rng.normal(0, 0.05, crystal.positions.shape)
        )
        label = potential(moved)
        found.append(
            Frame(moved, energy=label.energy, forces=label.forces, stress=label.stress, index=index)
        )
    return ArrayTrajectory(found)


def main() -> int:
    rng = np.random.default_rng(0)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "train.extxyz", frames(FRAMES, rng))
        write(folder / "validation.extxyz", frames(VALIDATION, rng))
        for name, changes in VARIANTS.items():
            settings = preset("zif4-fast").model_copy(update={"epochs": EPOCHS, **changes})
            run = train(
                settings, folder / "train.extxyz", folder / "validation.extxyz", folder / name
            )
            seconds[name] = float(np.nanmin(run.curves.seconds[1:])) / (FRAMES + VALIDATION)
            print(f"{name:20s} {1e3 * seconds[name]:7.1f} ms per frame", flush=True)
    ratios = {name: s / seconds["native"] for name, s in seconds.items()}
    print(f"native is {ratios['nequip compiled']:.1f} times faster than nequip compiled")
    record(
        "training",
        {"ms per frame": {n: 1e3 * s for n, s in seconds.items()}, "times native": ratios},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
