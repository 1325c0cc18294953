"""What every Potential must satisfy, checked here directly and not through the audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from zifglass.core import Potential, Structure
from zifglass.potentials.engine import EnginePotential
from zifglass.potentials.importers import read_torchscript

MODELS = Path(__file__).parents[1] / "potentials" / "models"


def emt() -> Potential:
    from ase.calculators.emt import EMT

    from zifglass.potentials import AseCalculatorPotential

    return AseCalculatorPotential(EMT(), species=["Cu", "Au"])


def reference() -> Potential:
    pytest.importorskip("torch", reason="the reference evaluator needs torch")
    from zifglass.potentials.reference import ReferencePotential

    return ReferencePotential(read_torchscript(MODELS / "full_irreps.pth"))


def engine(dtype: Literal["float32", "float64"]) -> Callable[[], Potential]:
    def make() -> Potential:
        network = read_torchscript(MODELS / "full_irreps.pth")
        return EnginePotential(network, threads=1, dtype=dtype)

    return make


# Energy errors of each: (energy eV/atom, forces eV/Å, finite-difference step Å).
MEMBERS: dict[str, tuple[Callable[[], Potential], float]] = {
    "ase": (emt, 1e-9),
    "reference": (reference, 1e-9),
    "engine, float64": (engine("float64"), 1e-6),
    "engine, float32": (engine("float32"), 1e-4),
}


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest) -> tuple[Potential, float]:
    make, error = MEMBERS[request.param]
    return make(), error


@pytest.fixture(scope="module")
def structure(member: tuple[Potential, float]) -> Structure:
    """Ten atoms of the potential's species in a skewed cell, none closer than 1.6 Å."""
    rng = np.random.default_rng(12)
    metal = 29 in member[0].species
    kinds = (29, 79) if metal else member[0].species
    length = 5.4
    cell = length * (np.eye(3) + 0.1 * rng.uniform(-1, 1, (3, 3)))
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3) / 2
    positions = (grid + rng.normal(0, 0.03, grid.shape)) @ cell
    return Structure(np.resize(kinds, 8), positions, cell)


def test_it_says_what_it_is(member: tuple[Potential, float]) -> None:
    potential, _ = member
    assert isinstance(potential, Potential)
    assert potential.name
    assert len(potential.sha256) == 64
    assert potential.cutoff >= 0
    assert all(1 <= z <= 118 for z in potential.species)


def test_forces_are_minus_the_gradient(
    member: tuple[Potential, float], structure: Structure
) -> None:
    potential, error = member
    # Energy noise δ and step h give δ/h; the fourth-order formula leaves h⁴ f⁽⁵⁾/30.
    h = 0.01 if error < 1e-5 else 0.03
    forces = potential(structure).forces
    for atom in (0, 5):
        for axis in range(3):
            energies = []
            for k in (1, -1, 2, -2):
                positions = structure.positions.copy()
                positions[atom, axis] += k * h
                energies.append(potential(structure.with_positions(positions)).energy)
            slope = (8 * (energies[0] - energies[1]) - (energies[2] - energies[3])) / (12 * h)
            assert forces[atom, axis] == pytest.approx(-slope, abs=20 * error / h + 2e-5)


def test_stress_is_the_strain_derivative(
    member: tuple[Potential, float], structure: Structure
) -> None:
    potential, error = member
    h = 2e-3 if error < 1e-5 else 6e-3
    stress = potential(structure).stress
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        mode = np.zeros((3, 3))
        mode[a, b] += 0.5
        mode[b, a] += 0.5
        energies = [
            potential(structure.scaled_to(structure.cell @ (np.eye(3) + k * h * mode))).energy
            for k in (1, -1, 2, -2)
        ]
        slope = (8 * (energies[0] - energies[1]) - (energies[2] - energies[3])) / (12 * h)
        bound = (20 * error / h + 1e-4) / structure.volume
        assert stress[a, b] == pytest.approx(slope / structure.volume, abs=bound)
    np.testing.assert_allclose(stress, stress.T, atol=1e-12)


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def test_rotation_translation_and_order_do_not_matter(
    member: tuple[Potential, float], structure: Structure
) -> None:
    potential, error = member
    rng = np.random.default_rng(3)
    base = potential(structure)
    bound = 10 * error

    turn = rotation(rng)
    turned = potential(
        Structure(structure.numbers, structure.positions @ turn, structure.cell @ turn)
    )
    assert turned.energy == pytest.approx(base.energy, abs=bound)
    np.testing.assert_allclose(turned.forces, base.forces @ turn, atol=bound)
    np.testing.assert_allclose(turned.stress, turn.T @ base.stress @ turn, atol=bound)

    shift = rng.uniform(-2, 2, 3) @ structure.cell
    moved = potential(structure.with_positions(structure.positions + shift).wrapped())
    assert moved.energy == pytest.approx(base.energy, abs=bound)
    np.testing.assert_allclose(moved.forces, base.forces, atol=bound)

    order = rng.permutation(len(structure))
    shuffled = potential(
        Structure(structure.numbers[order], structure.positions[order], structure.cell)
    )
    assert shuffled.energy == pytest.approx(base.energy, abs=bound)
    np.testing.assert_allclose(shuffled.forces, base.forces[order], atol=bound)
    np.testing.assert_allclose(shuffled.stress, base.stress, atol=bound)


def test_energy_is_extensive(member: tuple[Potential, float], structure: Structure) -> None:
    potential, error = member
    base, large = potential(structure), potential(structure.repeat([1, 2, 3]))
    assert large.energy == pytest.approx(6 * base.energy, abs=60 * error)
    np.testing.assert_allclose(large.forces, np.tile(base.forces, (6, 1)), atol=10 * error)
    np.testing.assert_allclose(large.stress, base.stress, atol=10 * error)


def test_the_input_is_left_alone_and_outputs_belong_to_the_caller(
    member: tuple[Potential, float], structure: Structure
) -> None:
    potential, _ = member
    before = [structure.positions.copy(), structure.cell.copy(), structure.numbers.copy()]
    first = potential(structure)
    kept = first.forces.copy()
    for array, copy in zip(
        (structure.positions, structure.cell, structure.numbers), before, strict=True
    ):
        np.testing.assert_array_equal(array, copy)
    moved = structure.with_positions(structure.positions * 1.01)
    potential(moved)
    np.testing.assert_array_equal(first.forces, kept)
    np.testing.assert_array_equal(potential(structure).forces, kept)
    if first.energies is not None:
        assert first.energies.sum() == pytest.approx(first.energy, rel=1e-6)
