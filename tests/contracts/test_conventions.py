"""One test per line of docs/conventions.md, of the same name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import Prediction, Structure, units
from zifglass.core.structure import number_of

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
