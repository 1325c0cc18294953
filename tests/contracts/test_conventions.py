"""One test per line of docs/conventions.md, of the same name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from zifglass.abinitio import read_single_point
from zifglass.core import Frame, Prediction, Structure, units
from zifglass.core.statistics import mean_of_series
from zifglass.core.structure import number_of
from zifglass.dynamics import maxwell_boltzmann
from zifglass.dynamics.state import State
from zifglass.dynamics.system import System, masses_for
from zifglass.io import read, write
from zifglass.mechanics import elasticity

_page = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"


def test_page_and_tests_name_the_same_conventions() -> None:
    rows = [line for line in _page.read_text().splitlines() if line.startswith("| ")]
    named = {name for row in rows[1:] for name in re.findall(r"`(\w+)` \|$", row)}
    assert len(named) == len(rows) - 1
    tested = {name[len("test_") :] for name in globals() if name.startswith("test_")}
    assert named == tested - {"page_and_tests_name_the_same_conventions"}


def _dimer(distance: float = 3.0, box: float = 30.0) -> Structure:
    return Structure([18, 18], [[0.0, 0, 0], [distance, 0, 0]], np.eye(3) * box)


def _spring(structure: Structure, k: float = 2.0, rest: float = 2.5) -> Prediction:
    """Two atoms on a spring, written with the definitions of the page."""
    bond = structure.positions[1] - structure.positions[0]
    length = float(np.linalg.norm(bond))
    pull = k * (length - rest) * bond / length  # ∂E/∂r of atom 1
    return Prediction(
        energy=0.5 * k * (length - rest) ** 2,
        forces=np.array([pull, -pull]),
        stress=np.outer(bond, pull) / structure.volume,
    )


def test_kinetic_energy() -> None:
    # An argon atom at the thermal speed sqrt(3 kB T / m) at 300 K has 1.5 kB T.
    mass = 39.948
    speed = np.sqrt(3 * units.kB * 300 / (mass * units.kinetic_unit))
    assert speed * 1e5 == pytest.approx(432.8, rel=1e-3)  # m/s, textbook value
    assert units.kinetic_unit * 0.5 * mass * speed**2 == pytest.approx(1.5 * units.kB * 300)


def test_cell_rows() -> None:
    cell = np.array([[10.0, 0, 0], [2.0, 9.0, 0], [0, 0, 8.0]])
    copy = Structure([30], [[1.0, 1, 1]], cell).repeat([1, 2, 1])
    np.testing.assert_allclose(copy.positions[1] - copy.positions[0], [2.0, 9.0, 0.0])


def test_positions_are_not_wrapped() -> None:
    outside = Structure([30], [[12.0, -3.0, 40.0]], np.eye(3) * 10)
    np.testing.assert_array_equal(outside.positions, [[12.0, -3.0, 40.0]])
    np.testing.assert_allclose(outside.wrapped().positions, [[2.0, 7.0, 0.0]])


def test_force_is_minus_gradient() -> None:
    step = 1e-5
    here = _spring(_dimer())
    gradient = (_spring(_dimer(3 + step)).energy - _spring(_dimer(3 - step)).energy) / (2 * step)
    assert here.forces[1, 0] == pytest.approx(-gradient, rel=1e-8)


def test_stress_is_strain_derivative() -> None:
    structure, step = _dimer(), 1e-5
    energies = []
    for sign in (1, -1):
        strained = structure.scaled_to(structure.cell @ (np.eye(3) + np.diag([sign * step, 0, 0])))
        energies.append(_spring(strained).energy)
    derivative = (energies[0] - energies[1]) / (2 * step) / structure.volume
    assert _spring(structure).stress[0, 0] == pytest.approx(derivative, rel=1e-8)
    assert derivative > 0  # a stretched spring is under tension


def test_pressure_virial_sign() -> None:
    assert _spring(_dimer(3.0)).pressure_virial < 0 < _spring(_dimer(2.0)).pressure_virial


def test_strain_acts_on_rows() -> None:
    rng = np.random.default_rng(0)
    cell = rng.normal(size=(3, 3)) + 6 * np.eye(3)
    strain = rng.normal(size=(3, 3)) * 0.01
    structure = Structure([30], [[1.0, 2.0, 3.0]], cell)
    strained = structure.scaled_to(cell @ (np.eye(3) + strain))
    np.testing.assert_allclose(
        strained.positions, structure.positions @ (np.eye(3) + strain), atol=1e-12
    )


def test_deuterium_is_hydrogen() -> None:
    assert number_of("D") == number_of("H") == 1


def test_density() -> None:
    crystal = Structure(
        [30] * 16 + [7] * 64 + [6] * 96 + [1] * 96,
        np.zeros((272, 3)),
        np.diag([15.4231, 15.4042, 18.4379]),
    )
    assert crystal.density_g_per_cm3 == pytest.approx(1.2101, abs=5e-5)


def test_ase_stress() -> None:
    from ase.calculators.lj import LennardJones

    structure = _dimer(3.0)
    atoms = structure.to_ase()
    # rest length 2^(1/6) σ = 2.5 Å: at 3 Å the pair is stretched, tension along x.
    atoms.calc = LennardJones(sigma=2.5 / 2 ** (1 / 6), epsilon=0.1, rc=12.0)
    assert atoms.get_stress(voigt=False)[0, 0] > 0
    assert _spring(structure).stress[0, 0] > 0


def test_ase_velocities() -> None:
    from ase import units as ase_units

    velocity = 0.02  # Å/fs
    kinetic = 0.5 * 39.948 * (velocity / ase_units.fs) ** 2  # ASE: ½ m v² is in eV
    assert kinetic == pytest.approx(units.kinetic_unit * 0.5 * 39.948 * velocity**2, rel=1e-5)


def test_lammps_metal() -> None:
    assert units.bar / units.GPa == pytest.approx(1e-4)
    assert 1 * units.angstrom / units.ps == pytest.approx(1e-3)  # Å/ps in Å/fs
    # LAMMPS's own constant for pressures in metal units: bar in one eV/Å³.
    assert units.eV / units.bar == pytest.approx(1.6021765e6, rel=1e-7)


def _moving(count: int = 5) -> tuple[System, State]:
    rng = np.random.default_rng(4)
    structure = Structure([30, 7, 6, 1, 1][:count], rng.uniform(0, 12, (count, 3)), np.eye(3) * 12)
    system = System(structure, masses_for(structure, {}), _Constant())
    state = State(count)
    state.positions[:], state.cell[:] = structure.positions, structure.cell
    state.velocities[:] = maxwell_boltzmann(system.masses, 400.0, rng=rng)
    system.evaluate(state)
    return system, state


class _Constant:
    """No forces, and a stress that is not isotropic."""

    name, species, cutoff, sha256 = "constant", (1, 6, 7, 30), 0.0, "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        return Prediction(0.0, np.zeros((len(structure), 3)), np.diag([1.0, -2.0, 4.0]) * 1e-3)


def test_pressure_total_adds_kinetic() -> None:
    system, state = _moving()
    volume = 12.0**3
    assert system.pressure_virial(state) == pytest.approx(-1e-3)
    thermal = 5 * units.kB * system.temperature(state) / volume
    assert system.pressure_total(state) - system.pressure_virial(state) == pytest.approx(thermal)
    kinetic = units.kinetic_unit * 0.5 * (system.masses[:, None] * state.velocities**2).sum()
    assert thermal == pytest.approx(5 / 4 * 2 / 3 * kinetic / volume)


def test_degrees_of_freedom() -> None:
    system, state = _moving()
    np.testing.assert_allclose(system.masses @ state.velocities, 0.0, atol=1e-12)
    kinetic = units.kinetic_unit * 0.5 * (system.masses[:, None] * state.velocities**2).sum()
    assert system.temperature(state) == pytest.approx(2 * kinetic / (units.kB * (3 * 5 - 3)))


def test_voigt_order() -> None:
    # xx, yy, zz, yz, xz, xy numbered 1 … 6; shears of a strain count twice.
    numbered = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    np.testing.assert_array_equal(elasticity.stress_vector(numbered), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(elasticity.strain_vector(numbered), [1, 2, 3, 8, 10, 12])
    np.testing.assert_array_equal(
        elasticity.strain_matrix(np.array([1.0, 2, 3, 8, 10, 12])), numbered
    )
    # Work is the product of the two six-vectors: σ : ε counts each shear twice.
    work = elasticity.stress_vector(numbered) @ elasticity.strain_vector(numbered)
    assert work == np.tensordot(numbered, numbered)


def test_cp2k_stress_sign(data: Path) -> None:
    path = data / "dft" / "zif4_crystal.out"
    rows = re.findall(r"^ STRESS\|\s+[xyz]\s+(\S+)\s+(\S+)\s+(\S+)\s*$", path.read_text(), re.M)
    printed = np.array(rows[:3], dtype=np.float64)  # the eigenvectors follow
    stress = read_single_point(path).stress
    assert stress is not None
    np.testing.assert_allclose(np.diag(stress) / units.GPa, -np.diag(printed), rtol=1e-9)
    # Compressed by 1 %, the crystal pushes harder: the printed sign is that of a pressure.
    squeezed = read_single_point(path.with_name("zif4_crystal_volume_minus1.out"))
    assert squeezed.pressure_virial > read_single_point(path).pressure_virial


def test_std_is_standard_error() -> None:
    """The stated error is the spread of the means of many AR(1) series, whose samples are
    correlated over (1 + φ)/(1 − φ) = 9 of them."""
    rng = np.random.default_rng(11)
    phi, count, many = 0.8, 4000, 400
    series = lfilter([1.0], [1.0, -phi], rng.normal(size=(many, count + 200)), axis=1)[:, 200:]
    found = [mean_of_series(one) for one in series]
    spread = np.std([one.mean for one in found], ddof=1)
    stated = np.mean([one.std for one in found])
    exact = 1 / (1 - phi) / np.sqrt(count)
    assert spread == pytest.approx(exact, rel=4 / np.sqrt(2 * many))  # four standard errors
    assert stated == pytest.approx(exact, rel=0.05)
    naive = np.mean([one.std(ddof=1) for one in series]) / np.sqrt(count)
    assert stated / naive == pytest.approx(3.0, rel=0.05)
    assert np.isnan(mean_of_series([1.0]).std)


def test_unknown_stress_is_nan(tmp_path: Path) -> None:
    stress = np.diag([1.0, 2.0, 3.0]) * 1e-3
    stress[~np.eye(3, dtype=bool)] = np.nan
    frame = Frame(_dimer(), energy=0.0, forces=np.zeros((2, 3)), stress=stress)
    for name in ("partial.h5", "partial.extxyz"):
        write(tmp_path / name, frame)
        found = read(tmp_path / name)[0].stress
        assert found is not None
        np.testing.assert_array_equal(found, stress)
