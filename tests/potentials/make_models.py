"""Make the test models in `models/` with the nequip that once deployed such files.

    python -m venv old && old/bin/pip install "nequip==0.6.2" "e3nn==0.5.1" "torch==2.13.0"
    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 old/bin/python tests/potentials/make_models.py

Each model has random weights. `<name>.pth` is what ``nequip-deploy build`` writes, without its
debugging tables and most of its source, compressed (torch cannot run it so); `<name>.npz` holds
structures and that model's own energies, forces and stresses, run in float64. Models of
`REFUSED` have no such file: they cannot be represented, and the tests check that this is said.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase.neighborlist import primitive_neighbor_list
from nequip.model import model_from_config
from nequip.scripts import deploy
from nequip.utils import Config

FOLDER = Path(__file__).parent / "models"

COMMON: dict[str, Any] = {
    "model_builders": [
        "SimpleIrrepsConfig", "EnergyModel", "PerSpeciesRescale", "StressForceOutput",
        "RescaleEnergyEtc",
    ],
    "r_max": 4.0, "num_layers": 2, "l_max": 1, "parity": False, "num_features": 4,
    "num_basis": 8, "invariant_layers": 2, "invariant_neurons": 8, "avg_num_neighbors": 11.3,
    "chemical_symbols": ["H", "C", "N", "Zn"], "use_sc": True, "nonlinearity_type": "gate",
    "PolynomialCutoff_p": 6, "BesselBasis_trainable": True, "default_dtype": "float32",
    "model_dtype": "float32", "global_rescale_scale": 1.7, "global_rescale_shift": None,
    "per_species_rescale_shifts": [-1.5, 2.0, 0.25, 4.0],
    "per_species_rescale_scales": [1.0, 0.5, 2.0, 1.5], "seed": 1, "dataset": "npz",
    "per_species_rescale_arguments_in_dataset_units": True,
}  # fmt: skip

FULL: dict[str, Any] = {
    "model_builders": COMMON["model_builders"][1:],
    "chemical_embedding_irreps_out": "5x0e",
    "irreps_edge_sh": "0e + 1o + 2e",
    "feature_irreps_hidden": "6x0e + 3x0o + 4x1o + 2x1e + 3x2e",
    "conv_to_output_hidden_irreps_out": "3x0e",
}

MODELS: dict[str, dict[str, Any]] = {
    "so3_l1": {},
    "so3_l2": {"l_max": 2, "num_layers": 3},
    "so3_l3": {"l_max": 3, "num_features": 3},
    "o3_l1": {"parity": True, "num_layers": 3},
    "o3_l2": {"parity": True, "l_max": 2},
    "o3_l3": {"parity": True, "l_max": 3, "num_features": 2},
    "invariant": {"l_max": 0, "num_layers": 1, "invariant_layers": 1},
    "residual": {"resnet": True, "num_layers": 4, "parity": True},
    "no_self_connection": {"use_sc": False, "parity": True},
    "no_normalisation": {"avg_num_neighbors": None, "global_rescale_scale": None},
    "radial": {
        "num_basis": 5, "BesselBasis_trainable": False, "invariant_layers": 4,
        "invariant_neurons": 5, "PolynomialCutoff_p": 4, "l_max": 2,
    },
    "radial_linear": {"invariant_layers": 0, "l_max": 1},
    "activations": {
        "parity": True, "nonlinearity_scalars": {"e": "ssp", "o": "tanh"},
        "nonlinearity_gates": {"e": "ssp", "o": "abs"},
    },
    "activations_abs": {
        "parity": True, "nonlinearity_scalars": {"e": "silu", "o": "abs"},
        "nonlinearity_gates": {"e": "tanh", "o": "abs"}, "num_layers": 3,
    },
    "full_irreps": FULL,
    "repeated_irreps": FULL | {
        "feature_irreps_hidden": "4x0e + 2x1o + 3x0e + 2x1o + 2x1e",
        "chemical_embedding_irreps_out": "3x0e + 2x0e",
    },
    "one_species": {
        "chemical_symbols": ["Zn"], "per_species_rescale_shifts": None,
        "per_species_rescale_scales": None,
    },
    "trainable_scales": {
        "per_species_rescale_shifts_trainable": True,
        "per_species_rescale_scales_trainable": True,
    },
    "double": {"default_dtype": "float64", "model_dtype": "float64", "l_max": 2},
    "energy_only": {"model_builders": [b for b in COMMON["model_builders"] if "Force" not in b]},
}  # fmt: skip

REFUSED: dict[str, dict[str, Any]] = {
    "refused_norm": {"nonlinearity_type": "norm"},
    "refused_l4": {"l_max": 4, "num_features": 2, "num_layers": 1},
    "refused_total_shift": {
        "global_rescale_shift": 5.0, "per_species_rescale_shifts": None,
        "model_builders": [b for b in COMMON["model_builders"] if b != "PerSpeciesRescale"],
    },
    "refused_zbl": {
        "model_builders": [
            *COMMON["model_builders"][:3], "PairPotentialTerm", *COMMON["model_builders"][3:],
        ],
        "pair_style": "ZBL", "units": "metal",
    },
}  # fmt: skip

for _sizes in (MODELS, REFUSED):
    for _settings in _sizes.values():
        if "chemical_embedding_irreps_out" in _settings:
            for _simple in ("l_max", "parity", "num_features"):
                _settings.setdefault(_simple, ...)


def structures(kinds: list[int], cutoff: float) -> list[tuple[np.ndarray, ...]]:
    """A perturbed crystal, a strained one, a liquid, one smaller than the cutoff."""
    rng = np.random.default_rng(99)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3) / 2
    numbers = np.resize(kinds, 8)
    result = []
    for cell in (np.diag([4.6, 4.8, 5.0]), np.diag([4.6, 4.8, 5.0]) + rng.normal(0, 0.25, (3, 3))):
        result.append((numbers, grid @ cell + rng.normal(0, 0.15, (8, 3)), cell))
    cell = 5.4 * np.eye(3)
    cell[1, 0], cell[2, 1] = 1.1, -0.7
    images = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    points: list[np.ndarray] = []
    while len(points) < 10:
        trial = rng.uniform(size=3) @ cell
        if all(np.linalg.norm(trial - p + images, axis=1).min() > 1.1 for p in points):
            points.append(trial)
    result.append((np.resize(kinds, 10), np.array(points), cell))
    result.append((np.resize(kinds, 2), np.array([[0, 0, 0], [1.5, 1.4, 1.2]]), 3.0 * np.eye(3)))
    return result


def in_double(path: Path, config: dict[str, Any]) -> torch.nn.Module:
    """The same model with the deployed weights, every operation in float64."""
    torch.set_default_dtype(torch.float64)
    double = Config.from_dict(config | {"default_dtype": "float64", "model_dtype": "float64"})
    model = model_from_config(double, deploy=True)
    model.load_state_dict(torch.jit.load(path).state_dict())
    return model.eval()


def evaluate(
    path: Path, config: dict[str, Any], kinds: list[int], cutoff: float
) -> dict[str, np.ndarray]:
    model = in_double(path, config)
    index = {z: i for i, z in enumerate(kinds)}
    result: dict[str, np.ndarray] = {}
    for k, (numbers, positions, cell) in enumerate(structures(kinds, cutoff)):
        i, j, shift = primitive_neighbor_list("ijS", (1, 1, 1), cell, positions, cutoff)
        data = {
            "pos": torch.tensor(positions), "cell": torch.tensor(cell),
            "edge_index": torch.tensor(np.stack([i, j])),
            "edge_cell_shift": torch.tensor(shift, dtype=torch.float64),
            "atom_types": torch.tensor([index[z] for z in numbers]),
        }  # fmt: skip
        out = model(data)
        result |= {f"numbers{k}": numbers, f"positions{k}": positions, f"cell{k}": cell}
        result[f"energies{k}"] = out["atomic_energy"].detach().numpy().ravel()
        if "forces" in out:
            result[f"forces{k}"] = out["forces"].detach().numpy()
            result[f"stress{k}"] = out["stress"].detach().numpy().reshape(3, 3)
    return result


def set_rescaling(path: Path, config: dict[str, Any]) -> None:
    """Without training, nequip leaves all scales at 1 and all shifts at 0: set them."""
    extra = dict.fromkeys(deploy._ALL_METADATA_KEYS, "")
    model = torch.jit.load(path, _extra_files=extra)
    for name, tensor in [*model.named_buffers(), *model.named_parameters()]:
        for which in ("shifts", "scales"):
            values = config.get(f"per_species_rescale_{which}")
            if name.endswith(f"per_species_rescale.{which}") and values is not None:
                tensor.data.copy_(torch.tensor(values))
        if name.endswith("scale_by") and tensor.numel():
            tensor.fill_(config["global_rescale_scale"])
        if name.endswith("shift_by") and tensor.numel():
            tensor.fill_(config["global_rescale_shift"])
    torch.jit.save(model, path, _extra_files=extra)


def compress(source: Path, target: Path) -> None:
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for name in old.namelist():
            # Of the generated source (200 kB a model) only the activations are read.
            needed = "/code/" not in name or "_normalize_activation" in name
            if needed and not name.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED, 9)


def make(name: str, settings: dict[str, Any]) -> None:
    config = {k: v for k, v in (COMMON | settings).items() if v is not ...}
    with tempfile.TemporaryDirectory() as folder:
        described, built = Path(folder, "model.yaml"), Path(folder, f"{name}.pth")
        described.write_text(yaml.safe_dump(config))
        torch.manual_seed(sum(name.encode()))
        torch.set_default_dtype(torch.float32)
        deploy.main(["--verbose", "ERROR", "build", "--model", str(described), str(built)])
        set_rescaling(built, config)
        torch.set_default_dtype(torch.float32)
        if name in MODELS:
            from ase.data import atomic_numbers

            kinds = sorted(atomic_numbers[s] for s in config["chemical_symbols"])
            np.savez_compressed(
                FOLDER / f"{name}.npz",
                **evaluate(built, config, kinds, float(config["r_max"])),
            )
        compress(built, FOLDER / f"{name}.pth")


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    FOLDER.mkdir(exist_ok=True)
    for _name, _settings in (MODELS | REFUSED).items():
        if len(sys.argv) == 1 or _name in sys.argv[1:]:
            print(_name, flush=True)
            make(_name, _settings)
