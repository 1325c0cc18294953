"""Linkers: counted, broken on purpose, and unmoved by how the structure is described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from zifglass.analysis.linker_graphs import (
    LinkerGraph,
    benzimidazolate,
    bond_limit,
    expected_linkers,
    imidazolate,
    known_linkers,
    methylimidazolate,
)
from zifglass.analysis.linkers import broken_linkers, linkers
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core.neighbors import neighbor_list


@pytest.fixture(scope="module")
def crystal(published: Path) -> Structure:
    return Structure.from_ase(read(published / "mlp" / "crystal.lmp", format="lammps-data"))


def polygon(side: float, sides: int = 5) -> np.ndarray:
    """Corners (sides, 3) of a regular polygon in the xy plane."""
    angles = 2 * np.pi * np.arange(sides) / sides
    radius = side / (2 * np.sin(np.pi / sides))
    return radius * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])


def imidazolate_atoms() -> Atoms:
    """C2 N1 C5 C4 N3 and three H pointing outwards."""
    ring = polygon(1.36)
    outward = ring / np.linalg.norm(ring, axis=1)[:, None]
    carbons = [0, 2, 3]
    return Atoms("CNCCN" + "H3", np.vstack([ring, (ring + 1.08 * outward)[carbons]]))


def methylimidazolate_atoms() -> Atoms:
    ring = imidazolate_atoms()
    ring = ring[[0, 1, 2, 3, 4, 6, 7]]
    out = ring.positions[0] / np.linalg.norm(ring.positions[0])
    carbon = ring.positions[0] + 1.49 * out
    side = np.array([[0, 0, 1], [0, 0.87, -0.5], [0, -0.87, -0.5]])
    hydrogens = carbon + 1.09 * (0.33 * out + 0.94 * side)
    return ring + Atoms("CH3", np.vstack([carbon, hydrogens]))


def benzimidazolate_atoms() -> Atoms:
    five = polygon(1.38)
    six = polygon(1.38, 6)
    # The bond C4–C5 (2, 3) of the five-ring is the bond (0, 1) of the six-ring, turned outwards.
    along = (five[3] - five[2]) / 1.38
    out = (five[2] + five[3]) / np.linalg.norm(five[2] + five[3])
    local = six - (six[0] + six[1]) / 2
    inward = -(six[0] + six[1]) / np.linalg.norm(six[0] + six[1])
    edge = (six[1] - six[0]) / 1.38
    placed = (five[2] + five[3]) / 2 + np.outer(local @ edge, along) + np.outer(local @ inward, out)
    hydrogens = []
    for p, centre in [(five[0], five.mean(0)), *((placed[k], placed.mean(0)) for k in range(2, 6))]:
        hydrogens.append(p + 1.08 * (p - centre) / np.linalg.norm(p - centre))
    return Atoms("CNCCN" + "C4" + "H5", np.vstack([five, placed[2:], hydrogens]))


def packed(*molecules: Atoms, metals: int = 1, rng: np.random.Generator) -> Structure:
    """The molecules, turned at random, on a row in a box that cuts through them, metals apart."""
    side, step = 12.0, 11.0
    positions, numbers = [], []
    for place, molecule in enumerate(molecules):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        positions.append((molecule.positions @ turn) + [place * step, 0, 0])
        numbers += molecule.numbers.tolist()
    positions += [np.array([[place * step, side / 2, side / 2]]) for place in range(metals)]
    cell = np.array([[step * len(molecules), 0, 0], [3.0, side, 0], [0, 2.0, side]])
    return Structure(numbers + [30] * metals, np.vstack(positions), cell)


def test_bond_limits_are_the_definition() -> None:
    assert bond_limit(6, 7) == pytest.approx(1.728, abs=1e-12)
    assert bond_limit(6, 6) == pytest.approx(1.752, abs=1e-12)


def test_molecules_give_their_graphs() -> None:
    for atoms, graph in [
        (imidazolate_atoms(), imidazolate),
        (methylimidazolate_atoms(), methylimidazolate),
        (benzimidazolate_atoms(), benzimidazolate),
    ]:
        mine = LinkerGraph.from_molecule("mine", atoms)
        assert mine.formula == graph.formula
        assert len(mine.bonds) == len(graph.bonds)
        structure = packed(atoms, atoms, rng=np.random.default_rng(3))
        assert linkers(structure, graphs=[mine]).broken_fraction == 0
        assert linkers(structure).counts() == {graph.name: 2}


def test_a_mixture_is_told_apart() -> None:
    im, mim, bim = imidazolate_atoms(), methylimidazolate_atoms(), benzimidazolate_atoms()
    structure = packed(bim, im, mim, im, rng=np.random.default_rng(5))
    found = linkers(structure)
    assert found.expected == {"imidazolate": 2, "2-methylimidazolate": 1, "benzimidazolate": 1}
    assert found.counts() == found.expected
    assert (found.hydrogens == found.hydrogens_expected).all()
    assert not len(found.broken_atoms)


def test_broken_benzimidazolate_is_no_imidazolate() -> None:
    """Its five-ring is whole, but imidazolates are not wanting."""
    im, bim = imidazolate_atoms(), benzimidazolate_atoms()
    bim.positions[6] += [0, 0, 2.5]
    found = linkers(packed(bim, im, rng=np.random.default_rng(1)))
    assert found.counts() == {"imidazolate": 1, "benzimidazolate": 0}
    assert found.atoms[0].min() >= len(bim)
    assert found.broken_fraction == 0.5


def test_crystal_and_glasses_are_whole(crystal: Structure, published: Path) -> None:
    paths = sorted((published / "glasses").glob("*.cif"))
    for structure in [crystal, *(Structure.from_ase(read(path)) for path in paths)]:
        found = linkers(structure)
        assert found.counts() == {"imidazolate": 32}
        assert found.broken_fraction == 0
        assert (found.hydrogens == 3).all()
        assert ((found.owner >= 0) == (structure.numbers != 30)).all()


def test_one_carbon_moved_is_one_linker_of_256(crystal: Structure) -> None:
    large = crystal.repeat((2, 2, 2))
    whole = linkers(large)
    for linker, place in [(0, 0), (17, 2), (255, 3)]:
        carbon = whole.atoms[linker][place]
        members = np.nonzero(whole.owner == linker)[0]
        for direction in np.vstack([np.eye(3), -np.eye(3)]):
            moved = large.positions.copy()
            moved[carbon] += 3.0 * direction
            found = linkers(large.with_positions(moved))
            assert found.broken_fraction == 1 / 256
            heavy = found.broken_atoms[large.numbers[found.broken_atoms] != 1]
            assert set(heavy) <= set(members)  # a neighbour may lend it a hydrogen
            assert carbon in found.broken_atoms


def test_no_frame_is_dropped(crystal: Structure) -> None:
    carbon = linkers(crystal).atoms[4][0]
    positions = np.repeat(crystal.positions[None], 5, axis=0)
    positions[2:4, carbon, 0] += 3.0
    trajectory = ArrayTrajectory.from_arrays(
        crystal.numbers, positions, crystal.cell, times=10.0 * np.arange(5)
    )
    result = broken_linkers(trajectory)
    assert result.fraction.tolist() == [0, 0, 1 / 32, 1 / 32, 0]
    assert result.mean == pytest.approx(2 / 160, abs=1e-15)
    assert result.mean_std > 0
    assert [len(atoms) > 0 for atoms in result.atoms] == [False, False, True, True, False]


def test_descriptions_of_one_structure_agree(crystal: Structure) -> None:
    rng = np.random.default_rng(0)
    carbon = linkers(crystal).atoms[9][0]
    positions = crystal.positions.copy()
    positions[carbon] += [0.0, 3.0, 0.0]
    broken = crystal.with_positions(positions)
    reference = linkers(broken)
    for _ in range(5):
        images = rng.integers(-2, 3, size=(len(broken), 3)) @ broken.cell
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        order = rng.permutation(len(broken))
        cell = np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ broken.cell @ turn
        other = Structure(broken.numbers[order], ((broken.positions + images) @ turn)[order], cell)
        found = linkers(other)
        assert set(order[found.broken_atoms]) == set(reference.broken_atoms)
        for atoms, shifts in zip(found.atoms, found.shifts, strict=True):
            whole = other.positions[atoms] + shifts @ other.cell
            assert np.linalg.norm(whole - whole[0], axis=1).max() < 2.6


def test_a_shared_pair_list_changes_nothing(crystal: Structure) -> None:
    found = linkers(crystal, pairs=neighbor_list(crystal, 6.0))
    again = linkers(crystal)
    assert (found.owner == again.owner).all()


def test_lost_hydrogen_is_counted_not_broken(crystal: Structure) -> None:
    hydrogen = int(np.nonzero(crystal.numbers == 1)[0][0])
    moved = crystal.positions.copy()
    host = linkers(crystal).owner[hydrogen]
    near = neighbor_list(crystal, 3.0)
    carbon = near.j[near.i == hydrogen][np.argmin(near.distances[near.i == hydrogen])]
    moved[hydrogen] += 0.6 * (moved[hydrogen] - moved[carbon]) / 1.08  # 1.7 Å away
    found = linkers(crystal.with_positions(moved))
    assert found.broken == 0
    assert found.hydrogens[host] in (2, 3)
    assert found.hydrogens.sum() + sum(len(f) for f in found.fragments) == 96


def test_composition_decides_what_is_expected() -> None:
    zif8 = np.array([30] * 6 + [7] * 24 + [6] * 48 + [1] * 60)
    assert expected_linkers(zif8, known_linkers) == {"2-methylimidazolate": 12}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([30, 8, 8], "no linker can be here"),
        ([30] * 1 + [6] * 6 + [7] * 4 + [1] * 7, "no whole number of the linkers"),
    ],
)
def test_compositions_without_an_answer(numbers: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expected_linkers(np.array(numbers), known_linkers)


def test_bad_requests(crystal: Structure) -> None:
    with pytest.raises(InputError, match="no linker is called 'im'"):
        linkers(crystal, expected={"im": 32})
    with pytest.raises(InputError, match="every count is 0"):
        linkers(crystal, expected={"imidazolate": 0})
    with pytest.raises(InputError, match="does not say how many"):
        linkers(crystal, graphs=[imidazolate, LinkerGraph("twin", *_parts(imidazolate))])
    with pytest.raises(InputError, match="is in pieces"):
        LinkerGraph("two", (6, 7), (), (0, 0))
    with pytest.raises(InputError, match="must join two different"):
        LinkerGraph("loop", (6, 7), ((0, 0),), (0, 0))


def _parts(graph: LinkerGraph) -> tuple:
    return graph.numbers, graph.bonds, graph.hydrogens
