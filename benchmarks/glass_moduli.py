"""Bulk modulus and density of six glasses with `zif4-fast`, beside the published ensemble.

`python -m benchmarks.glass_moduli` (twenty minutes on two cores, resumable): the four ab initio
glasses of the shared data and two quenched here from melts of the crystal; a sweep of each at
300 K, and the mean ± s.d. beside 2.72 ± 0.97 GPa and 1.30 ± 0.09 g/cm³ of ten ab initio glasses by
strain fluctuations (Table S8, DOI 10.1039/D3DD00236E, SI). Deuterium, 1 fs.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from recipes.zif4_fast.states import CRYSTAL, GLASSES, State, structure_of

from benchmarks.moduli import MASS, STUDENT, analysed, sweep_of, sweep_settings
from benchmarks.record import RESULTS, evidence_folder, record
from zifglass import analysis, mechanics, read
from zifglass.core import Structure
from zifglass.core.protocol import hold
from zifglass.core.units import ps
from zifglass.dynamics.protocols import MeltQuench, melt_quench
from zifglass.dynamics.settings import RunSettings, WatchSettings
from zifglass.dynamics.tasks import Task, carry_out_all
from zifglass.report.figures.mechanics import pressure_volume
from zifglass.studies.sweep import run_sweep

FOLDER = evidence_folder("glass_moduli", STUDENT)
QUENCHED = {"quenched-1": 41, "quenched-2": 42}
PUBLISHED = {"K": (2.72, 0.97), "density": (1.30, 0.09)}


def quench() -> dict[str, dict[str, object]]:
    """Two glasses, melted at 1750 K and cooled at 58 K/ps; what the melts were."""
    protocol = melt_quench(
        MeltQuench(
            timestep=1.0, deuterium=MASS, t_max=30.0, temperature_max=1750.0, before=2.0,
            heating_rate=145.0, cooling_rate=58.0, equilibration=8.0,
        )
    )  # fmt: skip
    settings = RunSettings(watch=WatchSettings(linkers="warn"))
    carry_out_all([
        Task(protocol, structure_of(State("", CRYSTAL, 0.0, hold(300.0))), STUDENT,
             FOLDER / name / "quench", seed=seed, settings=settings)
        for name, seed in QUENCHED.items()
    ])  # fmt: skip
    found = {}
    for name in QUENCHED:
        run = read(FOLDER / name / "quench")
        melting = analysis.melting([f for f in run if f.time is not None and f.time <= 42.0 * ps])
        found[name] = {
            "melt": melting.verdict.sentence,
            "broken linkers at the end": analysis.linkers(run[-1]).broken,
            "coordination at the end": analysis.coordination(run[-1]).mean,
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hold", type=float, default=6.0, help="ps at each volume")
    options = parser.parse_args()
    melts = quench()
    glasses: dict[str, Structure] = {
        name: structure_of(State("", name, 0.0, hold(300.0))) for name in GLASSES
    }
    glasses |= {name: read(FOLDER / name / "quench")[-1].structure for name in QUENCHED}
    settings = sweep_settings(3.0, 1.5, options.hold)
    sweeps = {
        name: sweep_of(FOLDER / name / "sweep", glass, STUDENT, settings, seed)
        for seed, (name, glass) in enumerate(glasses.items(), start=51)
    }
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(run_sweep, sweeps.values()))
    results, rows = {}, {}
    for name, sweep in sweeps.items():
        results[name], rows[name] = analysed(sweep)
        print(name, {key: value for key, value in rows[name].items() if key != "pressures, GPa"})
    pressure_volume(RESULTS / "glass_moduli", results)
    ensembles = {}
    for quantity, (value, spread) in PUBLISHED.items():
        values, stds = np.array([row[quantity] for row in rows.values()]).T
        whole = mechanics.ensemble(list(rows), values, stds=stds)
        error = float(np.hypot(whole.mean_std, spread / np.sqrt(10.0)))
        ensembles[quantity] = {
            "mean": whole.mean, "s.d.": whole.spread, "s.e. of the mean": whole.mean_std,
            "root mean square of the glasses' own errors": whole.sampling,
            "published": (value, spread), "ours minus published": whole.mean - value,
            "in standard errors": (whole.mean - value) / error,
        }  # fmt: skip
        print(f"{quantity}: {whole.mean:.3f} ± {whole.spread:.3f} (s.d. of {len(rows)}), "
              f"published {value} ± {spread}: "
              f"{(whole.mean - value) / error:+.1f} standard errors")  # fmt: skip
    record("glass_moduli", {"melts": melts, "glasses": rows, "ensembles": ensembles})
    return 0


if __name__ == "__main__":
    sys.exit(main())
