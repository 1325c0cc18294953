"""The child process of an import: the only place that runs torch models and imports nequip.

``python -m zifglass.potentials.importers.worker JOB.json`` with the job
``{"kind": "torchscript" | "checkpoint" | "package", "path", "network", "species"}``: writes the
network with its measured agreement to ``network`` (for TorchScript it is already there and
gets its agreement), or prints one sentence to standard error and exits with status 2.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zifglass.core import InputError, Prediction, Structure, ZifglassError
from zifglass.potentials.network import Network, load, save
from zifglass.potentials.reference import ReferencePotential, pairs

from .agreement import compare, trial_structures
from .archive import Record
from .current import network_of

_BUILDERS = ("NequIPGNNModel", "FullNequIPGNNModel", "PresetNequIPGNNModel")

Evaluate = Callable[[Structure], Prediction]


def main(job_file: str) -> int:
    """Do the job; 0, or 2 with a sentence on standard error."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")  # of the packages that are run here
    try:
        target = Path(job["network"])
        if job["kind"] == "torchscript":
            network = load(target)
            facts = _agreement(network, *_torchscript(Path(job["path"]), network))
        else:
            source = _checkpoint if job["kind"] == "checkpoint" else _package
            model, precision, versions, training = source(Path(job["path"]))
            network = network_of(
                record_of(model),
                model.type_names,
                species=job["species"],
                facts={"source": {"kind": f"nequip {job['kind']}", **versions}}
                | ({"training": training} if training else {}),
            )
            facts = _agreement(network, _nequip_evaluator(model, network), precision)
        save(replace(network, facts={**network.facts, "agreement": facts}), target)
    except ZifglassError as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        return 2
    return 0


def _agreement(network: Network, evaluate: Evaluate, precision: str) -> dict[str, Any]:
    structures = trial_structures(network.species, np.random.default_rng(20240101))
    ours = ReferencePotential(network).evaluate(structures)
    theirs = [evaluate(structure) for structure in structures]
    return compare(structures, theirs, ours, precision=precision).as_facts()


def _tensors(structure: Structure, network: Network, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    centre, neighbor, shift = pairs(structure, network.cutoff)
    index = {z: i for i, z in enumerate(network.species)}
    return {
        "pos": torch.tensor(structure.positions, dtype=dtype),
        "cell": torch.tensor(structure.cell, dtype=dtype),
        "edge_index": torch.tensor(np.stack([centre, neighbor]), dtype=torch.int64),
        "edge_cell_shift": torch.tensor(shift, dtype=dtype),
        "atom_types": torch.tensor([index[int(z)] for z in structure.numbers]),
    }


def _torchscript(path: Path, network: Network) -> tuple[Evaluate, str]:
    """A deployed model and the precision it runs in: float64 where its code allows it."""
    model = torch.jit.load(path, map_location="cpu").eval()
    own = next(p.dtype for p in model.parameters())
    probe = Structure(
        np.array([network.species[0]] * 2),
        np.array([[0, 0, 0], [1.5, 0, 0]], dtype=np.float64),
        np.eye(3) * 9,
    )

    def evaluate(structure: Structure, dtype: torch.dtype) -> Prediction:
        # Without the optimiser, whose warm-up takes longer than these few small structures.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            out = model(_tensors(structure, network, dtype))
        energies = out["atomic_energy"].detach().double().numpy().ravel()
        if "forces" not in out or "stress" not in out:
            raise InputError("the source gives no forces or no stress to compare with", path)
        return Prediction(
            energy=float(energies.sum()),
            forces=out["forces"].detach().double().numpy(),
            stress=out["stress"].detach().double().numpy().reshape(3, 3),
            energies=energies,
        )

    if own == torch.float32:
        model = model.to(torch.float64)
        try:
            evaluate(probe, torch.float64)
        except RuntimeError:  # releases from 0.6 on fix the precision in their code
            model = torch.jit.load(path, map_location="cpu").eval()
            return lambda s: evaluate(s, torch.float32), "float32"
    return lambda s: evaluate(s, torch.float64), "float64"


def _checkpoint(path: Path) -> tuple[Any, str, dict[str, Any], dict[str, Any]]:
    """The model of a checkpoint, read with ``weights_only`` and built, in float64, by the
    installed nequip out of the settings in it; averaged (EMA) weights where there are any."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        info = content["hyper_parameters"]["info_dict"]
        settings = dict(content["hyper_parameters"]["model"])
        state = content["state_dict"]
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            f"this is no whole checkpoint of nequip that can be read without running code "
            f"({type(error).__name__}: {first})",
            path,
        ) from error
    prefix = "model.sole_model."
    weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    model = _build(settings, path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            "the weights of this checkpoint do not fit the model that the installed nequip builds "
            f"from its settings (written by nequip {info['versions'].get('nequip')})",
            path,
        ) from error
    averaged = [k for k in state if k.startswith("ema.ema_weight_")]
    parameters = list(model.parameters())
    if averaged:
        if not state["ema._extra_state"]["is_holding_ema_weights"] or len(averaged) != len(
            parameters
        ):
            raise InputError("the averaged weights of this checkpoint are not complete", path)
        with torch.no_grad():
            for index, parameter in enumerate(parameters):
                parameter.copy_(state[f"ema.ema_weight_{index}"])
    versions: dict[str, Any] = {
        k: str(info["versions"].get(k, "")) for k in ("nequip", "e3nn", "torch")
    }
    versions |= {"dtype": str(settings.get("model_dtype", "")), "averaged weights": bool(averaged)}
    training = {k: v for k, v in settings.items() if not k.startswith("_")}
    training |= {"epoch": content.get("epoch"), "steps": content.get("global_step")}
    return model.eval(), "float64", versions, training


def _build(settings: dict[str, Any], path: Path) -> Any:
    """Only nequip's own builders, and only plain values for their arguments."""
    import nequip.model
    from nequip.utils.global_state import set_global_state

    settings.pop("compile_mode", None)  # how it was trained, not what it is
    name = str(settings.pop("_target_", "")).rpartition(".")[2]
    if name not in _BUILDERS:
        raise InputError(
            f"this checkpoint was built by {name or 'nothing named'}; models of "
            f"{', '.join(_BUILDERS)} can be imported",
            path,
        )
    if "_target_" in json.dumps(settings, default=str):
        raise InputError(
            "this checkpoint asks for parts of its own (a pair potential…), which cannot be "
            "represented",
            path,
        )
    set_global_state(allow_tf32=False)
    return getattr(nequip.model, name)(**settings | {"model_dtype": "float64"})


def _package(path: Path) -> tuple[Any, str, dict[str, Any], dict[str, Any]]:
    """The model of a package. This runs the package's own code: only when it is trusted."""
    from nequip.model import ModelFromPackage
    from nequip.utils.global_state import set_global_state

    set_global_state(allow_tf32=False)
    try:
        models = ModelFromPackage(str(path))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            f"nequip cannot load this package ({type(error).__name__}: {first})", path
        ) from error
    if isinstance(models, torch.nn.ModuleDict):
        if len(models) != 1:
            raise InputError(f"this package holds {len(models)} models; one can be imported", path)
        models = next(iter(models.values()))
    model = models
    dtype = str(model.metadata.get("model_dtype", "float32"))
    return model.eval(), dtype, {"dtype": dtype}, {}


def _nequip_evaluator(model: Any, network: Network) -> Evaluate:
    def evaluate(structure: Structure) -> Prediction:
        data = _tensors(structure, network, torch.float64)
        data["cell"] = data["cell"][None]
        out = model(data)
        energies = out["atomic_energy"].detach().double().numpy().ravel()
        return Prediction(
            energy=float(energies.sum()),
            forces=out["forces"].detach().double().numpy(),
            stress=out["stress"].detach().double().numpy().reshape(3, 3),
            energies=energies,
        )

    return evaluate


def record_of(module: torch.nn.Module) -> Record:
    """A module as an inert record: children, tensors, plain attributes."""
    result = Record(type(module).__name__)
    for name, value in vars(module).items():
        if name not in ("_parameters", "_buffers", "_modules"):
            known, simple = _simple(value)
            if known:
                result.attributes[name] = simple
    for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers("", False)]:
        result.attributes[name] = tensor.detach().cpu().numpy()
    for name, child in module.named_children():
        if isinstance(child, torch.jit.ScriptModule):
            result.attributes[name] = Record(
                child.original_name, {k: getattr(child, k) for k in ("p",) if hasattr(child, k)}
            )
        elif not isinstance(child, torch.fx.GraphModule):
            result.attributes[name] = record_of(child)
    return result


def _simple(value: Any) -> tuple[bool, Any]:
    if value is None or isinstance(value, (bool, int, float, str)):
        return True, value
    if type(value).__name__ == "Irreps":
        return True, tuple((int(mul), (int(ir.l), int(ir.p))) for mul, ir in value)
    if isinstance(value, (tuple, list)):
        items = [_simple(item) for item in value]
        return all(known for known, _ in items), tuple(item for _, item in items)
    if callable(value) and hasattr(value, "__name__"):
        return True, str(value.__name__)
    return False, None


def _arguments(argv: Sequence[str]) -> str:
    if len(argv) != 2:
        raise SystemExit("usage: python -m zifglass.potentials.importers.worker JOB.json")
    return argv[1]


if __name__ == "__main__":
    sys.exit(main(_arguments(sys.argv)))
