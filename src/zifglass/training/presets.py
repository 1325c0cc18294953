"""Named settings: the paper's two networks, and a fast one."""

from __future__ import annotations

from zifglass.core import InputError

from .settings import AllegroModel, LossWeights, NequipModel, TrainingSettings

# SI of DOI 10.1039/D3DD00236E and the published YAML files: 5 layers, 32 features up to l = 2,
# r_max 6 Å, rate 0.005, batch 1, EMA 0.99. Of the Allegro variants the authors chose 2 layers,
# o3_full, rate 0.001, λσ = 0.
PRESETS: dict[str, TrainingSettings] = {
    "castel2024-nequip": TrainingSettings(),
    "castel2024-allegro": TrainingSettings(model=AllegroModel(), learning_rate=0.001),
    "fast": TrainingSettings(
        model=NequipModel(
            cutoff=5.0,
            layers=3,
            features=(32, 16),
            parity="o3_restricted",
            bessels_trainable=False,
            cutoff_power=6,
            radial_depth=1,
            radial_width=32,
        ),
        loss=LossWeights(forces=1.0, energy=1.0, stress=100.0),
        learning_rate=0.01,
        decay_patience=5,
    ),
    # What ships as the potential of that name (recipes/zif4_fast).
    "zif4-fast": TrainingSettings(
        model=NequipModel(
            cutoff=5.0,
            layers=3,
            features=(32, 32),
            parity="o3_restricted",
            bessels_trainable=False,
            radial_depth=1,
            radial_width=64,
        ),
        loss=LossWeights(forces=1.0, energy=30.0, stress=1000.0),
        optimizer="soap",
        learning_rate=0.01,
        learning_rate_stop=1e-5,
        decay="cosine",
        batch=2,
        averaging=0.995,
        epochs=200,
        patience=200,
        execution="native",
    ),
}


def preset(name: str) -> TrainingSettings:
    """The settings called `name`; raises InputError with the names there are."""
    if name not in PRESETS:
        raise InputError(f"no preset is called {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
