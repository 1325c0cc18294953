"""The rings that pictures draw are the rings that are counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import zifglass
from zifglass.analysis import RingSettings, network, primitive_rings
from zifglass.analysis.ring_members import ring_members
from zifglass.core import Structure
from zifglass.io import structures


def check(structure: Structure) -> None:
    net = network(structure)
    rings = ring_members(net, max_metals=6)
    counted = primitive_rings(net.nodes, net.edges, settings=RingSettings(max_nodes=12))
    assert counted.complete_to == 12
    expected = {
        int(size) // 2: int(count)
        for size, count in zip(counted.sizes, counted.counts, strict=True)
        if count
    }
    assert Counter(len(ring) for ring in rings) == expected
    # Through each metal as often as counted, and along bonds.
    through = np.zeros((7, len(net.metals)), dtype=int)
    for ring in rings:
        np.add.at(through[len(ring)], ring[:, 0], 1)
    for size in expected:
        row = counted.through[list(counted.sizes).index(2 * size)][: len(net.metals)]
        np.testing.assert_array_equal(through[size], row)


@pytest.mark.parametrize("name", ["zif4", "zif8"])
def test_crystals(name: str) -> None:
    check(structures.load(name))


def test_supercell_has_as_many_rings_per_metal() -> None:
    check(structures.load("zif8").repeat((2, 1, 1)))


def test_glasses(published: Path) -> None:
    for path in sorted((published / "glasses").glob("*.cif")):
        check(zifglass.read(path)[-1].structure)
