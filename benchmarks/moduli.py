"""What the claims on moduli share: sweeps and flexible runs under build/evidence, which go on where
they were stopped, and their numbers in GPa and g/cm³."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from recipes.zif4_fast.states import DEUTERIUM

from zifglass import dynamics, load_potential, mechanics, read
from zifglass.core import Protocol, Structure
from zifglass.core.units import GPa, g_per_cm3, ps
from zifglass.dynamics.protocols import FlexibleNPT, flexible_npt
from zifglass.mechanics import StrainSweepSettings
from zifglass.report.mechanics import write_fluctuations, write_sweep
from zifglass.studies.sweep import Sweep, finished_holds, run_sweep

STUDENT, TEACHER = "zif4-fast", "castel2024-nequip"
TEMPERATURE = 300.0
MASS = DEUTERIUM["H"]  # amu: 1 fs
EQUILIBRATION = 20.0  # ps of a flexible run before frames count
Found = dict[str, Any]


def sweep_settings(preparation: float, ramp: float, hold: float) -> StrainSweepSettings:
    """ps."""
    return StrainSweepSettings(
        preparation=preparation, ramp=ramp, hold=hold, timestep=1.0, deuterium=MASS, max_steps=5
    )


def sweep_of(
    folder: Path, structure: Structure, potential: str, settings: StrainSweepSettings, seed: int
) -> Sweep:
    """On one thread."""
    return Sweep(folder, structure, potential, settings, seed, threads=1)


def branched(sweep: Sweep) -> None:
    """The sweep on two cores: its preparation on both, then a branch on each."""
    if not (sweep.folder / "preparation" / "status.json").exists():
        dynamics.run(
            mechanics.preparation_protocol(sweep.settings),
            sweep.structure,
            load_potential(sweep.potential, threads=2),
            folder=sweep.folder / "preparation",
            seed=sweep.seed,
        )
    run_sweep(sweep, workers=2)


def analysed(sweep: Sweep) -> tuple[mechanics.StrainSweep, Found]:
    holds = finished_holds(sweep.folder, sweep.settings, n_atoms=len(sweep.structure))
    mass = float(sweep.structure.masses.sum())
    result, found = write_sweep(sweep.folder, holds, mass=mass, settings=sweep.settings)
    return result, {
        "K": (result.bulk_modulus / GPa, result.bulk_modulus_std / GPa),
        "density": (result.density0 / g_per_cm3, result.density0_std / g_per_cm3),
        "window": result.window.reason,
        "bracketed": result.bracketed,
        "hold, ps": sweep.settings.hold,
        "third order K": _pair(found.get("third_order_bulk_modulus")),
        "pressures, GPa": [
            (h.volume, h.pressure_total / GPa, h.pressure_std / GPa, ", ".join(h.flags))
            for h in result.holds
        ],
    }


def _pair(quantity: Any) -> tuple[float, float | None] | None:
    return None if quantity is None else (quantity.value, quantity.std)


def flexible(duration: float) -> Protocol:
    """300 K, no pressure; ps."""
    return flexible_npt(
        FlexibleNPT(timestep=1.0, deuterium=MASS, duration=duration, equilibration=EQUILIBRATION)
    )


def fluctuating(run: Path, seed: int) -> tuple[list[mechanics.Estimate], Found]:
    """K by volume and strain, and the density, of the kept part of a flexible run."""
    trajectory = read(run)
    assert trajectory.times is not None
    kept = trajectory[int(np.searchsorted(trajectory.times, EQUILIBRATION * ps)) :]
    result = mechanics.strain_fluctuations(
        kept, temperature=TEMPERATURE, generator=np.random.default_rng(seed)
    )
    mass = float(kept[0].structure.masses.sum())
    found = write_fluctuations(run, result, mass=mass)
    names = {
        "K, volume": "bulk_modulus_volume",
        "K, strain, Reuss": "bulk_modulus_reuss",
        "K, strain, Voigt": "bulk_modulus_voigt",
        "K, strain, Hill": "bulk_modulus_hill",
        "density": "density",
    }
    return mechanics.estimates_of_fluctuations(result, run=run.name, mass=mass), {
        **{name: _pair(found[key]) for name, key in names.items()},
        "verdict": result.verdict.sentence,
        "independent samples": result.n_independent,
    }


def apart(ours: tuple[float, float], published: float) -> str:
    """ours − published, in words; the error holds the published number's rounding to 0.01."""
    difference, std = ours[0] - published, float(np.hypot(ours[1], 0.01 / np.sqrt(12.0)))
    return f"{difference:+.3f} ± {std:.3f} ({abs(difference) / std:.1f} standard errors)"
