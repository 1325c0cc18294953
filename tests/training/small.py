"""Settings that a core trains in seconds."""

from __future__ import annotations

from zifglass.training import LossWeights, NequipModel, TrainingSettings

SMALL = TrainingSettings(
    model=NequipModel(
        cutoff=3.5, layers=2, features=(4, 4), radial_depth=1, radial_width=8,
        parity="o3_restricted",
    ),
    loss=LossWeights(forces=1.0, energy=1.0, stress=1.0),
    learning_rate=0.01,
    epochs=4,
)  # fmt: skip
