"""From a trained run to a model that computes elsewhere, and proof that it computes the same."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zifglass.core import InputError, Potential
from zifglass.core.files import sha256_of
from zifglass.potentials import load_potential
from zifglass.potentials.engine import EnginePotential
from zifglass.potentials.importers import import_model
from zifglass.potentials.importers.agreement import compare, trial_structures
from zifglass.potentials.network import Network, load, save

from .run import TrainingRun


@dataclass(frozen=True)
class Deployed:
    """potential: what `load_potential` takes to run the model. file: the model. agreement: the
    largest differences from the checkpoint, with their units."""

    potential: str
    file: Path
    agreement: dict[str, Any]


def deploy(run: TrainingRun, *, name: str | None = None) -> Deployed:
    """The best model of a run, ready for use, compared with its checkpoint on four structures.

    A NequIP network goes into the engine, as ``NAME.safetensors`` in the folder of the run (name:
    that of the folder unless given). Allegro stays nequip's own package and runs through nequip's
    calculator (``nequip:PATH``). Raises InputError where model and checkpoint differ.
    """
    record = yaml.safe_load((run.folder / "run.yaml").read_text(encoding="utf-8"))
    if record["settings"]["model"]["kind"] == "allegro":
        assert run.package is not None, "Allegro is trained by nequip, which packages"
        return Deployed(f"nequip:{run.package}", run.package, _package_agreement(run, record))
    path = run.folder / f"{name or run.folder.name}.safetensors"
    source = sha256_of(run.checkpoint)
    facts = _known_facts(path)
    if facts.get("file", {}).get("sha256") != source:
        native = run.checkpoint.suffix == ".safetensors"
        network = _native(run.checkpoint) if native else import_model(run.checkpoint)
        facts = {**network.facts, "run": record}
        save(replace(network, facts=facts), path)
    return Deployed(str(path), path, facts["agreement"])


def _native(path: Path) -> Network:
    """The network of native training, the engine compared with the float64 definition."""
    from zifglass.potentials.reference import ReferencePotential  # needs torch

    network = load(path)
    structures = trial_structures(network.species, np.random.default_rng(20240101))
    reference, engine = ReferencePotential(network), EnginePotential(network)
    source, result = ([model(s) for s in structures] for model in (reference, engine))
    facts = {
        "agreement": compare(structures, source, result, precision="float32").as_facts(),
        "file": {"name": path.name, "sha256": sha256_of(path)},
    }
    return replace(network, facts=facts)


def _known_facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(load(path).facts)
    except InputError:  # cut or old: made again
        return {}


def _package_agreement(run: TrainingRun, record: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch and nequip, about their own insides
        models: list[Potential] = [
            load_potential(f"nequip:{path}") for path in (run.checkpoint, run.package)
        ]
        structures = trial_structures(models[1].species, np.random.default_rng(20240101))
        source, package = ([model(s) for s in structures] for model in models)
    precision = record["settings"]["precision"]
    return compare(structures, source, package, precision=precision).as_facts()
