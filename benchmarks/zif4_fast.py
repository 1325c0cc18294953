"""Is `zif4-fast` its teacher's student? `python -m benchmarks.zif4_fast` (some ten minutes).

Against `castel2024-nequip`, in one run: time per call, in turns, one thread; errors on the
held-out liquids kept in tests/potentials/held_out.npz, labelled here; the crystal's relaxed
volume and static moduli. Limits are the project's own.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.record import ROOT, record
from zifglass import load_potential
from zifglass.core import Potential, Structure
from zifglass.core.units import GPa, MPa, meV
from zifglass.io import structures
from zifglass.mechanics import static_elasticity

STUDENT, TEACHER = "zif4-fast", "castel2024-nequip"
HELD_OUT = ROOT / "tests" / "potentials" / "held_out.npz"
LIMITS = {
    "times faster": 12.0, "energy, meV/atom": 2.0, "forces, meV/Å": 40.0, "stress, MPa": 60.0,
    "relaxed volume, %": 2.0, "static bulk modulus, %": 15.0,
}  # fmt: skip


def held_out() -> list[Structure]:
    """Liquids of 1500 and 1750 K that no training frame came from."""
    kept = np.load(HELD_OUT)
    return [
        Structure(kept["numbers"], positions.astype(float), cell)
        for positions, cell in zip(kept["positions"], kept["cells"], strict=True)
    ]


def speed(student: Potential, teacher: Potential, *, rounds: int = 12) -> dict[str, float]:
    """Processor time of a call, ms: least of calls in turns, one thread each."""
    crystal = structures.load("zif4")
    best = {STUDENT: np.inf, TEACHER: np.inf}
    for _ in range(rounds):
        for name, potential in ((STUDENT, student), (TEACHER, teacher)):
            potential(crystal)
            for _ in range(3 if name == STUDENT else 1):
                start = time.process_time()
                potential(crystal)
                best[name] = min(best[name], 1e3 * (time.process_time() - start))
    return {f"{name}, ms": ms for name, ms in best.items()} | {
        "times faster": best[TEACHER] / best[STUDENT]
    }


def errors(student: Potential, teacher: Potential) -> dict[str, float]:
    """Mean absolute errors on the held-out liquids; std: standard error over frames."""
    rows = []
    for structure in held_out():
        found, label = student(structure), teacher(structure)
        rows.append(
            (
                abs(found.energy - label.energy) / len(structure) / meV,
                np.abs(found.forces - label.forces).mean() / meV,
                np.abs(found.stress - label.stress).mean() / MPa,
            )
        )
    table = np.array(rows)
    result = {"frames": float(len(table))}
    for column, name in enumerate(("energy, meV/atom", "forces, meV/Å", "stress, MPa")):
        result[name] = float(table[:, column].mean())
        result[f"{name}, std"] = float(table[:, column].std(ddof=1) / np.sqrt(len(table)))
    return result


def statics(potential: Potential) -> dict[str, float]:
    """Relaxed volume and static bulk moduli of the crystal."""
    found = static_elasticity(potential, structures.load("zif4"))
    return {
        "volume, Å³": found.volume,
        "density, g/cm³": found.structure.density_g_per_cm3,
        "K Voigt, GPa": float(found.averages.bulk_voigt) / GPa,
        "K Reuss, GPa": float(found.averages.bulk_reuss) / GPa,
        "K Hill, GPa": float(found.averages.bulk_hill) / GPa,
    }


def main() -> int:
    student, teacher = (load_potential(name, threads=1) for name in (STUDENT, TEACHER))
    figures: dict[str, object] = {"student": student.sha256, "speed": speed(student, teacher)}
    figures["held-out liquids"] = errors(student, teacher)
    crystal = {name: statics(p) for name, p in ((STUDENT, student), (TEACHER, teacher))}
    figures["crystal"] = crystal
    found = {**figures["speed"], **figures["held-out liquids"]}  # type: ignore[dict-item]
    mine, its = crystal[STUDENT], crystal[TEACHER]
    found["relaxed volume, %"] = 100 * abs(mine["volume, Å³"] / its["volume, Å³"] - 1)
    found["static bulk modulus, %"] = 100 * max(
        abs(mine[f"K {kind}, GPa"] / its[f"K {kind}, GPa"] - 1)
        for kind in ("Voigt", "Reuss", "Hill")
    )
    verdicts = {}
    for name, limit in LIMITS.items():
        holds = found[name] >= limit if name == "times faster" else found[name] <= limit
        verdicts[name] = {"value": found[name], "limit": limit, "holds": bool(holds)}
        print(
            f"{name:24s} {found[name]:8.2f}  limit {limit:6.1f}  {'holds' if holds else 'MISSED'}"
        )
    record("zif4_fast", figures | {"verdicts": verdicts})
    return 0 if all(v["holds"] for v in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
