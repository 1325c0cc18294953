"""The metal–linker network: counts, offsets, and what it does with odd linkers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from zifglass.analysis.linkers import linkers
from zifglass.analysis.network import NetworkSettings, network
from zifglass.core import InputError, Structure


@pytest.fixture(scope="module")
def crystal(published: Path) -> Structure:
    return Structure.from_ase(read(published / "mlp" / "crystal.lmp", format="lammps-data"))


def test_crystal(crystal: Structure) -> None:
    net = network(crystal)
    assert (len(net.metals), net.linker_nodes, len(net.edges), net.bonds) == (16, 32, 64, 64)
    assert net.bridging_counts() == {2: 32}
    assert (net.coordination == 4).all()


def test_edges_point_at_the_linkers(crystal: Structure) -> None:
    """Each edge's offset leads to a linker image with a nitrogen within 2.5 Å, unwrapped too."""
    rng = np.random.default_rng(2)
    images = rng.integers(-2, 3, size=(len(crystal), 3)) @ crystal.cell
    structure = crystal.with_positions(crystal.positions + images)
    net = network(structure)
    for metal, linker, *offset in net.edges.tolist():
        atoms = net.linkers.atoms[linker - 16]
        shifts = net.linkers.shifts[linker - 16] + offset
        nitrogen = structure.numbers[atoms] == 7
        places = (structure.positions[atoms] + shifts @ structure.cell)[nitrogen]
        distances = np.linalg.norm(places - structure.positions[net.metals[metal]], axis=1)
        assert (distances < 2.5).sum() == 1


def test_any_metal(crystal: Structure) -> None:
    numbers = crystal.numbers.copy()
    numbers[numbers == 30] = 27
    cobalt = Structure(numbers, crystal.positions, crystal.cell)
    assert network(cobalt, settings=NetworkSettings(metal="Co")).bridging_counts() == {2: 32}
    with pytest.raises(InputError, match="holds no Zn"):
        network(cobalt)


def test_linkers_of_one_and_three(crystal: Structure) -> None:
    """A zinc taken away leaves four dangling ends; one more zinc at a nitrogen makes three."""
    zinc = int(np.nonzero(crystal.numbers == 30)[0][0])
    left = np.arange(len(crystal)) != zinc
    fewer = Structure(crystal.numbers[left], crystal.positions[left], crystal.cell)
    assert network(fewer).bridging_counts() == {1: 4, 2: 28}
    first = linkers(crystal)
    atoms, shifts = first.atoms[0], first.shifts[0]
    ring = crystal.positions[atoms] + shifts @ crystal.cell
    nitrogen = ring[crystal.numbers[atoms] == 7][0]
    normal = np.cross(ring[1] - ring[0], ring[2] - ring[0])
    extra = nitrogen + 2.0 * normal / np.linalg.norm(normal)
    more = Structure(
        np.append(crystal.numbers, 30), np.vstack([crystal.positions, extra]), crystal.cell
    )
    net = network(more)
    owner = net.linkers.owner[atoms[0]]
    assert net.bridging[owner] == 3


def test_a_broken_linker_stays_as_pieces(crystal: Structure) -> None:
    whole = linkers(crystal)
    moved = crystal.positions.copy()
    moved[whole.atoms[0][0]] += [3.0, 0.0, 0.0]
    net = network(crystal.with_positions(moved))
    assert net.linkers.broken == 1
    assert net.fragment_nodes >= 1
    # N–C–C–N hangs together, or falls into two pieces with one metal each: no bond is lost.
    assert net.bonds == 64
    assert net.bridging.sum() == 64
    assert sorted(net.bridging[:31]) == [2] * 31


def test_bonds_end_at_the_cutoff(crystal: Structure) -> None:
    assert network(crystal, settings=NetworkSettings(cutoff=1.5)).bonds == 0
