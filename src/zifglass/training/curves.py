"""Learning curves (Fig. S11): what nequip logged, epoch by epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from zifglass.core.units import MPa, eV, meV

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """One value per finished epoch (epochs,); NaN where nequip logged none.

    loss_train, loss_validation: the weighted sums nequip minimises and monitors (their
    definitions differ: squared errors in training, root mean squares in validation).
    energy_mae_*: meV/atom. force_mae_*: meV/Å. stress_mae_*: MPa, over all nine components.
    learning_rate: of the epoch. seconds: wall time of the epoch, validation included.
    """

    epochs: NDArray[np.int64]
    loss_train: Array
    loss_validation: Array
    energy_mae_train: Array
    energy_mae_validation: Array
    force_mae_train: Array
    force_mae_validation: Array
    stress_mae_train: Array
    stress_mae_validation: Array
    learning_rate: Array
    seconds: Array

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def gap(self) -> float:
        """Force MAE of validation over that of training, last epoch: > 1 means overfitting."""
        return float(self.force_mae_validation[-1] / self.force_mae_train[-1])

    @property
    def best(self) -> int:
        """Index of the epoch of least validation loss, whose weights are kept."""
        return int(np.nanargmin(self.loss_validation))


_columns = {
    "loss_train": ("train_loss_epoch/weighted_sum", 1.0),
    "loss_validation": ("val0_epoch/weighted_sum", 1.0),
    "energy_mae_train": ("train_metric_epoch/per_atom_energy_mae", eV / meV),
    "energy_mae_validation": ("val0_epoch/per_atom_energy_mae", eV / meV),
    "force_mae_train": ("train_metric_epoch/forces_mae", eV / meV),
    "force_mae_validation": ("val0_epoch/forces_mae", eV / meV),
    "stress_mae_train": ("train_metric_epoch/stress_mae", 1.0 / MPa),
    "stress_mae_validation": ("val0_epoch/stress_mae", 1.0 / MPa),
    "learning_rate": ("lr", 1.0),
    "seconds": ("epoch_seconds", 1.0),
}


def read_curves(folder: str | Path) -> LearningCurves:
    """The curves of a run, being written or finished; may be empty: ``curves.csv`` of native
    training, ``logs/part-*/metrics.csv`` of nequip's.

    Each start of the run logs a part of its own; where two parts hold an epoch the later counts.
    An epoch counts once it has its validation loss. A cut last line is left out.
    """
    rows = _native_epochs(Path(folder) / "curves.csv")
    for path in sorted(Path(folder).glob("logs/part-*/metrics.csv")):
        rows |= _epochs(path)
    epochs = sorted(rows)
    return LearningCurves(
        epochs=np.array(epochs, dtype=np.int64),
        **{
            name: np.array([rows[epoch].get(name, np.nan) for epoch in epochs], dtype=np.float64)
            for name in _columns
        },
    )


def steps_done(folder: str | Path) -> int:
    """Optimiser steps that the log of the latest start of a run speaks of; written every
    hundred steps and at the end of each epoch."""
    parts = sorted(Path(folder).glob("logs/part-*/metrics.csv"))
    if not parts:
        return 0
    with parts[-1].open(newline="", encoding="utf-8") as file:
        return max((int(line["step"]) + 1 for line in _rows(file)), default=0)


def _rows(file: TextIO) -> Iterator[dict[str, str]]:
    """Whole lines of the log; the rate of an epoch stands on a line of its own before it, without
    its number, and is put on the line that follows."""
    rate = ""
    for line in csv.DictReader(file):
        if None in line.values() or not line["step"].isdigit():
            continue  # a cut line
        # Named after the optimiser: lr-Adam, lr-SOAP.
        rate = next((value for key, value in line.items() if key[:3] == "lr-" and value), rate)
        if line["epoch"].isdigit():
            yield line | {"lr": rate}


def _native_epochs(path: Path) -> dict[int, dict[str, float]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            int(line["epoch"]) - 1: {name: float(line[name]) for name in _columns}
            for line in csv.DictReader(file)
        }


def _epochs(path: Path) -> dict[int, dict[str, float]]:
    """Lightning writes the values of one epoch on several lines: gather them."""
    rows: dict[int, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in _rows(file):
            row = rows.setdefault(int(line["epoch"]), {})
            for name, (column, scale) in _columns.items():
                text = line.get(column)
                if text:
                    row[name] = float(text) * scale
    return {epoch: row for epoch, row in rows.items() if "loss_validation" in row}
