"""What every integrator must do, against theory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from tests.dynamics.toys import LennardJones, Springs, fcc
from tests.dynamics.trials import Trial, begin, deterministic, log_ratio_slope, sample, stochastic

from zifglass.core import Structure
from zifglass.core.statistics import mean_of_series, statistical_inefficiency
from zifglass.core.units import GPa, fs, kB

_npt = ("npt-iso", "npt-iso-csvr", "npt-flexible", "npt-flexible-csvr")
_argon = LennardJones(cutoff=4.9)


def _crystal(a: float = 5.4) -> Structure:
    crystal = fcc(a, 2)
    rng = np.random.default_rng(5)
    shear = np.eye(3) + np.array([[0, 0, 0], [0.03, 0, 0], [0.0, -0.02, 0]])
    moved = crystal.with_positions(crystal.positions + rng.normal(0, 0.05, (32, 3)))
    return moved.scaled_to(crystal.cell @ shear)


def _trial(ensemble: str, **more: float) -> Trial:
    return begin(ensemble, _crystal(), _argon, pressure=0.02 * GPa, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("ensemble", deterministic)
def test_order_of_convergence_is_two(ensemble: str) -> None:
    # The error of the end point goes with dt²: halving dt divides it by four.
    ends = []
    for timestep in (4.0, 2.0, 1.0, 0.5):
        trial = _trial(ensemble, timestep=timestep)
        trial.step(round(120.0 / timestep))
        ends.append(np.concatenate([trial.state.positions.ravel(), trial.state.cell.ravel()]))
    errors = [float(np.linalg.norm(a - b)) for a, b in pairwise(ends)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert orders == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("ensemble", deterministic)
def test_runs_backwards(ensemble: str) -> None:
    # Symmetric steps: with all velocities turned round the way back is the way there, to
    # rounding, which 150 steps of a slightly chaotic system amplify far less than 1e-8 Å.
    trial = _trial(ensemble)
    start = trial.state.copy()
    trial.step(150)
    assert np.abs(trial.state.positions - start.positions).max() > 0.1
    trial.reverse()
    trial.step(150)
    np.testing.assert_allclose(trial.state.positions, start.positions, atol=1e-8)
    np.testing.assert_allclose(trial.state.cell, start.cell, atol=1e-8)
    np.testing.assert_allclose(-trial.state.velocities, start.velocities, atol=1e-9)


@pytest.mark.parametrize("ensemble", [*deterministic, *stochastic])
def test_conserved_quantity(ensemble: str) -> None:
    # No drift, and an error that goes with dt². The stochastic ones draw other numbers for
    # another dt, so their factor scatters more about four.
    spreads = []
    for timestep in (8.0, 4.0):
        trial = _trial(ensemble, timestep=timestep)
        values = []
        for _ in range(round(4000.0 / timestep)):
            trial.step()
            values.append(trial.conserved())
        spreads.append(np.std(values))
        kinetic = 1.5 * 32 * kB * 40.0
        assert abs(np.mean(values[-50:]) - np.mean(values[:50])) < 0.005 * kinetic
    assert 2.5 < spreads[0] / spreads[1] < 7.0


@pytest.mark.parametrize("ensemble", ["nve", "nvt-nhc", "nvt-csvr"])
def test_box_ramps_are_linear_and_their_work_is_booked(ensemble: str) -> None:
    factors = (1.03, 0.99, 1.0)
    drifts = []
    for timestep in (4.0, 2.0):
        steps = round(800.0 / timestep)
        trial = begin(
            ensemble, _crystal(), _argon, timestep=timestep, steps=steps, length_ramp=factors
        )
        first = trial.conserved()
        start = np.linalg.norm(trial.state.cell, axis=1)
        for step in range(1, steps + 1):
            trial.step()
            lengths = np.linalg.norm(trial.state.cell, axis=1)
            expected = start * (1 + (np.array(factors) - 1) * step / steps)
            np.testing.assert_allclose(lengths, expected, rtol=1e-12)
        drifts.append(abs(trial.conserved() - first))
    # The box did work of the order of 0.1 eV; what is not booked goes with dt².
    assert drifts[0] < 1e-3
    assert drifts[1] < 0.6 * drifts[0] + 1e-5


@pytest.mark.parametrize("ensemble", [*deterministic, *stochastic])
def test_momentum_stays_zero_and_the_box_does_not_turn_by_its_velocity(ensemble: str) -> None:
    trial = _trial(ensemble)
    trial.step(300)
    masses = trial.system.masses
    thermal = np.sqrt(masses.sum() * trial.system.dof * kB * 40.0)
    assert np.abs(masses @ trial.state.velocities).max() < 1e-12 * thermal
    rate = trial.state.strain_rate
    np.testing.assert_allclose(rate, rate.T, atol=1e-18)


def test_nve_is_ases_velocity_verlet() -> None:
    from ase import units as ase_units
    from ase.calculators.calculator import Calculator
    from ase.md.verlet import VelocityVerlet

    class Ours(Calculator):  # type: ignore[misc]
        implemented_properties = ("energy", "forces")

        def calculate(self, atoms: object = None, *rest: object) -> None:
            super().calculate(atoms, *rest)
            found = _argon(Structure.from_ase(self.atoms))
            self.results = {"energy": found.energy, "forces": found.forces}

    trial = _trial("nve", timestep=2.0)
    atoms = _crystal().to_ase()
    atoms.calc = Ours()
    atoms.set_masses(trial.system.masses)
    atoms.set_velocities(trial.state.velocities / (ase_units.fs * fs))
    VelocityVerlet(atoms, timestep=2.0 * ase_units.fs).run(200)
    trial.step(200)
    # ASE's constants are CODATA 2014: its fs differs from ours by 6e-9.
    np.testing.assert_allclose(atoms.positions, trial.state.positions, atol=1e-6)


@pytest.mark.parametrize("ensemble", ["nvt-nhc", *stochastic, "npt-iso", "npt-flexible"])
def test_kinetic_energy_is_canonical(ensemble: str) -> None:
    # 2K/k_B T follows χ² with 3N − 3 degrees of freedom: Kolmogorov–Smirnov on samples thinned
    # to independence, at a level of 1e-4 (the seed is fixed, so the outcome is too).
    trial = _trial(ensemble)
    kinetic = sample(trial, samples=900, every=5).kinetic
    thinned = kinetic[:: int(np.ceil(statistical_inefficiency(kinetic)))]
    assert len(thinned) > 60
    test = stats.kstest(2 * thinned / (kB * 40.0), stats.chi2(3 * 32 - 3).cdf)
    assert test.pvalue > 1e-4


def _agrees(slope: float, error: float, exact: float) -> None:
    assert error < 0.25 * abs(exact), "too few samples to tell right from wrong"
    assert abs(slope - exact) < 4 * error


def _nvt_slope(ensemble: str, samples: int) -> tuple[float, float]:
    series = []
    for T, seed in ((40.0, 1), (46.0, 2)):
        trial = _trial(ensemble, temperature=T, seed=seed)  # type: ignore[arg-type]
        found = sample(trial, samples=samples, every=6)
        series.append(found.kinetic + found.potential)
    return log_ratio_slope(*series)


@pytest.mark.parametrize("ensemble", ["nvt-nhc", "nvt-csvr"])
def test_two_temperatures(ensemble: str) -> None:
    """ln[p₂(E)/p₁(E)] is linear in E with slope 1/k_B T₁ − 1/k_B T₂ (Shirts)."""
    slope, error = _nvt_slope(ensemble, 900)
    _agrees(slope, error, 1 / (kB * 40.0) - 1 / (kB * 46.0))


def _npt_slope(ensemble: str, samples: int) -> tuple[float, float]:
    # A chain on a barostat much faster than the atoms is not ergodic, and one that swings within a
    # dozen steps spreads the volume by some per cent; see dynamics/README.md.
    damping = {"npt-iso-csvr": 400.0, "npt-flexible-csvr": 150.0}.get(ensemble, 600.0)
    series = []
    for pressure, seed in ((0.0, 1), (0.03 * GPa, 2)):
        trial = begin(
            ensemble, _crystal(), _argon, pressure=pressure, seed=seed, barostat_damping=damping
        )
        series.append(sample(trial, samples=samples, every=6).volume)
    return log_ratio_slope(*series)


@pytest.mark.parametrize(
    "ensemble", ["npt-iso", "npt-iso-csvr", "npt-flexible-csvr", "npt-flexible"]
)
def test_two_pressures(ensemble: str) -> None:
    """ln[p₂(V)/p₁(V)] is linear in V with slope −(P₂ − P₁)/k_B T (Shirts)."""
    slope, error = _npt_slope(ensemble, 900)
    _agrees(slope, error, -0.03 * GPa / (kB * 40.0))


@pytest.mark.long
@pytest.mark.parametrize("ensemble", ["nvt-nhc", "nvt-csvr"])
def test_two_temperatures_long(ensemble: str) -> None:
    slope, error = _nvt_slope(ensemble, 20000)
    exact = 1 / (kB * 40.0) - 1 / (kB * 46.0)
    assert error < 0.05 * exact
    assert abs(slope - exact) < 4 * error


@pytest.mark.long
@pytest.mark.parametrize(
    "ensemble", ["npt-iso", "npt-iso-csvr", "npt-flexible", "npt-flexible-csvr"]
)
def test_two_pressures_long(ensemble: str) -> None:
    slope, error = _npt_slope(ensemble, 20000)
    exact = -0.03 * GPa / (kB * 40.0)
    assert error < 0.06 * abs(exact)
    assert abs(slope - exact) < 4 * error


@pytest.mark.parametrize("ensemble", ["npt-iso", "npt-flexible-csvr"])
def test_total_pressure_is_the_barostats_target(ensemble: str) -> None:
    """⟨P V⟩ = P₀⟨V⟩ with the kinetic part N k_B T/V: the theorem that the barostat obeys."""
    trial = _trial(ensemble, barostat_damping=150.0)
    found = sample(trial, samples=1200)
    work = mean_of_series((found.pressure_total - 0.02 * GPa) * found.volume)
    assert work.std < 0.3 * 32 * kB * 40.0  # the kinetic part, N k_B T, would be seen
    assert abs(work.mean) < 4 * work.std


def test_flexible_cell_finds_a_known_crystal() -> None:
    """Springs at their natural length, started from a strained and sheared cell at 10 K: the volume
    of the crystal, and a cubic cell up to rotation."""
    crystal = fcc(5.4, 2)
    springs = Springs.of(crystal, stiffness=0.3)
    strain = np.array([[1.03, 0.02, 0.0], [0.0, 0.98, 0.01], [0.0, 0.0, 1.02]])
    trial = begin(
        "npt-flexible-csvr",
        crystal.scaled_to(crystal.cell @ strain),
        springs,
        temperature=10.0,
        thermostat_damping=50.0,
        barostat_damping=1000.0,
    )
    trial.step(800)
    metrics, volumes = [], []
    for _ in range(400):
        trial.step(3)
        metrics.append(trial.state.cell @ trial.state.cell.T)
        volumes.append(np.linalg.det(trial.state.cell))
    # Thermal expansion is of the order of k_B T/(k r²) = 2e-4.
    assert np.mean(volumes) == pytest.approx(crystal.volume, rel=2e-3)
    np.testing.assert_allclose(np.mean(metrics, axis=0), np.eye(3) * 10.8**2, atol=0.35)
