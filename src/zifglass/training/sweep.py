"""Many trainings as values: settings varied one or several at a time, and seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zifglass.core import InputError, Quantity
from zifglass.core.settings import settings_from, value_of, values_in
from zifglass.core.yaml_file import Origin

from .curves import LearningCurves
from .presets import preset
from .settings import TrainingSettings


@dataclass(frozen=True)
class Variant:
    """One training of several. name: of its folder. values: what is varied → its value here."""

    name: str
    values: dict[str, Any]
    settings: TrainingSettings


def training_settings(
    name: str, path: str | Path | None = None, *, changes: Sequence[str] = ()
) -> TrainingSettings:
    """The preset called `name`, changed by a YAML file, then by `changes` of the form
    ``model.layers=3``.

    Another `model.kind` starts from the defaults of that kind. Raises InputError on unknown
    settings.
    """
    values, origin = ({}, Origin()) if path is None else values_in(path)
    merged = _merged(preset(name).model_dump(mode="json"), values)
    kinds = [change for change in changes if change.partition("=")[0].strip() == "model.kind"]
    for change in kinds:
        merged = _merged(merged, {"model": {"kind": value_of(change)}})
    return settings_from(TrainingSettings, merged, changes=changes, source=origin)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            other = "kind" in value and value["kind"] != below.get("kind")
            result[key] = dict(value) if other else _merged(below, value)
        else:
            result[key] = value
    return result


def variants(
    settings: TrainingSettings, axes: Sequence[str] = (), *, seeds: int = 1
) -> list[Variant]:
    """Every combination of `axes` (``loss.stress=0,1,10``; values in YAML), each with `seeds`
    seeds counting up from that of `settings`. Raises InputError on a setting that is not there,
    that is varied twice, or without values."""
    names, lists = [], []
    for axis in axes:
        key, equals, text = axis.partition("=")
        name = key.strip()
        values = _values(text) if equals else []
        if not name or not values:
            raise InputError(f"a sweep reads 'key=value,value,…'; got {axis!r}")
        if name in names or (name == "seed" and seeds > 1):
            raise InputError(f"{name} is varied twice")
        names.append(name)
        lists.append(values)
    result = []
    for combination in product(*lists):
        chosen = dict(zip(names, combination, strict=True))
        changes = [f"{key}={json.dumps(value)}" for key, value in chosen.items()]
        start = settings.model_dump(mode="json")
        if chosen.get("model.kind", start["model"]["kind"]) != start["model"]["kind"]:
            start["model"] = {"kind": chosen["model.kind"]}
        varied = settings_from(TrainingSettings, start, changes=changes)
        for seed in range(varied.seed, varied.seed + seeds):
            parts = [f"{key}={_text(value)}" for key, value in chosen.items()]
            parts += [f"seed={seed}"] if seeds > 1 else []
            one = varied.model_copy(update={"seed": seed})
            result.append(Variant(",".join(parts), chosen, one))
    return result


def _values(text: str) -> list[Any]:
    try:
        found = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError:
        raise InputError(f"these values are not YAML: {text!r}") from None
    return list(found)


def _text(value: Any) -> str:
    """A value as part of a folder's name."""
    if isinstance(value, list):
        return "-".join(_text(item) for item in value)
    return str(value).replace("/", "_")


@dataclass(frozen=True)
class SweepRow:
    """One combination: its values, how many runs (seeds) stand behind it, and of the best epoch
    of each their mean ± standard deviation (std None for one run)."""

    values: dict[str, Any]
    runs: int
    found: dict[str, Quantity]


_units = {
    "epochs": "1", "best_epoch": "1", "time_per_epoch": "s",
    "energy_mae_train": "meV/atom", "energy_mae_validation": "meV/atom",
    "force_mae_train": "meV/Å", "force_mae_validation": "meV/Å",
    "stress_mae_train": "MPa", "stress_mae_validation": "MPa",
    "gap": "meV/Å",
}  # fmt: skip


def units_of_run() -> dict[str, str]:
    """Unit of each number of `best_of`."""
    return dict(_units)


def best_of(curves: LearningCurves) -> dict[str, float]:
    """What a sweep tabulates of a run, at its best epoch: errors, `gap` (force MAE of validation
    minus that of training, meV/Å), epochs, and the median time per epoch (s)."""
    best = curves.best
    found = {
        name: float(getattr(curves, name)[best]) for name in _units if hasattr(curves, name)
        and name not in ("gap", "epochs")
    }  # fmt: skip
    known = curves.seconds[np.isfinite(curves.seconds)]
    known = known[1:] if len(known) > 1 else known  # the first epoch warms up
    return {
        "epochs": float(len(curves)),
        "best_epoch": float(curves.epochs[best] + 1),
        "time_per_epoch": float(np.median(known)) if len(known) else float("nan"),
        **found,
        "gap": found["force_mae_validation"] - found["force_mae_train"],
    }


def sweep_rows(runs: Sequence[tuple[Variant, LearningCurves]]) -> list[SweepRow]:
    """A row per combination of values, in the order they came; its seeds are averaged."""
    groups: dict[str, list[tuple[Variant, LearningCurves]]] = {}
    for variant, curves in runs:
        groups.setdefault(json.dumps(variant.values), []).append((variant, curves))
    rows = []
    for group in groups.values():
        each = [best_of(curves) for _, curves in group]
        found = {}
        for name, unit in _units.items():
            column = [one[name] for one in each]
            if np.isnan(column).any():
                continue
            std = float(np.std(column, ddof=1)) if len(column) > 1 else None
            note = f"mean ± standard deviation of {len(column)} seeds" if std else "one seed"
            found[name] = Quantity(float(np.mean(column)), std, unit, note)
        rows.append(SweepRow(group[0][0].values, len(group), found))
    return rows
