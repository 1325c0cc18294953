"""NequIP and Allegro: configuration, run, evaluation. See README.md in this folder."""

from .curves import LearningCurves, read_curves
from .dataset_facts import DatasetFacts, dataset_facts
from .deploy import Deployed, deploy
from .evaluate import Evaluation, evaluate
from .nequip_config import nequip_config
from .presets import PRESETS, preset
from .run import TrainingRun, finish, require_nequip, train
from .scorecard import Scorecard, scorecard
from .settings import AllegroModel, LossWeights, NequipModel, TrainingSettings
from .sweep import Variant, training_settings, variants

__all__ = [
    "PRESETS",
    "AllegroModel",
    "DatasetFacts",
    "Deployed",
    "Evaluation",
    "LearningCurves",
    "LossWeights",
    "NequipModel",
    "Scorecard",
    "TrainingRun",
    "TrainingSettings",
    "Variant",
    "dataset_facts",
    "deploy",
    "evaluate",
    "finish",
    "nequip_config",
    "preset",
    "read_curves",
    "require_nequip",
    "scorecard",
    "train",
    "training_settings",
    "variants",
]
