"""Shipped structures are what their generators make, and what the literature says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zifglass.analysis import frame_rings, network
from zifglass.core import InputError
from zifglass.core.neighbors import neighbor_list
from zifglass.io import read, write
from zifglass.io.structures import NAMES, load, zif8


def test_zif8_is_what_its_generator_makes() -> None:
    shipped, made = load("zif8"), zif8.build()
    assert (shipped.numbers == made.numbers).all()
    np.testing.assert_allclose(shipped.positions, made.positions, atol=1e-6)
    np.testing.assert_allclose(shipped.cell, made.cell, atol=1e-12)


def test_zif8_chemistry_and_topology() -> None:
    crystal = load("zif8")
    assert crystal.formula == "Zn12N48C96H120"
    net = network(crystal)
    assert net.linkers.counts() == {"2-methylimidazolate": 24}
    assert (net.linkers.hydrogens == 5).all()
    assert net.bridging_counts() == {2: 24}
    assert (net.coordination == 4).all()
    # The sodalite net: 6, 8 and 32 primitive rings of 4, 6 and 12 Zn per 12 Zn.
    assert frame_rings(crystal).rings.as_dict() == {8: 6, 12: 8, 24: 32}


def test_zif8_geometry() -> None:
    crystal = load("zif8")
    near = neighbor_list(crystal, 2.5)
    bonds = near.select((crystal.numbers[near.i] == 30) & (crystal.numbers[near.j] == 7))
    assert bonds.distances == pytest.approx(1.987, abs=2e-3)
    first = bonds.vectors[bonds.i == bonds.i[0]] / 1.987
    angles = np.degrees(np.arccos((first @ first.T)[np.triu_indices(4, 1)]))
    assert angles == pytest.approx(109.5, abs=2.0)
    # No two atoms that are not bonded come closer than a bond would.
    assert near.distances.min() > 1.07


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"there are .*zif8"):
        load("zif9")
    assert "zif8" in NAMES


def test_a_shipped_crystal_is_read_by_its_name_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(read("zif8")[0].structure) == 276
    write("zif8", load("zif4"), format="extxyz")
    assert len(read("zif8")[0].structure) == 272
    with pytest.raises(InputError, match="No such file"):
        read("zif9")
