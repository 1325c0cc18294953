"""The compiled engine on random networks of every kind: against the reference, against finite
differences, against itself. No published data needed; `.ci/sanitize` runs this file too."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zifglass import _native
from zifglass.core import InputError, Prediction, Structure
from zifglass.potentials.engine import EnginePotential, instruction_sets
from zifglass.potentials.network import Network, wigner_3j

SHAPES = {
    "scalars": {"hidden": "6x0e", "edges": "0e"},
    "so3": {"hidden": "18x0e+17x1e+3x2e", "edges": "0e+1e+2e"},
    "parity": {"hidden": "5x0e+4x0o+3x1e+7x1o+2x2e", "edges": "0e+1o+2e"},
    "l3": {"hidden": "4x0e+3x1o+2x2e+5x3o", "edges": "0e+1o+2e+3o"},
    "residual": {"hidden": "6x0e+33x1o", "edges": "0e+1o", "layers": 3, "residual": True},
    "one layer": {"hidden": "16x0e+2x1e", "edges": "0e+1e", "layers": 1},
}


MakeEngine = Callable[..., EnginePotential]
MakeNetwork = Callable[..., Network]
MakeStructure = Callable[..., Structure]


def reference(network: Network, structure: Structure) -> Prediction:
    if "ZIFGLASS_SANITIZED" in os.environ:
        pytest.skip("torch is not run under the sanitizers")
    pytest.importorskip("torch", reason="the reference evaluator needs torch")
    from zifglass.potentials.reference import ReferencePotential

    return ReferencePotential(network)(structure)


def assert_close(
    got: Prediction, wanted: Prediction, *, mean: float, most: float, energy: float, stress: float
) -> None:
    """Bounds: forces eV/Å (mean and largest absolute error), energy eV/atom, stress eV/Å³."""
    error = np.abs(got.forces - wanted.forces)
    assert error.mean() <= mean
    assert error.max() <= most
    assert abs(got.energy - wanted.energy) <= energy * len(error)
    assert np.abs(got.stress - wanted.stress).max() <= stress


def assert_identical(a: Prediction, b: Prediction) -> None:
    assert a.energy == b.energy
    for name in ("forces", "stress", "energies"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("isa", instruction_sets())
def test_every_kind_of_network_agrees_with_the_reference(
    shape: str,
    isa: str,
    engine_on: MakeEngine,
    random_network: MakeNetwork,
    random_structure: MakeStructure,
) -> None:
    network = random_network(np.random.default_rng(3), cutoff=3.5, **SHAPES[shape])
    structure = random_structure(np.random.default_rng(4), atoms=19, density=0.06)
    wanted = reference(network, structure)
    # float64: what is left is the splines' error. Forces here are of order 10 eV/Å.
    exact = engine_on(network, isa, dtype="float64")(structure)
    assert_close(exact, wanted, mean=1e-6, most=1e-5, energy=1e-7, stress=1e-7)
    np.testing.assert_allclose(exact.energies, wanted.energies, atol=1e-6)
    # float32: rounding, 6e-8 relative, over sums of a few thousand terms.
    scale = 1 + np.abs(wanted.forces).max()
    single = engine_on(network, isa)(structure)
    assert_close(single, wanted, mean=1e-5 * scale, most=1e-4 * scale, energy=1e-4, stress=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_instruction_sets_and_precisions_agree(
    shape: str,
    engine_on: MakeEngine,
    random_network: MakeNetwork,
    random_structure: MakeStructure,
) -> None:
    network = random_network(np.random.default_rng(23), cutoff=3.5, **SHAPES[shape])
    structure = random_structure(np.random.default_rng(24), atoms=21, density=0.06)
    wanted = engine_on(network, "baseline", dtype="float64")(structure)
    scale = 1 + np.abs(wanted.forces).max()
    for isa in instruction_sets():
        exact = engine_on(network, isa, dtype="float64")(structure)
        # Sums in another order: 1e-16 relative, a few hundred terms.
        assert_close(exact, wanted, mean=1e-11, most=1e-10, energy=1e-11, stress=1e-11)
        single = engine_on(network, isa)(structure)
        assert_close(single, wanted, mean=1e-5 * scale, most=1e-4 * scale, energy=1e-4, stress=1e-4)


# ---------------------------------------------------------------- derivatives, invariances


def test_forces_and_stress_are_the_derivatives_of_the_energy(
    random_network: MakeNetwork, random_structure: MakeStructure
) -> None:
    # Central differences of the splined energy itself: error of order step², 1e-8.
    network = random_network(np.random.default_rng(8), cutoff=3.5, **SHAPES["l3"])
    structure = random_structure(np.random.default_rng(9), atoms=8, density=0.06)
    potential = EnginePotential(network, threads=1, dtype="float64")
    prediction, step = potential(structure), 1e-4
    for atom, axis in [(0, 0), (3, 1), (7, 2)]:
        moved = []
        for sign in (1, -1):
            positions = structure.positions.copy()
            positions[atom, axis] += sign * step
            moved.append(potential(structure.with_positions(positions)).energy)
        numeric = -(moved[0] - moved[1]) / (2 * step)
        assert prediction.forces[atom, axis] == pytest.approx(numeric, abs=2e-5)
    for a, b in [(0, 0), (1, 2), (0, 2)]:
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += 0.5 * sign * step
            strain[b, a] += 0.5 * sign * step
            energies.append(
                potential(structure.scaled_to(structure.cell @ (np.eye(3) + strain))).energy
            )
        numeric = (energies[0] - energies[1]) / (2 * step) / structure.volume
        assert prediction.stress[a, b] == pytest.approx(numeric, abs=1e-6)
    np.testing.assert_allclose(prediction.forces.sum(axis=0), 0, atol=1e-9)


def test_cells_smaller_than_the_cutoff_and_without_periodicity(
    random_network: MakeNetwork, random_structure: MakeStructure
) -> None:
    network = random_network(np.random.default_rng(3), cutoff=5.5, **SHAPES["so3"])
    small = random_structure(np.random.default_rng(6), atoms=4, density=0.06)
    assert small.volume ** (1 / 3) < network.cutoff
    for pbc in [(True, True, True), (False, False, False), (True, False, True)]:
        structure = Structure(small.numbers, small.positions, small.cell, np.array(pbc))
        wanted = reference(network, structure)
        got = EnginePotential(network, threads=1, dtype="float64")(structure)
        assert_close(got, wanted, mean=1e-6, most=1e-5, energy=1e-7, stress=1e-6)


def test_a_supercell_has_the_same_forces_and_stress(
    random_network: MakeNetwork, random_structure: MakeStructure
) -> None:
    network = random_network(np.random.default_rng(3), cutoff=3.5, **SHAPES["parity"])
    one = random_structure(np.random.default_rng(6), atoms=7, density=0.06)
    potential = EnginePotential(network, threads=1, dtype="float64")
    single, many = potential(one), potential(one.repeat((2, 3, 2)))
    assert many.energy == pytest.approx(12 * single.energy, rel=1e-12)
    np.testing.assert_allclose(many.forces, np.tile(single.forces, (12, 1)), atol=1e-9)
    np.testing.assert_allclose(many.stress, single.stress, atol=1e-11)


def test_the_list_is_exact_however_atoms_and_cell_move(
    random_network: MakeNetwork, random_structure: MakeStructure
) -> None:
    network = random_network(np.random.default_rng(3), cutoff=3.0, **SHAPES["scalars"])
    structure = random_structure(np.random.default_rng(6), atoms=30, density=0.05)
    rng = np.random.default_rng(14)
    aged = EnginePotential(network, threads=1)
    for step in range(40):
        moved = structure.positions + 0.03 * rng.normal(size=structure.positions.shape)
        structure = structure.with_positions(moved)
        if step % 5 == 0:
            structure = structure.scaled_to(
                structure.cell @ (np.eye(3) + 0.01 * rng.uniform(-1, 1, (3, 3)))
            )
        try:
            got = aged(structure)
        except InputError as error:
            assert "apart" in str(error)
            break
        assert_identical(got, EnginePotential(network, threads=1)(structure))
    assert 1 < aged.times()["list_builds"] < aged.times()["calls"]


def test_calls_from_several_python_threads_do_not_disturb_each_other(
    random_network: MakeNetwork, random_structure: MakeStructure
) -> None:
    networks = [
        random_network(np.random.default_rng(seed), cutoff=3.0, **SHAPES["so3"]) for seed in (1, 2)
    ]
    structures = [
        random_structure(np.random.default_rng(seed), atoms=20 + 9 * seed, density=0.05)
        for seed in range(3)
    ]
    shared = [EnginePotential(network, threads=1) for network in networks]
    wanted = [
        [EnginePotential(network, threads=1)(structure) for structure in structures]
        for network in networks
    ]
    jobs = [(i, k) for _ in range(10) for i in range(2) for k in range(3)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: shared[job[0]](structures[job[1]]), jobs))
    for (i, k), prediction in zip(jobs, found, strict=True):
        assert_identical(prediction, wanted[i][k])


def test_compiled_wigner_tensors_are_those_of_the_network() -> None:
    for l1 in range(4):
        for l2 in range(4):
            for l3 in range(abs(l1 - l2), min(3, l1 + l2) + 1):
                compiled = np.reshape(
                    _native.engine_wigner_3j(l1, l2, l3), (2 * l1 + 1, 2 * l2 + 1, -1)
                )
                np.testing.assert_allclose(compiled, wigner_3j(l1, l2, l3), atol=1e-14)
