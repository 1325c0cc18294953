"""Energy is conserved in dynamics with the compiled engine (float32 features)."""

from __future__ import annotations

import numpy as np
import pytest

from zifglass.core import Structure
from zifglass.core.units import kB, kinetic_unit, meV, ps
from zifglass.potentials.engine import EnginePotential
from zifglass.potentials.network import Network

TIMESTEP = 0.5  # fs


def total_energies(potential: EnginePotential, structure: Structure, steps: int) -> np.ndarray:
    """eV per atom after each step of velocity Verlet from 300 K."""
    rng = np.random.default_rng(300)
    masses = structure.masses[:, None]
    velocities = rng.normal(size=(len(structure), 3)) * np.sqrt(kB * 300 / kinetic_unit / masses)
    velocities -= (masses * velocities).sum(axis=0) / masses.sum()
    now = potential(structure)
    totals = []
    for _ in range(steps):
        velocities += 0.5 * TIMESTEP * now.forces / (kinetic_unit * masses)
        structure = structure.with_positions(structure.positions + TIMESTEP * velocities)
        now = potential(structure)
        velocities += 0.5 * TIMESTEP * now.forces / (kinetic_unit * masses)
        totals.append(now.energy + 0.5 * kinetic_unit * (masses * velocities**2).sum())
    return np.array(totals) / len(structure)


def drift(totals: np.ndarray) -> float:
    """Slope of the total energy, eV/atom/fs, by least squares."""
    return float(np.polyfit(TIMESTEP * np.arange(len(totals)), totals, 1)[0])


def test_total_energy_stays_over_fifty_femtoseconds(castel: Network, crystal: Structure) -> None:
    # Velocity Verlet's own error oscillates: (ωΔt)²/8 of the C–H vibrations' energy (ω 0.57/fs,
    # 96 of 816 modes), that is 1 % of some 5 meV per atom. A wrong force shows at once.
    totals = total_energies(EnginePotential(castel, threads=1), crystal, 100)
    assert np.ptp(totals) < 0.2 * meV


@pytest.mark.long
def test_drift_over_five_picoseconds(castel: Network, crystal: Structure) -> None:
    totals = total_energies(EnginePotential(castel), crystal, round(5 * ps / TIMESTEP))
    slope = drift(totals) / meV * ps
    print(f"drift {slope:+.4f} meV/atom/ps, spread {np.std(totals) / meV:.4f} meV/atom")
    assert abs(slope) <= 0.02
