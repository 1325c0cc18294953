"""Does an ionic kinetic part left in the stress labels shift P(V) as Table S4 shows?

`python -m benchmarks.stress_question` (an hour on two cores, resumable): liquids of Table S1's four
states, labelled by `castel2024-nequip`; networks trained with λσ = 0, 1, 100 on the virial stress
(clean) and with λσ = 1, 100 on virial + kinetic stress, as CP2K's MD writes it (total). Then each
network's pressure of the ZIF-4 crystal at 300 K against its volume, atoms relaxed at each: virial
pressure + N k_B T/V; its value at the crystal's volume and the density where it vanishes, beside
the shifts that Table S4 implies (DOI 10.1039/D3DD00236E, SI; from its K₀ and ρ₀). A figure like
Fig. S2 goes to benchmarks/results/stress_question.png.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from recipes.zif4_fast.frames import frames_of, labelled, write_frames
from recipes.zif4_fast.rounds import run_states
from recipes.zif4_fast.states import HELD_OUT

from benchmarks.record import RESULTS, ROOT, record
from zifglass import load_potential
from zifglass.core import Frame, Potential, Structure
from zifglass.core.units import GPa, kB
from zifglass.io import structures
from zifglass.mechanics.relaxation import RelaxationSettings, relax_positions
from zifglass.training import LossWeights, preset, train

TEACHER, EXPLORER = "castel2024-nequip", "zif4-fast"
CASES = {
    "λσ = 0": (0.0, "clean"), "λσ = 1, clean": (1.0, "clean"), "λσ = 100, clean": (100.0, "clean"),
    "λσ = 1, total": (1.0, "total"), "λσ = 100, total": (100.0, "total"),
}  # fmt: skip
TABLE_S4 = {"λσ = 0": 0.08, "λσ = 1": 0.28, "λσ = 100": 1.00, "ab initio": -0.08}
"""Pressure at the crystal's volume, GPa, from the published K₀ and ρ₀ by Birch–Murnaghan."""
STRAINS = np.array([-0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06, 0.10])
TEMPERATURE = 300.0
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


def network(case: str, epochs: int) -> Potential:
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
    return load_potential(run.checkpoint)


def pressures(potential: Potential) -> np.ndarray[Any, Any]:
    """pressure_total of the crystal at 300 K, GPa, at each of STRAINS."""
    crystal, found = structures.load("zif4"), []
    for strain in STRAINS:
        factor = (1.0 + strain) ** (1.0 / 3.0)
        scaled = Structure(crystal.numbers, crystal.positions * factor, crystal.cell * factor)
        relaxed = relax_positions(potential, scaled, settings=RelaxationSettings())
        kinetic = len(scaled) * kB * TEMPERATURE / scaled.volume
        found.append((relaxed.prediction.pressure_virial + kinetic) / GPa)
    return np.array(found)


def zero(pressure: np.ndarray[Any, Any]) -> float:
    """Strain at which a quadratic through P(V) vanishes, nan outside the range."""
    roots = np.roots(np.polyfit(STRAINS, pressure, 2))
    inside = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and -0.07 < r.real < 0.12]
    return inside[0] if len(inside) == 1 else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=280)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    labels(options.frames)
    curves = {TEACHER: pressures(load_potential(TEACHER))}
    curves |= {case: pressures(network(case, options.epochs)) for case in CASES}
    at = int(np.flatnonzero(STRAINS == 0.0)[0])
    density = structures.load("zif4").density_g_per_cm3
    rows = {
        name: {
            "pressure at the crystal's volume, GPa": float(p[at]),
            "shift from λσ = 0, GPa": float(p[at] - curves["λσ = 0"][at]),
            "density at zero pressure, g/cm³": density / (1.0 + zero(p)),
        }
        for name, p in curves.items()
    }
    for name, row in rows.items():
        print(f"{name:18s} " + "  ".join(f"{key} {value:+.3f}" for key, value in row.items()))
    draw(curves)
    figures = {
        "rows": rows,
        "table S4, pressure at the crystal's volume, GPa": TABLE_S4,
        "strains": STRAINS.tolist(),
        "pressures, GPa": {name: p.tolist() for name, p in curves.items()},
        "frames": options.frames,
        "epochs": options.epochs,
    }
    record("stress_question", figures)
    return 0


def draw(curves: dict[str, Any]) -> None:
    """P(V) of every network, like Fig. S2."""
    from zifglass.report.figures.style import figure

    with figure(RESULTS / "stress_question", size=(5.6, 4.2)) as (_, axes):
        for name, pressure in curves.items():
            axes.plot(1.0 + STRAINS, pressure, marker="o", label=name)
        axes.axhline(0.0, color="0.6", lw=0.8)
        axes.set_xlabel("V / V(crystal)")
        axes.set_ylabel("total pressure at 300 K, GPa")
        axes.legend()


if __name__ == "__main__":
    sys.exit(main())
