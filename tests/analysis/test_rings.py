"""Rings: known nets, invariances, and a naive counter on random periodic graphs."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from ase.io import read

from zifglass.analysis.linkers import linkers
from zifglass.analysis.rings import (
    RingSettings,
    frame_rings,
    king_rings,
    primitive_rings,
    rings,
)
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core.neighbors import neighbor_list

# One vertex per class, edges (i, j, offset): the diamond net in its primitive cell.
diamond = [(0, 1, 0, 0, 0), (0, 1, -1, 0, 0), (0, 1, 0, -1, 0), (0, 1, 0, 0, -1)]


def sodalite() -> tuple[int, np.ndarray]:
    """The 12 vertices of the conventional sodalite cell, Im-3m 12d (1/4, 1/2, 0)."""
    places = [(0.25, 0.5, 0), (0.75, 0.5, 0), (0.5, 0.25, 0), (0.5, 0.75, 0)]
    turned = [tuple(np.roll(p, n)) for p in places for n in range(3)]
    net = neighbor_list(Structure([14] * 12, np.array(turned) * 10.0, np.eye(3) * 10.0), 3.6)
    table = np.column_stack([net.i, net.j, net.shifts])
    return 12, table[[tuple(row) < (row[1], row[0], *-row[2:]) for row in table]]


@pytest.fixture(scope="module")
def crystal(published: Path) -> Structure:
    return Structure.from_ase(read(published / "mlp" / "crystal.lmp", format="lammps-data"))


def test_sodalite_and_diamond() -> None:
    vertices, edges = sodalite()
    count = primitive_rings(vertices, edges, settings=RingSettings(max_nodes=14))
    assert count.as_dict() == {4: 6, 6: 8, 12: 32}
    assert count.complete
    # Every vertex of sodalite is like every other: 4·6/12, 6·8/12, 12·32/12 rings through each.
    assert (count.through[[1, 3, 9]] == [[2], [4], [32]]).all()
    count = primitive_rings(2, diamond, settings=RingSettings(max_nodes=12))
    assert count.as_dict() == {6: 4}  # 2 per vertex


def test_kings_rings_of_sodalite_and_diamond() -> None:
    # In both nets each pair of neighbours is closed by its smallest ring: faces of the tiling.
    vertices, edges = sodalite()
    assert king_rings(vertices, edges).as_dict() == {4: 6, 6: 8}
    assert king_rings(2, diamond).as_dict() == {6: 4}


def test_chain_and_square_lattice() -> None:
    assert primitive_rings(1, [(0, 0, 1, 0, 0)]).as_dict() == {}  # an infinite chain has no ring
    square = [(0, 0, 1, 0, 0), (0, 0, 0, 1, 0)]
    assert primitive_rings(1, square, settings=RingSettings(max_nodes=10)).as_dict() == {4: 1}
    honeycomb = [(0, 1, 0, 0, 0), (0, 1, -1, 0, 0), (0, 1, 0, -1, 0)]
    assert primitive_rings(2, honeycomb, settings=RingSettings(max_nodes=12)).as_dict() == {6: 1}


@pytest.mark.parametrize("size", range(3, 20))
def test_a_lone_polygon_is_one_ring(size: int) -> None:
    edges = [(i, (i + 1) % size, 0, 0, 0) for i in range(size)]
    assert primitive_rings(size, edges).as_dict() == {size: 1}
    assert king_rings(size, edges).as_dict() == {size: 1}


def naive_primitive_rings(vertices: int, edges: np.ndarray, largest: int) -> dict[int, int]:
    """Every simple cycle of a patch of the infinite graph that has no shortcut, per cell."""
    reach = largest // 2 + 1  # a ring through the central cell and its shortcuts stay inside
    grid = range(-reach * 2, reach * 2 + 1)
    patch: nx.Graph[tuple[int, int, int]] = nx.Graph()
    for x in grid:
        for y in grid:
            patch.add_edges_from(
                ((i, x, y), (j, x + dx, y + dy)) for i, j, dx, dy, _ in edges.tolist()
            )
    counts: dict[int, float] = {}
    home = [(v, 0, 0) for v in range(vertices) if (v, 0, 0) in patch]
    near = nx.Graph(
        patch.subgraph(
            set().union(
                *(nx.single_source_shortest_path_length(patch, v, largest // 2) for v in home)
            )
            if home
            else set()
        )
    )
    distance = dict(nx.all_pairs_shortest_path_length(near, cutoff=largest // 2))
    for cycle in nx.simple_cycles(near, length_bound=largest):
        if len(cycle) < 3:
            continue
        inside = sum(x == 0 and y == 0 for _, x, y in cycle)
        if inside and _has_no_shortcut(cycle, distance, patch):
            counts[len(cycle)] = counts.get(len(cycle), 0) + inside / len(cycle)
    return {size: round(count) for size, count in sorted(counts.items())}


def _has_no_shortcut(cycle: list, distance: dict, patch: nx.Graph) -> bool:
    size = len(cycle)
    for a in range(size):
        for b in range(a + 1, size):
            along = min(b - a, size - b + a)
            if distance[cycle[a]].get(cycle[b], size) < along:
                return False
            if nx.shortest_path_length(patch, cycle[a], cycle[b]) < along:
                return False
    return True


@pytest.mark.parametrize("seed", range(12))
def test_random_periodic_graphs_against_a_naive_counter(seed: int) -> None:
    """Two-dimensional nets (offsets in x and y) of 3 to 5 vertices, any connectivity."""
    rng = np.random.default_rng(seed)
    vertices = int(rng.integers(3, 6))
    edges = np.zeros((2 * vertices + 1, 5), dtype=int)
    edges[:, :2] = rng.integers(0, vertices, size=(len(edges), 2))
    edges[:, 2:4] = rng.integers(-1, 2, size=(len(edges), 2))
    edges = edges[(edges[:, 0] != edges[:, 1]) | edges[:, 2:].any(axis=1)]
    largest = 7
    count = primitive_rings(vertices, edges, settings=RingSettings(max_nodes=largest))
    expected = naive_primitive_rings(vertices, edges, largest)
    assert expected, "a graph without rings tests nothing"
    assert count.as_dict() == expected


def _redescribed(structure: Structure, rng: np.random.Generator) -> Structure:
    """Another cell of the same lattice, turned, the atoms shuffled and in any image."""
    skew = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    images = rng.integers(-3, 4, size=(len(structure), 3)) @ structure.cell
    order = rng.permutation(len(structure))
    return Structure(
        structure.numbers[order],
        ((structure.positions + images + rng.normal(size=3)) @ turn)[order],
        skew @ structure.cell @ turn,
    )


def test_zif4_crystal_from_any_description(crystal: Structure) -> None:
    found = frame_rings(crystal)
    assert found.rings.as_dict() == {8: 4, 12: 16, 16: 32}  # 4, 6, 8 Zn
    assert (found.metals, found.broken, found.dangling) == (16, 0, 0)
    for seed in range(4):
        other = _redescribed(crystal, np.random.default_rng(seed))
        assert frame_rings(other).rings.as_dict() == {8: 4, 12: 16, 16: 32}
    eight = frame_rings(crystal.repeat((2, 2, 2)))
    assert eight.rings.as_dict() == {8: 32, 12: 128, 16: 256}


def test_glasses_from_one_cell_and_from_two(published: Path) -> None:
    for path in sorted((published / "glasses").glob("*.cif")):
        glass = Structure.from_ase(read(path))
        one = frame_rings(glass)
        assert one.broken == 0
        two = frame_rings(glass.repeat((2, 1, 1)))
        assert two.rings.as_dict() == {s: 2 * n for s, n in one.rings.as_dict().items()}
        assert all(size % 2 == 0 for size in one.rings.as_dict())


def test_statistics_keep_frames_with_broken_linkers(crystal: Structure) -> None:
    carbon = linkers(crystal).atoms[0][0]
    moved = crystal.positions.copy()
    moved[carbon] += [3.0, 0.0, 0.0]
    trajectory = ArrayTrajectory.from_arrays(
        crystal.numbers, np.array([crystal.positions, moved]), crystal.cell, times=np.array([0, 5])
    )
    result = rings(trajectory, settings=RingSettings(max_nodes=16))
    assert result.sizes.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert result.counts[0].tolist() == [0, 0, 4, 0, 16, 0, 32]
    assert result.broken.tolist() == [0, 1]
    # N–C–N is cut but both N still hang on C–C: the linker bridges as before.
    assert result.counts[1].tolist() == [0, 0, 4, 0, 16, 0, 32]
    assert result.per_metal[2] == 4 / 16
    assert result.per_metal_std[2] == 0.0


def test_truncation_is_said() -> None:
    """The cubic lattice with face diagonals drowns in shortest paths."""
    dense = [(0, 0, *o) for o in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)]]
    few = primitive_rings(1, dense, settings=RingSettings(max_nodes=40, max_steps=20_000))
    assert not few.complete
    assert 3 <= few.complete_to < 40
    assert (few.counts[few.sizes > few.complete_to] == -1).all()
    full = primitive_rings(1, dense, settings=RingSettings(max_nodes=few.complete_to))
    assert full.complete
    assert (full.counts == few.counts[: len(full.counts)]).all()
    with pytest.raises(InputError, match="were not counted"):
        few.of(40)


def test_far_images_do_not_matter() -> None:
    """Offsets of hundreds of cells, as diffusing atoms leave in unwrapped coordinates."""
    home = np.array([[400, -250, 3], [-17, 90, 1000]])
    far = np.array(diamond)
    far[:, 2:] += home[0] - home[1]
    assert primitive_rings(2, far).as_dict() == primitive_rings(2, diamond).as_dict()


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 2, 0, 0, 0)], "outside the 2 vertices"),
        ([(1, 1, 0, 0, 0)], "joins a vertex to itself"),
        ([(0, 1, 0, 0, 0), (0, 1, 11, 0, 0)], "cells far"),
    ],
)
def test_bad_graphs_are_refused(edges: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        primitive_rings(2, edges)


def test_no_frames() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        rings([])
