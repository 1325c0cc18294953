"""The audit: a sound potential passes every row, a broken one fails the row that it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase.calculators.emt import EMT

from zifglass.core import InputError, Potential, Prediction, Structure, units
from zifglass.potentials import AseCalculatorPotential
from zifglass.potentials.audit import CheckSettings, against, audit, derivative
from zifglass.potentials.network import Network
from zifglass.potentials.tables import audit_table
from zifglass.potentials.timing import scaling, time_calls


@pytest.fixture(scope="module")
def copper() -> Structure:
    from ase.build import bulk

    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.set_cell(atoms.cell @ (np.eye(3) * 0.99 + np.diag([0.01, 0.005], k=1)), scale_atoms=True)
    atoms.rattle(0.08, seed=3)
    return Structure.from_ase(atoms)


class Changed:
    """EMT with its prediction changed by a function of structure and prediction."""

    name, sha256, species, cutoff = "changed", "0" * 64, (29,), 0.0

    def __init__(self, change: Callable[[Structure, Prediction], Prediction]) -> None:
        self.change, self.inner = change, AseCalculatorPotential(EMT())

    def __call__(self, structure: Structure) -> Prediction:
        return self.change(structure, self.inner(structure))


SHORT = CheckSettings(nve_steps=40, directions=3)


def failures(potential: Potential, structure: Structure) -> set[str]:
    result = audit(potential, structure, rng=np.random.default_rng(1), settings=SHORT)
    return {row.check for row in result.rows if row.verdict == "fail"}


def test_a_sound_potential_passes(copper: Structure) -> None:
    assert failures(AseCalculatorPotential(EMT()), copper) == set()


def ideal_stress(structure: Structure) -> np.ndarray:
    kinetic = len(structure) * units.kB * 300 / structure.volume
    return -kinetic * np.eye(3)


def refuse(structure: Structure, prediction: Prediction) -> Prediction:
    if np.abs(prediction.forces).max() > 2.6521:
        raise InputError("too far from what it knows")
    return prediction


BROKEN: dict[str, tuple[Callable[[Structure, Prediction], Prediction], str]] = {
    "forces 2 % too large": (
        lambda _, p: replace(p, forces=1.02 * p.forces), "forces = −dE/dr"),
    "one component wrong": (
        lambda _, p: replace(p, stress=p.stress + np.diag([1e-3, 0, 0])), "stress = dE/dε / V"),
    "pressure sign": (lambda _, p: replace(p, stress=-p.stress), "stress = dE/dε / V"),
    "kinetic part inside": (
        lambda s, p: replace(p, stress=p.stress + ideal_stress(s)), "stress = dE/dε / V"),
    "a field along x": (
        lambda s, p: replace(p, forces=p.forces + np.array([0.01, 0, 0])), "net force per atom"),
    "prefers an axis": (
        lambda s, p: replace(p, energy=p.energy + 1e-3 * s.cell[0, 0]), "rotation: energy"),
    "knows where the origin is": (
        lambda s, p: replace(p, energy=p.energy + 0.1 * s.wrapped().positions[:, 2].mean()),
        "translation: energy"),
    "first atom is special": (
        lambda s, p: replace(p, energy=p.energy + 0.01 * float(p.forces[0] @ p.forces[0])),
        "permutation: energy"),
    "energy per cell": (lambda _, p: replace(p, energy=p.energy + 1.0), "supercell 1×2×1: energy"),
    "not a number": (
        lambda _, p: replace(p, forces=p.forces * np.nan), "numbers that are not finite"),
    "gives up away from the crystal": (
        refuse, "finite-difference forces"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_potential_fails_where_it_is_broken(what: str, copper: Structure) -> None:
    change, check = BROKEN[what]
    assert check in failures(Changed(change), copper)


def test_friction_shows_as_drift(copper: Structure) -> None:
    calls = iter(range(10**6))
    # Every call a little lower: energy leaks at 0.1 meV/atom per step of 0.25 fs.
    leaking = Changed(lambda s, p: replace(p, energy=p.energy - 1e-4 * len(s) * next(calls)))
    assert "energy drift (NVE)" in failures(leaking, copper)


def test_a_jump_at_the_cutoff_is_found(copper: Structure) -> None:
    class Square:
        """A square well, ε = 10 meV inside 4 Å: its energy jumps."""

        name, sha256, species, cutoff = "square", "1" * 64, (29,), 4.0

        def __call__(self, structure: Structure) -> Prediction:
            from ase.neighborlist import primitive_neighbor_list

            i = primitive_neighbor_list(
                "i", structure.pbc, structure.cell, structure.positions, self.cutoff
            )
            energy = -0.005 * len(i)
            return Prediction(energy, np.zeros((len(structure), 3)), np.zeros((3, 3)))

    assert "cutoff: energy jump" in failures(Square(), copper)


def test_the_pressure_row_tells_total_from_virial(copper: Structure) -> None:
    total = Changed(lambda s, p: replace(p, stress=p.stress + ideal_stress(s)))
    for potential, contains in ((AseCalculatorPotential(EMT()), False), (total, True)):
        result = audit(potential, copper, rng=np.random.default_rng(1), settings=SHORT)
        row = next(row for row in result.rows if row.check == "virial pressure")
        assert ("CONTAINS that kinetic part" in row.note) is contains
        ideal = len(copper) * units.kB * 300 / copper.volume / units.GPa
        assert f"{ideal:+.4f} GPa" in row.note


def test_networks_report_their_agreement(
    random_network: Callable[..., Network], random_structure: Callable[..., Structure]
) -> None:
    pytest.importorskip("torch")
    from zifglass.potentials.reference import ReferencePotential

    network = random_network(np.random.default_rng(4), cutoff=3.5, layers=1, hidden="4x0e+4x1e")
    structure = random_structure(np.random.default_rng(4), atoms=5, density=0.06)
    quick = CheckSettings(nve_steps=10, directions=2)
    measured = {
        "measured": True, "precision": "float64", "structures": 4, "energy": 1e-6, "forces": 1e-5,
        "stress": 1e-4, "relative": 1e-9, "tolerance": 1e-6,
    }  # fmt: skip
    for facts, word in (({}, "info"), ({"agreement": measured}, "pass")):
        potential = ReferencePotential(replace(network, facts=facts))
        result = audit(potential, structure, rng=np.random.default_rng(1), settings=quick)
        rows = {row.check: row for row in result.rows}
        assert rows["agreement with the source"].verdict == word
        assert result.passed, audit_table(result)
        assert json.loads(json.dumps(result.as_dict()))["passed"] is True
    single = ReferencePotential(network, dtype="float32")
    assert all(r.verdict == "pass" for r in against(potential, single, structure))
    other = ReferencePotential(replace(network, scales=network.scales * 1.01))
    assert any(r.verdict == "fail" for r in against(potential, other, structure))


def test_the_derivative_is_of_fourth_order() -> None:
    errors = [abs(derivative(np.sin, h) - 1.0) for h in (0.2, 0.1, 0.05)]
    for larger, smaller in pairwise(errors):
        assert np.log2(larger / smaller) == pytest.approx(4.0, abs=0.1)


def test_timing_counts_the_calls_it_says(copper: Structure) -> None:
    counted: list[int] = []

    def change(structure: Structure, prediction: Prediction) -> Prediction:
        counted.append(len(structure))
        return prediction

    found = time_calls(Changed(change), copper, calls=5, rng=np.random.default_rng(0))
    assert len(counted) == 6
    assert found.atoms == 32
    # 86.4e6 ms in a day: at t ms a call and 0.5 fs a step, 43.2/t ns.
    assert found.ns_per_day(0.5) == pytest.approx(43.2 / found.milliseconds)
    made: list[int | None] = []

    def make(threads: int | None) -> Potential:
        made.append(threads)
        return Changed(change)

    timings = scaling(
        make, copper, threads=[1, 2], repeats=[1, 2], calls=3, rng=np.random.default_rng(0)
    )
    assert made == [1, 2]
    assert [(t.atoms, t.threads) for t in timings] == [(32, 1), (256, 1), (32, 2), (256, 2)]
