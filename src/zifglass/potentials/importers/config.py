"""What a model's own configuration says about its training: facts, never instructions."""

from __future__ import annotations

from typing import Any

import yaml

_KEYS = (
    "r_max", "num_layers", "l_max", "parity", "num_features", "num_basis", "invariant_layers",
    "invariant_neurons", "PolynomialCutoff_p", "BesselBasis_trainable", "use_sc",
    "nonlinearity_type", "resnet", "avg_num_neighbors", "feature_irreps_hidden",
    "irreps_edge_sh", "n_train", "n_val", "batch_size", "learning_rate", "max_epochs",
    "loss_coeffs", "optimizer_name", "ema_decay", "seed", "dataset_seed", "default_dtype",
    "model_dtype", "run_name", "train_val_split",
)  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Plain YAML; a tag that asks for a Python object gives None."""


def _nothing(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if suffix == "tuple" and isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _nothing)


def training_facts(text: str) -> dict[str, Any]:
    """The settings worth keeping out of a nequip configuration in YAML; {} if unreadable."""
    try:
        settings = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(settings, dict):
        return {}
    return {key: settings[key] for key in _KEYS if settings.get(key) is not None}
