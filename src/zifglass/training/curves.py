"""Learning curves (Fig. S11): what nequip logged, epoch by epoch."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core.units import eV, meV

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """One value per finished epoch (epochs,); NaN where nequip logged none.

    loss_train, loss_validation: the weighted sums nequip minimises and monitors (their
    definitions differ: squared errors in training, root mean squares in validation).
    energy_mae_*: meV/atom. force_mae_*: meV/Å. learning_rate: of the epoch.
    """

    epochs: NDArray[np.int64]
    loss_train: Array
    loss_validation: Array
    energy_mae_train: Array
    energy_mae_validation: Array
    force_mae_train: Array
    force_mae_validation: Array
    learning_rate: Array

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def gap(self) -> float:
        """Force MAE of validation over that of training, last epoch: > 1 means overfitting."""
        return float(self.force_mae_validation[-1] / self.force_mae_train[-1])


_columns = {
    "loss_train": ("train_loss_epoch/weighted_sum", 1.0),
    "loss_validation": ("val0_epoch/weighted_sum", 1.0),
    "energy_mae_train": ("train_metric_epoch/per_atom_energy_mae", eV / meV),
    "energy_mae_validation": ("val0_epoch/per_atom_energy_mae", eV / meV),
    "force_mae_train": ("train_metric_epoch/forces_mae", eV / meV),
    "force_mae_validation": ("val0_epoch/forces_mae", eV / meV),
    "learning_rate": ("lr-Adam", 1.0),
}


def read_curves(folder: str | Path) -> LearningCurves:
    """The curves of a run's ``logs/part-*/metrics.csv``, being written or finished; may be empty.

    Each start of the run logs a part of its own; where two parts hold an epoch the later counts.
    An epoch counts once it has its validation loss. A cut last line is left out.
    """
    rows: dict[int, dict[str, float]] = {}
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


def _epochs(path: Path) -> dict[int, dict[str, float]]:
    """Lightning writes the values of one epoch on several lines: gather them."""
    rows: dict[int, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if not (line.get("epoch") or "").isdigit():
                continue
            row = rows.setdefault(int(line["epoch"]), {})
            for name, (column, scale) in _columns.items():
                text = line.get(column)
                if text:
                    row[name] = float(text) * scale
    return {epoch: row for epoch, row in rows.items() if "loss_validation" in row}
