"""Our settings as nequip's configuration (nequip ≥ 0.19, nequip-allegro ≥ 0.8)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .dataset_facts import DatasetFacts
from .settings import AllegroModel, NequipModel, TrainingSettings


def nequip_config(
    settings: TrainingSettings,
    facts: DatasetFacts,
    *,
    train: Path,
    validation: Path,
    folder: Path,
    start: Path | None = None,
) -> dict[str, Any]:
    """The dictionary that nequip-train reads as YAML. start: a checkpoint of the same network
    whose weights training begins with.

    Scales and shifts are given as numbers from `facts`, not left to nequip's resolver, so that
    the file says what was used.
    """
    cutoff = settings.model.cutoff
    species = list(facts.species)
    loader = {"_target_": "torch.utils.data.DataLoader", "num_workers": 0}
    weights = settings.loss
    kind = "EnergyForceStress" if settings.learns_stress else "EnergyForce"
    loss = {"total_energy": weights.energy, "forces": weights.forces}
    metrics: dict[str, float | None] = {
        "total_energy_rmse": None, "per_atom_energy_rmse": weights.energy,
        "forces_rmse": weights.forces, "total_energy_mae": None, "per_atom_energy_mae": None,
        "forces_mae": None,
    }  # fmt: skip
    if settings.learns_stress:
        loss["stress"] = weights.stress
        metrics |= {"stress_rmse": weights.stress, "stress_mae": None}
    monitor = "val0_epoch/weighted_sum"
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": settings.seed,
            "train_file_path": [str(train)],
            "val_file_path": [str(validation)],
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": species,
                },
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": cutoff},
            ],
            "train_dataloader": {
                "_target_": "zifglass.training.loader.epoch_loader",
                "seed": settings.seed,
                "batch_size": settings.batch,
                "num_workers": 0,
            },
            "val_dataloader": loader | {"batch_size": settings.batch},
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "gpu" if settings.device == "cuda" else "cpu",
            "devices": 1,
            "max_epochs": settings.epochs,
            "check_val_every_n_epoch": 1,
            "log_every_n_steps": 50,
            "enable_progress_bar": False,
            "logger": {
                "_target_": "lightning.pytorch.loggers.CSVLogger",
                "save_dir": str(folder),
                "name": "logs",
                "version": "part-000",
            },
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": str(folder / "checkpoints"),
                    "monitor": monitor,
                    "filename": "best",
                    "save_last": True,
                    "enable_version_counter": False,
                },
                {
                    "_target_": "lightning.pytorch.callbacks.EarlyStopping",
                    "monitor": monitor,
                    "patience": settings.patience,
                    "min_delta": 0.0,
                },
                {
                    "_target_": "lightning.pytorch.callbacks.LearningRateMonitor",
                    "logging_interval": "epoch",
                },
                {"_target_": "zifglass.training.loader.EpochClock"},
                *_start_callbacks(start),
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": settings.averaging,
            "loss": {
                "_target_": f"nequip.train.{kind}Loss",
                "per_atom_energy": True,
                "coeffs": loss,
            },
            "train_metrics": {"_target_": f"nequip.train.{kind}Metrics", "coeffs": dict(metrics)},
            "val_metrics": {"_target_": f"nequip.train.{kind}Metrics", "coeffs": dict(metrics)},
            "optimizer": optimizer_arguments(settings),
            "lr_scheduler": _decay(settings, facts.frames, monitor),
            "model": {
                **_model(settings.model),
                "seed": settings.seed,
                "model_dtype": settings.precision,
                **({"compile_mode": "compile"} if settings.execution == "compiled" else {}),
                **_of_the_data(facts),
            },
        },
    }


def optimizer_arguments(settings: TrainingSettings) -> dict[str, Any]:
    """``_target_`` and arguments of the optimiser's class."""
    if settings.optimizer == "adam":
        return {"_target_": "torch.optim.Adam", "lr": settings.learning_rate, "amsgrad": True}
    return {
        "_target_": "pytorch_optimizer.SOAP",
        "lr": settings.learning_rate,
        "betas": [0.95, 0.99],
        "weight_decay": 0.0,
        "precondition_frequency": 10,
    }


def model_arguments(model: NequipModel, facts: DatasetFacts) -> dict[str, Any]:
    """What nequip's full model is called with, but for seed and precision."""
    arguments = _nequip(model) | _of_the_data(facts)
    del arguments["_target_"]
    return arguments


def _of_the_data(facts: DatasetFacts) -> dict[str, Any]:
    species = list(facts.species)
    return {
        "type_names": species,
        "avg_num_neighbors": facts.neighbors,
        "per_type_energy_shifts": dict(zip(species, facts.shifts, strict=True)),
        "per_type_energy_scales": dict.fromkeys(species, facts.force_rms),
    }


def _start_callbacks(start: Path | None) -> list[dict[str, Any]]:
    if start is None:
        return []
    return [{"_target_": "zifglass.training.loader.StartingWeights", "checkpoint": str(start)}]


def _decay(settings: TrainingSettings, frames: int, monitor: str) -> dict[str, Any]:
    schedulers = "torch.optim.lr_scheduler"
    if settings.decay == "cosine":
        steps = settings.epochs * math.ceil(frames / settings.batch)
        scheduler = {
            "_target_": f"{schedulers}.CosineAnnealingLR",
            "T_max": steps,
            "eta_min": settings.learning_rate_stop,
        }
        return {"scheduler": scheduler, "interval": "step", "frequency": 1}
    scheduler = {
        "_target_": f"{schedulers}.ReduceLROnPlateau",
        "factor": 0.5,
        "patience": settings.decay_patience,
    }
    return {"scheduler": scheduler, "monitor": monitor, "interval": "epoch", "frequency": 1}


def _model(model: NequipModel | AllegroModel) -> dict[str, Any]:
    return _allegro(model) if isinstance(model, AllegroModel) else _nequip(model)


def _nequip(model: NequipModel) -> dict[str, Any]:
    hidden = _irreps(model.features, model.parity)
    return {
        "_target_": "nequip.model.FullNequIPGNNModel",
        "r_max": model.cutoff,
        "irreps_edge_sh": _irreps((1,) * len(model.features), _edges(model.parity)),
        "type_embed_num_features": model.features[0],
        "feature_irreps_hidden": [hidden] * (model.layers - 1) + [f"{model.features[0]}x0e"],
        "radial_mlp_depth": [model.radial_depth] * model.layers,
        "radial_mlp_width": [model.radial_width] * model.layers,
        "num_bessels": model.bessels,
        "bessel_trainable": model.bessels_trainable,
        "polynomial_cutoff_p": model.cutoff_power,
    }


def _allegro(model: AllegroModel) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "r_max": model.cutoff,
        "num_layers": model.layers,
        "num_scalar_features": model.scalar_features,
        "num_tensor_features": model.tensor_features,
        "radial_chemical_embed": {
            "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
            "num_bessels": model.bessels,
            "polynomial_cutoff_p": model.cutoff_power,
        },
        "scalar_embed_mlp_hidden_layers_depth": model.mlp_depth,
        "scalar_embed_mlp_hidden_layers_width": model.mlp_width,
        "allegro_mlp_hidden_layers_depth": model.mlp_depth,
        "allegro_mlp_hidden_layers_width": model.mlp_width,
        "readout_mlp_hidden_layers_depth": 1,
        "readout_mlp_hidden_layers_width": model.mlp_width,
    }
    if model.parity == "so3":
        # nequip-allegro's parity is a boolean; rotations alone are the full model, all even.
        even = _irreps((1,) * (model.l_max + 1), "so3")
        return shared | {
            "_target_": "allegro.model.allegro_models.FullAllegroModel",
            "irreps_edge_sh": even,
            "tensor_track_allowed_irreps": even,
        }
    return shared | {
        "_target_": "allegro.model.AllegroModel",
        "l_max": model.l_max,
        "parity": model.parity == "o3_full",
    }


def _irreps(channels: tuple[int, ...], parity: str) -> str:
    """``32x0e+32x1e`` (so3), ``32x0e+32x1o`` (o3_restricted), both of each l (o3_full)."""
    parts = []
    for order, count in enumerate(channels):
        natural = "e" if order % 2 == 0 else "o"
        letters = {"so3": "e", "o3_restricted": natural, "o3_full": "eo"}[parity]
        parts += [f"{count}x{order}{letter}" for letter in letters]
    return "+".join(parts)


def _edges(parity: str) -> str:
    """Directions are vectors: odd, unless rotations alone are kept."""
    return "so3" if parity == "so3" else "o3_restricted"
