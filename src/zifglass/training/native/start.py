"""The network a training begins with: built and drawn by nequip, then taken as data."""

from __future__ import annotations

import warnings

from zifglass.potentials.importers.current import network_of
from zifglass.potentials.network import Network
from zifglass.training.dataset_facts import DatasetFacts
from zifglass.training.nequip_config import model_arguments
from zifglass.training.settings import NequipModel


def fresh_network(model: NequipModel, facts: DatasetFacts, *, seed: int) -> Network:
    """nequip's own starting weights for `model`, of `seed`; species, neighbours, scales and shifts
    from the data. Needs nequip."""
    from nequip.model import FullNequIPGNNModel
    from nequip.utils.global_state import set_global_state

    from zifglass.potentials.importers.worker import record_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_global_state(allow_tf32=False)
        built = FullNequIPGNNModel(
            **model_arguments(model, facts), seed=seed, model_dtype="float64"
        )
    graph_model = built["sole_model"] if hasattr(built, "keys") else built
    return network_of(record_of(graph_model), facts.species, species=None, facts={})
