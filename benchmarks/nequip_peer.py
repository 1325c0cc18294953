"""A network of the published potential's irreps and sizes in the installed nequip, for timing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nequip.model
from ase import Atoms
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip.scripts._compile_utils import COMPILE_TARGET_DICT
from nequip.utils.global_state import set_global_state

SPECIES = ["H", "C", "N", "Zn"]
HIDDEN = "32x0e+32x1e+32x2e"


def build() -> Any:
    """Random weights: timing alone."""
    set_global_state(allow_tf32=False)
    model = nequip.model.FullNequIPGNNModel(
        seed=0, model_dtype="float32", type_names=SPECIES, r_max=6.0, irreps_edge_sh="0e+1e+2e",
        feature_irreps_hidden=[HIDDEN] * 4 + ["32x0e"], type_embed_num_features=32,
        radial_mlp_depth=[2] * 5, radial_mlp_width=[64] * 5, num_bessels=8, avg_num_neighbors=55.0,
        per_type_energy_shifts=0.0, per_type_energy_scales=1.0,
    )  # fmt: skip
    return model.eval()


def transforms() -> list[Any]:
    return [
        ChemicalSpeciesToAtomTypeMapper(SPECIES),
        NeighborListTransform(r_max=6.0),
    ]


def eager() -> Any:
    """As an ASE calculator, neighbours included."""
    return NequIPCalculator(build(), device="cpu", transforms=transforms())


def compiled(atoms: Atoms, path: Path) -> Any:
    """Exported ahead of time by nequip's own code (minutes), as its ASE calculator."""
    from nequip.scripts import compile as script
    from nequip.utils.aot import aot_export_model

    model, data = build(), from_ase(atoms)
    for transform in transforms():
        data = transform(data)
    target = COMPILE_TARGET_DICT["ase"]
    batch = {
        name: script._parse_bounds_to_Dim(f"num_{name}s", "2,inf")
        for name in ("frame", "node", "edge")
    }
    batch = {"graph": batch["frame"], "node": batch["node"], "edge": batch["edge"]}
    known = model.metadata | script.get_latest_global_state(True)
    metadata = {k: str(int(v)) if isinstance(v, bool) else str(v) for k, v in known.items()}
    metadata[script.NEQUIP_AOTI_INPUTS_KEY] = script.serialize_aoti_keys(target["input"])
    metadata[script.NEQUIP_AOTI_OUTPUTS_KEY] = script.serialize_aoti_keys(target["output"])
    aot_export_model(
        model=model, device="cpu", input_fields=target["input"], output_fields=target["output"],
        data=target["data_settings"](AtomicDataDict.to_(data, "cpu")),
        batch_map=target["batch_map_settings"](batch), output_path=str(path),
        inductor_configs={script._AOT_METADATA_KEY: metadata}, seed=script._COMPILE_SEED,
    )  # fmt: skip
    return NequIPCalculator.from_compiled_model(str(path), device="cpu")
