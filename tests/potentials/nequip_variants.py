"""Build models of current nequip in many variants, write them as checkpoints, import each.

Run by test_current_nequip.py in a process of its own (nequip and torch stay out of pytest's):
``python nequip_variants.py FOLDER`` prints one JSON object {variant: agreement or refusal}.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import nequip.model  # noqa: E402
import torch  # noqa: E402
from nequip.utils.global_state import set_global_state  # noqa: E402

from zifglass.potentials.importers import worker  # noqa: E402
from zifglass.potentials.network import load  # noqa: E402

COMMON: dict[str, Any] = {
    "_target_": "nequip.model.NequIPGNNModel", "seed": 5, "model_dtype": "float32",
    "type_names": ["H", "C", "N", "Zn"], "r_max": 4.0, "num_layers": 2, "l_max": 1,
    "parity": False, "num_features": 4, "type_embed_num_features": 3, "radial_mlp_depth": 1,
    "radial_mlp_width": 6, "avg_num_neighbors": 14.5, "per_type_energy_scales": 1.3,
    "per_type_energy_shifts": -2.5,
}  # fmt: skip

FULL: dict[str, Any] = {
    key: value
    for key, value in COMMON.items()
    if key not in ("num_layers", "l_max", "parity", "num_features")
} | {
    "_target_": "nequip.model.FullNequIPGNNModel",
    "irreps_edge_sh": "0e+1e+2e",
    "feature_irreps_hidden": ["6x0e+4x1e+3x2e", "6x0e+4x1e+3x2e", "5x0e"],
    "radial_mlp_depth": [2, 1, 3],
    "radial_mlp_width": [6, 7, 5],
}

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": COMMON,
    "parity_l2": COMMON | {"parity": True, "l_max": 2, "num_layers": 3},
    "l3": COMMON | {"l_max": 3, "num_features": [4, 3, 2, 2]},
    "published_kind": FULL,
    "full_parity": FULL | {
        "irreps_edge_sh": "0e+1o+2e",
        "feature_irreps_hidden": ["4x0e+3x0o+3x1o+2x1e+2x2e", "4x0e+3x1o+2x1e", "4x0e"],
    },
    "deep_readout": COMMON | {"readout_mlp_hidden_layers_depth": 2,
                              "readout_mlp_hidden_layers_width": 5},
    "mish_readout": COMMON | {"readout_mlp_hidden_layers_depth": 1,
                              "readout_mlp_nonlinearity": "mish"},
    "gelu_readout": COMMON | {"readout_mlp_hidden_layers_depth": 1,
                              "readout_mlp_nonlinearity": "gelu"},
    "linear_readout": COMMON | {"readout_mlp_hidden_layers_depth": 2,
                                "readout_mlp_nonlinearity": None},
    "per_type": COMMON | {
        "avg_num_neighbors": {"H": 10.0, "C": 12.0, "N": 14.0, "Zn": 20.0},
        "per_type_energy_scales": {"H": 0.5, "C": 1.0, "N": 1.5, "Zn": 2.0},
        "per_type_energy_shifts": {"H": -1.0, "C": -2.0, "N": -3.0, "Zn": -4.0},
    },
    "trainable": COMMON | {"bessel_trainable": True, "num_bessels": 6, "polynomial_cutoff_p": 5,
                           "per_type_energy_scales_trainable": True},
    "residual": FULL | {"feature_irreps_hidden": ["5x0e+3x1e", "5x0e+3x1e", "5x0e"],
                        "irreps_edge_sh": "0e+1e", "convnet_resnet": True},
    "no_self_connection": FULL | {"convnet_sc": False},
    "radial_linear": COMMON | {"radial_mlp_depth": 0},
    "double": COMMON | {"model_dtype": "float64"},
    "refused_edge_cutoff": COMMON | {"per_edge_type_cutoff": {"H": 3.0}},
    "refused_zbl": COMMON | {"pair_potential": {"_target_": "nequip.nn.pair_potential.ZBL",
                                                "units": "metal", "chemical_species": ["H"]}},
    "refused_norm": FULL | {"convnet_nonlinearity_type": "norm"},
    "refused_builder": COMMON | {"_target_": "os.system"},
    "refused_names": COMMON | {"type_names": ["a", "b", "c", "d"]},
}  # fmt: skip


def checkpoint(settings: dict[str, Any], path: Path) -> None:
    """The entries of nequip's own checkpoint that an import reads."""
    state: dict[str, Any] = {}
    name = settings["_target_"].rpartition(".")[2]
    if hasattr(nequip.model, name) and "pair_potential" not in settings:
        arguments = {k: v for k, v in settings.items() if k != "_target_"}
        model = getattr(nequip.model, name)(**arguments)
        for parameter in model.parameters():
            if parameter.requires_grad and "bessel" not in str(parameter.shape):
                parameter.data += 0.1 * torch.randn_like(parameter)
        state = {f"model.sole_model.{k}": v for k, v in model.state_dict().items()}
    info = {"versions": {"nequip": "0.19.1", "e3nn": "0.6.0", "torch": "2.13.0"}}
    torch.save(
        {"hyper_parameters": {"model": settings, "info_dict": info}, "state_dict": state}, path
    )


def main(folder: Path) -> None:
    set_global_state(allow_tf32=False)
    torch.manual_seed(0)
    result: dict[str, Any] = {}
    for name, settings in VARIANTS.items():
        path, target = folder / f"{name}.ckpt", folder / f"{name}.safetensors"
        checkpoint(settings, path)
        job = folder / f"{name}.json"
        job.write_text(
            json.dumps(
                {"kind": "checkpoint", "path": str(path), "network": str(target), "species": None}
            )
        )
        with contextlib.redirect_stderr(io.StringIO()) as said:
            status = worker.main(str(job))
        result[name] = (
            {"said": said.getvalue().strip()} if status else load(target).facts["agreement"]
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
