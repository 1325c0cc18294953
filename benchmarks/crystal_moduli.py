"""The ZIF-4 crystal at 300 K: moduli and density by every method, beside the published ones.

`python -m benchmarks.crystal_moduli` (an hour and a half on two cores, resumable): with
`castel2024-nequip` a strain sweep long enough for standard errors of 0.3 GPa and 0.01 g/cm³; with
`zif4-fast` a sweep and two flexible runs at zero pressure, all independent, and their verdict.
Deuterium, 1 fs. Published: Tables S7 and S8 (DOI 10.1039/D3DD00236E, SI).
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.moduli import (
    STUDENT,
    TEACHER,
    analysed,
    apart,
    branched,
    flexible,
    fluctuating,
    sweep_of,
    sweep_settings,
)
from benchmarks.record import RESULTS, evidence_folder, record
from zifglass import mechanics
from zifglass.dynamics.tasks import Task, carry_out_all
from zifglass.io import structures
from zifglass.report.figures.mechanics import pressure_volume

PUBLISHED = {
    "K, sweep": 1.69, "K, volume": 1.59, "K, strain": 1.58,
    "density": 1.16, "density, flexible": 1.15,
}  # fmt: skip
LIMITS = {"K": 0.3, "density": 0.01}  # of the standard errors with the teacher


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher-hold", type=float, default=14.0, help="ps at each volume")
    parser.add_argument("--student-hold", type=float, default=20.0, help="ps at each volume")
    parser.add_argument("--flexible", type=float, default=180.0, help="ps of each flexible run")
    options = parser.parse_args()
    crystal = structures.load("zif4")
    sweeps = {
        potential: sweep_of(
            evidence_folder("crystal_moduli", potential) / "sweep", crystal, potential,
            sweep_settings(preparation, ramp, hold), seed,
        )
        for potential, preparation, ramp, hold, seed in (
            (STUDENT, 10.0, 4.0, options.student_hold, 31),
            (TEACHER, 5.0, 2.0, options.teacher_hold, 32),
        )
    }  # fmt: skip
    runs = [evidence_folder("crystal_moduli", STUDENT) / f"flexible-{k}" for k in (1, 2)]
    branched(sweeps[STUDENT])
    carry_out_all([
        Task(flexible(options.flexible), crystal, STUDENT, run, seed=seed)
        for seed, run in enumerate(runs, start=33)
    ])  # fmt: skip
    branched(sweeps[TEACHER])
    results, rows, estimates = {}, {}, []
    for potential, sweep in sweeps.items():
        results[potential], rows[f"{potential}, sweep"] = analysed(sweep)
    estimates += mechanics.estimates_of_sweep(results[STUDENT], run="sweep")
    for seed, run in enumerate(runs):
        found, rows[f"{STUDENT}, {run.name}"] = fluctuating(run, seed)
        estimates += found
    verdict = mechanics.compare_methods(estimates).verdict
    pressure_volume(RESULTS / "crystal_moduli", results)
    teacher, student = rows[f"{TEACHER}, sweep"], rows[f"{STUDENT}, sweep"]
    flexible_rows = [rows[f"{STUDENT}, {run.name}"] for run in runs]
    beside = {
        "castel2024-nequip, K of the sweep": apart(teacher["K"], PUBLISHED["K, sweep"]),
        "castel2024-nequip, density": apart(teacher["density"], PUBLISHED["density"]),
        "zif4-fast, K of the sweep": apart(student["K"], PUBLISHED["K, sweep"]),
        "zif4-fast, density of the sweep": apart(student["density"], PUBLISHED["density"]),
        "zif4-fast, K by volume": apart(flexible_rows[0]["K, volume"], PUBLISHED["K, volume"]),
        "zif4-fast, K by strain": apart(
            flexible_rows[1]["K, strain, Hill"], PUBLISHED["K, strain"]
        ),
        "zif4-fast, density at zero pressure": apart(
            flexible_rows[0]["density"], PUBLISHED["density, flexible"]
        ),
    }
    met = {name: teacher[name][1] <= limit for name, limit in LIMITS.items()}
    for name, row in rows.items():
        print(name, {key: value for key, value in row.items() if key != "pressures, GPa"})
    for name, words in beside.items():
        print(f"{name}, ours minus published: {words}")
    print(f"verdict on zif4-fast: {verdict.word}; {verdict.sentence}")
    for name, holds in met.items():
        print(f"standard error of {name} with {TEACHER}: {teacher[name][1]:.4f}, "
              f"limit {LIMITS[name]}: {'holds' if holds else 'MISSED'}")  # fmt: skip
    figures = {
        "rows": rows,
        "published": PUBLISHED,
        "ours minus published": beside,
        "verdict": f"{verdict.word}; {verdict.sentence}",
        "limits of the teacher's standard errors": LIMITS,
        "met": met,
    }
    record("crystal_moduli", figures)
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
