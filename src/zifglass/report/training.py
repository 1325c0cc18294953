"""The files that training and evaluation leave: tables as CSV and JSON, figures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import Quantity
from zifglass.core.files import write_json
from zifglass.training.curves import LearningCurves
from zifglass.training.deploy import Deployed
from zifglass.training.evaluate import Evaluation
from zifglass.training.scorecard import Scorecard
from zifglass.training.sweep import SweepRow, best_of, units_of_run

from .figures.training import draw_curves, draw_parity, draw_sweep
from .structure import write_csv
from .structure_tables import Columns

_curve_titles = {
    "loss_train": "training loss", "loss_validation": "validation loss",
    "energy_mae_train": "training energy MAE (meV/atom)",
    "energy_mae_validation": "validation energy MAE (meV/atom)",
    "force_mae_train": "training force MAE (meV/Å)",
    "force_mae_validation": "validation force MAE (meV/Å)",
    "stress_mae_train": "training stress MAE (MPa)",
    "stress_mae_validation": "validation stress MAE (MPa)",
    "learning_rate": "learning rate", "seconds": "time (s)",
}  # fmt: skip


def write_curves(name: str, curves: LearningCurves, folder: str | Path) -> None:
    """learning-curves.csv, .png, .svg in `folder`: of a run that goes on or has ended."""
    table: Columns = {"epoch": curves.epochs + 1}
    table |= {title: getattr(curves, key) for key, title in _curve_titles.items()}
    write_csv(Path(folder) / "learning-curves.csv", table)
    draw_curves({name: curves}, Path(folder) / "learning-curves")


def write_run(
    name: str, curves: LearningCurves, deployed: Deployed, folder: str | Path
) -> dict[str, Quantity]:
    """Learning curves and results.json of a finished run; returns the latter's quantities."""
    write_curves(name, curves, folder)
    units = units_of_run()
    note = "of the validation part at the best epoch; its sampling error: zifglass evaluate"
    found = {
        key: Quantity(value, None, units[key], note if "validation" in key else None)
        for key, value in best_of(curves).items()
        if np.isfinite(value)
    }
    for key in ("energy", "forces", "stress"):
        unit = deployed.agreement["units"][key]
        note = "largest difference between the model left here and its checkpoint"
        found[f"agreement_{key}"] = Quantity(deployed.agreement[key], None, unit, note)
    _write_results(found, folder)
    return found


def write_sweep(
    rows: Sequence[SweepRow], curves: Mapping[str, LearningCurves], folder: str | Path
) -> None:
    """sweep.csv, sweep.json, sweep.png, .svg and all learning curves."""
    folder = Path(folder)
    table: Columns = {key: np.array([str(r.values[key]) for r in rows]) for key in rows[0].values}
    table["runs"] = np.array([row.runs for row in rows])
    for name in dict.fromkeys(name for row in rows for name in row.found):
        nothing = Quantity(np.nan, np.nan, "")
        unit = next(row.found[name].unit for row in rows if name in row.found)
        cells = [row.found.get(name, nothing) for row in rows]
        table[f"{name} ({unit})"] = np.array([cell.value for cell in cells], dtype=float)
        if any(row.runs > 1 for row in rows):
            table[f"{name}_std ({unit})"] = _stds(cells)
    write_csv(folder / "sweep.csv", table)
    write_json(
        folder / "sweep.json",
        [
            {"values": row.values, "runs": row.runs}
            | {name: quantity.as_dict() for name, quantity in row.found.items()}
            for row in rows
        ],
    )
    draw_sweep(rows, folder / "sweep")
    draw_curves(curves, folder / "learning-curves")


def write_evaluations(
    evaluations: Mapping[str, Evaluation], potential: Mapping[str, Any], folder: str | Path
) -> None:
    """results.json, evaluation.csv (a row per part), and per part parity figure and frames.csv.

    One part: its quantities stand in results.json themselves, else under its name. potential: what
    is known of it, for settings.json.
    """
    folder = Path(folder)
    each = {name: evaluation.quantities() for name, evaluation in evaluations.items()}
    for name, evaluation in evaluations.items():
        place = folder if len(evaluations) == 1 else folder / name
        draw_parity(evaluation, place / "parity")
        write_csv(place / "frames.csv", _frames(evaluation))
    plain = {name: {k: q.as_dict() for k, q in found.items()} for name, found in each.items()}
    write_json(folder / "results.json", plain if len(plain) > 1 else next(iter(plain.values())))
    table: Columns = {"part": np.array(list(each))}
    table["frames"] = np.array([evaluation.frames for evaluation in evaluations.values()])
    nothing = Quantity(np.nan, np.nan, "")
    for key in dict.fromkeys(key for found in each.values() for key in found):
        unit = next(found[key].unit for found in each.values() if key in found)
        cells = [found.get(key, nothing) for found in each.values()]
        table[f"{key} ({unit})"] = np.array([cell.value for cell in cells])
        table[f"{key}_std ({unit})"] = _stds(cells)
    write_csv(folder / "evaluation.csv", table)
    sources = {name: evaluation.source for name, evaluation in evaluations.items()}
    write_json(folder / "settings.json", {"potential": dict(potential), "parts": sources})


def _stds(cells: Sequence[Quantity]) -> np.ndarray[Any, Any]:
    return np.array([np.nan if cell.std is None else cell.std for cell in cells], dtype=float)


def _frames(evaluation: Evaluation) -> Columns:
    """One row per frame."""
    pairs = evaluation.parity
    forces = np.abs(pairs.forces - pairs.forces_label).mean(axis=(1, 2)) * 1e3
    diagonals = [np.trace(s, axis1=1, axis2=2) / -3.0 for s in (pairs.stress, pairs.stress_label)]
    return {
        "frame": np.arange(evaluation.frames),
        "energy (meV/atom)": pairs.energy,
        "labelled energy (meV/atom)": pairs.energy_label,
        "force MAE (meV/Å)": forces,
        "pressure_virial (GPa)": diagonals[0],
        "labelled pressure_virial (GPa)": diagonals[1],
    }


def write_scorecard(card: Scorecard, folder: str | Path) -> None:
    """scorecard.csv and scorecard.json."""
    names = (
        "quantity", "measure", "unit", "reference", "reference_std", "model", "model_std",
        "distance", "distance_std", "distance_unit", "chance", "chance_std", "samples", "verdict",
    )  # fmt: skip
    table = {name: np.array([getattr(r, name) for r in card.rows], dtype=object) for name in names}
    write_csv(Path(folder) / "scorecard.csv", table)
    rows = [{name: getattr(row, name) for name in names} for row in card.rows]
    write_json(
        Path(folder) / "scorecard.json",
        {
            "reference": card.sources[0],
            "model": card.sources[1],
            "frames": card.frames,
            "rows": rows,
            "left_out": card.left_out,
        },
    )


def _write_results(found: Mapping[str, Quantity], folder: str | Path) -> None:
    write_json(Path(folder) / "results.json", {name: q.as_dict() for name, q in found.items()})
