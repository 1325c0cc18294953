"""What the command line prints and stores about predictions, audits and imports."""

from __future__ import annotations

from typing import Any

import numpy as np

from zifglass.core import Prediction, Structure
from zifglass.core.units import GPa

from .audit import Audit
from .network import Network


def prediction_row(label: str, prediction: Prediction) -> str:
    """One line: energy, energy per atom, largest force, virial pressure."""
    largest = float(np.linalg.norm(prediction.forces, axis=1).max())
    per_atom = prediction.energy / len(prediction.forces)
    return (
        f"{label:16s} {prediction.energy:14.4f}  {per_atom:9.5f}  {largest:12.4f}  "
        f"{prediction.pressure_virial / GPa:16.4f}"
    )


def prediction_results(prediction: Prediction, structure: Structure) -> dict[str, Any]:
    """Values for results.json; std is None, for a prediction carries no sampling error."""

    def value(number: Any, unit: str) -> dict[str, Any]:
        return {"value": number, "std": None, "unit": unit, "note": "one structure, no sampling"}

    return {
        "energy": value(prediction.energy, "eV"),
        "energy_per_atom": value(prediction.energy / len(structure), "eV/atom"),
        "max_force": value(float(np.linalg.norm(prediction.forces, axis=1).max()), "eV/Å"),
        "max_force_component": value(float(np.abs(prediction.forces).max()), "eV/Å"),
        "stress": value(prediction.stress / GPa, "GPa"),
        "pressure_virial": value(prediction.pressure_virial / GPa, "GPa"),
        "volume": value(structure.volume, "Å³"),
        "density": value(structure.density_g_per_cm3, "g/cm³"),
    }


def audit_table(audit: Audit) -> str:
    """The audit as text: check, value, limit, unit, verdict; notes below their row."""
    width = max(len(row.check) for row in audit.rows)
    lines = [f"{audit.potential} on {audit.formula} (sha256 {audit.sha256[:12]}…)"]
    for row in audit.rows:
        value = "" if row.value is None else f"{row.value:.3g}"
        limit = "" if row.limit is None else f"{row.limit:.3g}"
        lines.append(
            f"{row.check:{width}s}  {value:>10s}  {'≤' if limit else ' '} {limit:>8s}  "
            f"{row.unit:20s}  {row.verdict}"
        )
        if row.note:
            lines.append(f"    {row.note}")
    lines.append("passed" if audit.passed else "FAILED")
    return "\n".join(lines)


def agreement_sentence(network: Network) -> str:
    """What the import measured."""
    found = network.facts.get("agreement", {"measured": False, "reason": "never asked for"})
    if not found["measured"]:
        return f"agreement with the source not measured: {found['reason']}"
    return (
        f"agrees with its source ({found['precision']}, {found['structures']} structures): energy "
        f"{found['energy']:.2g} meV/atom, forces {found['forces']:.2g} meV/Å, stress "
        f"{found['stress']:.2g} MPa"
    )
