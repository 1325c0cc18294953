"""Neighbour lists against a naive sum over images, ASE and vesin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import vesin
from ase.neighborlist import primitive_neighbor_list
from scipy.spatial.transform import Rotation

from zifglass.core import InputError, Structure
from zifglass.core import cell as cells
from zifglass.core.neighbors import Pairs, neighbor_list

CELLS = {
    "cubic": np.diag([6.0, 6.0, 6.0]),
    "flat": np.diag([12.0, 9.0, 2.0]),
    "hexagonal": cells.from_lengths_and_angles([5.0, 5.0, 9.0, 90.0, 90.0, 120.0]),
    "skewed": np.array([[4.0, 0.0, 0.0], [11.0, 5.0, 0.0], [-9.0, 13.0, 6.0]]),
    "needle": cells.from_lengths_and_angles([8.0, 8.0, 8.0, 25.0, 25.0, 25.0]),
    "tiny": np.array([[1.5, 0.1, 0.0], [0.2, 1.4, 0.3], [0.0, -0.4, 1.3]]),
}


def random_structure(
    cell: np.ndarray, *, atoms: int = 7, seed: int = 0, pbc: tuple[bool, bool, bool] = (True,) * 3
) -> Structure:
    """Atoms up to two cells outside their cell, everything turned at random."""
    generator = np.random.default_rng(seed)
    turned = cell @ Rotation.random(rng=generator).as_matrix()
    positions = generator.uniform(-2.0, 3.0, (atoms, 3)) @ turned + generator.normal(size=3)
    return Structure(np.full(atoms, 6), positions, turned, pbc)


def naive(structure: Structure, cutoff: float) -> list[tuple[int, int, tuple[int, ...], float]]:
    """Every image within reach of the faces' distances, one by one."""
    positions, cell = structure.positions, structure.cell
    fractional = positions @ np.linalg.inv(cell)
    spread = np.ptp(fractional, axis=0)
    reach = np.ceil(cutoff / cells.heights(cell) + spread).astype(int) + 1
    reach = np.where(structure.pbc, reach, 0)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    found = []
    for i, j in itertools.product(range(len(positions)), repeat=2):
        distances = np.linalg.norm(positions[j] + shifts @ cell - positions[i], axis=1)
        for k in np.nonzero(distances < cutoff)[0]:
            if i != j or shifts[k].any():
                found.append((i, j, tuple(int(n) for n in shifts[k]), float(distances[k])))
    return sorted(found)


def rows(pairs: Pairs) -> list[tuple[int, int, tuple[int, ...]]]:
    return [
        (int(i), int(j), tuple(int(n) for n in s))
        for i, j, s in zip(pairs.i, pairs.j, pairs.shifts, strict=True)
    ]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("cutoff", [1.0, 3.7, 7.9])
def test_every_image_is_found_once_and_in_order(name: str, cutoff: float) -> None:
    structure = random_structure(CELLS[name], atoms=3 if name == "tiny" else 7)
    pairs = neighbor_list(structure, cutoff)
    expected = naive(structure, cutoff)
    assert rows(pairs) == [row[:3] for row in expected]
    np.testing.assert_allclose(pairs.distances, [row[3] for row in expected], atol=1e-12)
    vectors = (
        structure.positions[pairs.j] + pairs.shifts @ structure.cell - structure.positions[pairs.i]
    )
    np.testing.assert_allclose(pairs.vectors, vectors, atol=1e-12)


@pytest.mark.parametrize("pbc", list(itertools.product([False, True], repeat=3)))
def test_mixed_periodicity(pbc: tuple[bool, bool, bool]) -> None:
    structure = random_structure(CELLS["skewed"], atoms=12, seed=3, pbc=pbc)
    expected = naive(structure, 15.0)
    assert len(expected) > 0
    assert rows(neighbor_list(structure, 15.0)) == [row[:3] for row in expected]


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_vesin_and_ase_on_many_atoms(seed: int) -> None:
    generator = np.random.default_rng(seed)
    cell = np.diag([14.0, 11.0, 9.0]) + np.tril(generator.uniform(-6, 6, (3, 3)), -1)
    structure = random_structure(cell, atoms=150, seed=seed)
    pairs = neighbor_list(structure, 5.3)
    mine = np.column_stack([pairs.i, pairs.j, pairs.shifts])
    i, j, s = vesin.NeighborList(cutoff=5.3, full_list=True).compute(
        points=structure.positions, box=structure.cell, periodic=True, quantities="ijS"
    )
    assert sorted(map(tuple, mine)) == sorted(map(tuple, np.column_stack([i, j, s]).astype(int)))
    i, j, s = primitive_neighbor_list(
        "ijS", [True] * 3, structure.cell, structure.positions, 5.3, self_interaction=False
    )
    assert sorted(map(tuple, mine)) == sorted(map(tuple, np.column_stack([i, j, s])))


@pytest.mark.parametrize("seed", range(3))
def test_distances_do_not_depend_on_the_description(seed: int) -> None:
    """Rotation, translation, wrapping and another basis of the same lattice change nothing."""
    structure = random_structure(CELLS["hexagonal"], atoms=20, seed=seed)
    generator = np.random.default_rng(seed)
    rotation = Rotation.random(rng=generator).as_matrix()
    basis = np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]])
    moved = Structure(
        structure.numbers,
        (structure.positions + generator.normal(size=3) * 9) @ rotation,
        basis @ structure.cell @ rotation,
    )
    expected = neighbor_list(structure, 8.0)
    for other in (moved, moved.wrapped(), structure.wrapped()):
        pairs = neighbor_list(other, 8.0)
        assert len(pairs) == len(expected)
        for i in range(20):
            np.testing.assert_allclose(
                np.sort(pairs.distances[pairs.i == i]),
                np.sort(expected.distances[expected.i == i]),
                atol=1e-11,
            )


def test_simple_cubic_shells() -> None:
    # One atom per cell of 1 Å: 6 + 12 + 8 + 6 neighbours at 1, √2, √3, 2.
    pairs = neighbor_list(Structure([6], [[0.3, 0.2, 0.9]], np.eye(3)), 2.0 + 1e-9)
    distances, counts = np.unique(pairs.distances.round(9), return_counts=True)
    np.testing.assert_allclose(distances, np.sqrt([1, 2, 3, 4]), atol=1e-9)
    np.testing.assert_array_equal(counts, [6, 12, 8, 6])


def test_the_cutoff_itself_is_outside() -> None:
    structure = Structure([6, 6], [[0, 0, 0], [2.0, 0, 0]], np.eye(3) * 10)
    assert len(neighbor_list(structure, 2.0)) == 0
    assert len(neighbor_list(structure, np.nextafter(2.0, 3.0))) == 2


def test_no_atoms_and_one_atom() -> None:
    assert len(neighbor_list(Structure(np.zeros(0), np.zeros((0, 3)), np.eye(3)), 2.0)) == 0
    alone = Structure([6], [[5.0, 5.0, 5.0]], np.eye(3), pbc=False)
    assert len(neighbor_list(alone, 20.0)) == 0


def test_far_away_clusters_in_an_open_direction_cost_no_memory() -> None:
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [1e9, 0, 0]])
    pairs = neighbor_list(Structure([6] * 3, positions, np.eye(3), pbc=False), 1.5)
    assert rows(pairs) == [(0, 1, (0, 0, 0)), (1, 0, (0, 0, 0))]


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan, np.inf])
def test_bad_cutoffs_are_refused(cutoff: float) -> None:
    with pytest.raises(InputError, match="positive"):
        neighbor_list(Structure([6], np.zeros((1, 3)), np.eye(3)), cutoff)
