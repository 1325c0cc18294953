"""NequIP and Allegro: configuration, run, evaluation. See README.md in this folder."""

from .curves import LearningCurves, read_curves
from .dataset_facts import DatasetFacts, dataset_facts
from .nequip_config import nequip_config
from .presets import PRESETS, preset
from .run import TrainingRun, finish, train
from .settings import AllegroModel, LossWeights, NequipModel, TrainingSettings

__all__ = [
    "PRESETS",
    "AllegroModel",
    "DatasetFacts",
    "LearningCurves",
    "LossWeights",
    "NequipModel",
    "TrainingRun",
    "TrainingSettings",
    "dataset_facts",
    "finish",
    "nequip_config",
    "preset",
    "read_curves",
    "train",
]
