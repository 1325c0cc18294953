"""Does an ionic kinetic part left in the stress labels shift P(V) as Table S4 shows?

`python -m benchmarks.stress_question` (half an hour on two cores, resumable): liquids of Table S1's
four states, labelled by `castel2024-nequip`; networks trained with λσ = 0, 1, 100 on the virial
stress (clean) and with λσ = 1, 100 on virial + kinetic stress, as CP2K's MD writes it (total). Then
a strain sweep of the ZIF-4 crystal at 300 K with each, its total pressure at the crystal's volume,
K₀ and ρ₀, beside what Table S4 implies (DOI 10.1039/D3DD00236E, SI; from its K₀ and ρ₀); and each
network's virial pressure minus its teacher's on the same crystals, warm and at V ± 1 %. A figure
like Fig. S2 goes to benchmarks/results/stress_question.png.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from recipes.zif4_fast.frames import frames_of, labelled, write_frames
from recipes.zif4_fast.rounds import run_states
from recipes.zif4_fast.states import CRYSTAL, HELD_OUT, State

from benchmarks.moduli import analysed, sweep_of, sweep_settings
from benchmarks.record import RESULTS, ROOT, record
from zifglass import load_potential
from zifglass.core import Frame, Potential
from zifglass.core.protocol import hold
from zifglass.core.units import GPa, kB
from zifglass.io import structures
from zifglass.report.figures.mechanics import pressure_volume
from zifglass.studies.sweep import run_sweep
from zifglass.training import LossWeights, preset, train

TEACHER, EXPLORER = "castel2024-nequip", "zif4-fast"
CASES = {
    "λσ = 0": (0.0, "clean"), "λσ = 1, clean": (1.0, "clean"), "λσ = 100, clean": (100.0, "clean"),
    "λσ = 1, total": (1.0, "total"), "λσ = 100, total": (100.0, "total"),
}  # fmt: skip
TABLE_S4 = {"λσ = 0": 0.08, "λσ = 1": 0.28, "λσ = 100": 1.00}
"""Pressure at the crystal's volume, GPa, from the published K₀ and ρ₀ by Birch–Murnaghan."""
WARM = State("crystal-warm", CRYSTAL, 0.0, hold(300.0))
FOLDER = ROOT / "build" / "evidence" / "stress_question"


def labels(frames: int) -> None:
    """Training and validation files: clean and total stresses of the same frames."""
    done = FOLDER / "total-validation.extxyz"
    if not done.exists():
        run_states(HELD_OUT, EXPLORER, FOLDER / "runs", duration=8.0, seed=7000)
        liquid = [
            f for s in HELD_OUT for f in frames_of(FOLDER / "runs" / s.name) if f.time > 1200.0
        ]
        rng = np.random.default_rng(1)
        chosen = rng.choice(len(liquid), min(frames, len(liquid)), replace=False)
        clean = labelled([liquid[i] for i in sorted(chosen)], load_potential(TEACHER))
        total = [replace(f, stress=f.stress - np.eye(3) * kinetic_pressure(f)) for f in clean]
        for name, found in (("clean", clean), ("total", total)):
            rest = [frame for index, frame in enumerate(found) if index % 10]
            write_frames(FOLDER / f"{name}-train.extxyz", rest)
            write_frames(FOLDER / f"{name}-validation.extxyz", found[::10])


def kinetic_pressure(frame: Frame) -> float:
    """N k_B T/V, eV/Å³, at the temperature of the state the frame is of."""
    state = next(s for s in HELD_OUT if str(frame.extras["origin"]).startswith(s.name))
    structure = frame.structure
    return len(structure) * kB * state.temperature[0] / structure.volume


def network(case: str, epochs: int) -> Path:
    """The file of the trained network."""
    weight, kind = CASES[case]
    base = preset("zif4-fast")
    settings = base.model_copy(
        update={
            "model": base.model.model_copy(update={"features": (32, 16)}),
            "loss": LossWeights(forces=1.0, energy=1.0, stress=weight),
            "epochs": epochs,
            "patience": epochs,
        }
    )
    name = case.replace("λσ = ", "stress-").replace(", ", "-")
    files = [FOLDER / f"{kind}-{part}.extxyz" for part in ("train", "validation")]
    run = train(
        settings, *files, FOLDER / name,
        report=lambda c: print(f"{case}: {len(c)}/{epochs}, forces "
                               f"{c.force_mae_validation[-1]:.0f} meV/Å, stress "
                               f"{c.stress_mae_validation[-1]:.0f} MPa", flush=True),
    )  # fmt: skip
    return run.checkpoint


def bias(potential: Potential) -> dict[str, tuple[float, float]]:
    """Virial pressure minus the teacher's, GPa: mean and its standard error over independent frames
    of the 300 K crystal, and the crystal strained by −1, 0 and +1 % of its volume."""
    teacher, crystal = load_potential(TEACHER), structures.load("zif4")
    warm = [frame.structure for frame in frames_of(FOLDER / "warm" / WARM.name)[20::10]]
    strained = []
    for change in (-0.01, 0.0, 0.01):
        factor = (1.0 + change) ** (1.0 / 3.0)
        strained.append(crystal.scaled_to(crystal.cell * factor))
    found = {}
    for name, group in (("warm", warm), ("strained", strained)):
        apart = np.array([
            potential(one).pressure_virial - teacher(one).pressure_virial for one in group
        ]) / GPa  # fmt: skip
        found[name] = (float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart))))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hold", type=float, default=6.0, help="ps at each volume")
    options = parser.parse_args()
    labels(options.frames)
    run_states((WARM,), EXPLORER, FOLDER / "warm", duration=4.0, seed=7100)
    networks = {case: network(case, options.epochs) for case in CASES}
    crystal, settings = structures.load("zif4"), sweep_settings(2.0, 1.0, options.hold)
    sweeps = {
        case: sweep_of(file.parent / "sweep", crystal, str(file), settings, 61)
        for case, file in networks.items()
    }
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(run_sweep, sweeps.values()))
    results, rows = {}, {}
    for case, sweep in sweeps.items():
        results[case], found = analysed(sweep)
        start = next(hold for hold in results[case].holds if hold.direction == "start")
        rows[case] = {
            "pressure at the crystal's volume, GPa": (
                start.pressure_total / GPa, start.pressure_std / GPa,
            ),
            **found,
            "virial pressure minus the teacher's, GPa": bias(load_potential(networks[case])),
        }  # fmt: skip
        print(case, {k: v for k, v in rows[case].items() if k != "pressures, GPa"})
    pressure_volume(RESULTS / "stress_question", results)
    figures = {
        "rows": rows,
        "table S4, pressure at the crystal's volume, GPa": TABLE_S4,
        "frames": options.frames,
        "epochs": options.epochs,
    }
    record("stress_question", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
