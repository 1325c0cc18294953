"""The student's errors on trajectories of the teacher that no training frame comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zifglass import load_potential, read
from zifglass.core.units import MPa, meV

SKIPPED = 1200.0
"""fs: the start and the heating of a held-out run are not liquid."""


def errors_against_labels(network: Path, runs: Sequence[Path]) -> dict[str, Any]:
    """Mean absolute errors per run and over all: meV/atom, meV/Å, MPa; std: standard error over
    the runs."""
    student = load_potential(network)
    rows = {run.name: _errors(student, run) for run in runs}
    table = np.array([list(row.values()) for row in rows.values()])
    keys = list(next(iter(rows.values())))
    spread = (
        table.std(axis=0, ddof=1) / np.sqrt(len(table)) if len(table) > 1 else table[0] * np.nan
    )
    means = {
        key: {"value": float(v), "std": float(s)}
        for key, v, s in zip(keys, table.mean(axis=0), spread, strict=True)
    }
    return {"runs": rows, "mean": means, "frames": sum(len(_liquid(run)) for run in runs)}


def _liquid(run: Path) -> list[Any]:
    return [frame for frame in read(run) if frame.time is not None and frame.time > SKIPPED]


def _errors(student: Any, run: Path) -> dict[str, float]:
    energy, forces, stress = [], [], []
    for frame in _liquid(run):
        found = student(frame.structure)
        energy.append(abs(found.energy - frame.energy) / len(frame.structure) / meV)
        forces.append(np.abs(found.forces - frame.forces).mean() / meV)
        stress.append(np.abs(found.stress - frame.stress).mean() / MPa)
    return {
        "energy_mae_meV_per_atom": float(np.mean(energy)),
        "force_mae_meV_per_A": float(np.mean(forces)),
        "stress_mae_MPa": float(np.mean(stress)),
    }
