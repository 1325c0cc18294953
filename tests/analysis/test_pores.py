"""Pores through Zeo++: published numbers, reproducibility, and a child that misbehaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from zifglass.analysis import pores as room_pores
from zifglass.analysis.pores import PoreSettings, _child, pore_sizes, pores
from zifglass.core import InputError, Structure, ZifglassError
from zifglass.io.structures import load

LONE = Structure([6], [[1.0, 2.0, 3.0]], np.eye(3) * 12.0)


@pytest.fixture(scope="module")
def crystal(published: Path) -> Structure:
    return Structure.from_ase(read(published / "mlp" / "crystal.lmp", format="lammps-data"))


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("mlp/crystal.lmp", 53.3),
        ("glasses/ZIF4_15glass01.cif", 54.6),
        ("glasses/ZIF4_15glass02.cif", 66.4),
        ("glasses/ZIF4_15glass03.cif", 64.7),
        ("glasses/ZIF4_15glass04.cif", 71.6),
    ],
)
def test_published_volumes(published: Path, name: str, volume: float) -> None:
    """cm³/kg, the references ± 0.5."""
    style = {"format": "lammps-data"} if name.endswith("lmp") else {}
    result = pores(Structure.from_ase(read(published / name, **style)))
    assert result.porous_volume == pytest.approx(volume, abs=0.1)
    assert result.radii == {"C": 1.7, "H": 1.09, "N": 1.55, "Zn": 1.39}
    total = result.accessible_volume + result.inaccessible_volume
    assert total == pytest.approx(result.porous_volume, rel=1e-12)


@pytest.mark.long  # some 14 s of Zeo++ each
@pytest.mark.parametrize("glass", ["01", "02"])
def test_sizes_agree_with_channels(published: Path, glass: str) -> None:
    """A channel for a probe of radius 1.2 Å means a free sphere of at least 2.4 Å across."""
    structure = Structure.from_ase(read(published / "glasses" / f"ZIF4_15glass{glass}.cif"))
    sizes = pore_sizes(structure)
    assert (sizes.largest_free_sphere >= 2.4) == (pores(structure).channels > 0)
    assert sizes.largest_free_sphere <= sizes.included_along_free <= sizes.largest_included_sphere


def test_the_same_on_every_run() -> None:
    assert pores(LONE) == pores(LONE)
    assert pore_sizes(LONE) == pore_sizes(LONE)


def test_sampling_error_is_that_of_shifted_origins() -> None:
    """Moving the atom against the fixed random points samples anew; 8 values scatter by what
    the binomial error says: χ² of 7 degrees of freedom within its 0.1 % bounds."""
    settings = PoreSettings(surface_samples=10, volume_samples=5_000)
    rng = np.random.default_rng(0)
    results = [
        pores(LONE.with_positions(rng.uniform(0, 12, (1, 3))), settings=settings) for _ in range(8)
    ]
    values = np.array([result.porous_volume for result in results])
    expected = np.mean([result.porous_volume_std for result in results])
    assert 0.6 < ((values - values.mean()) ** 2).sum() / expected**2 < 24.3


def test_empty_cube_with_one_atom() -> None:
    """One argon-like carbon in a 12 Å cube: all but the sphere of radius 1.7 + 1.2 Å is open."""
    result = pores(LONE)
    sphere = 4 / 3 * np.pi * 2.9**3
    open_volume = (12.0**3 - sphere) / LONE.masses.sum() * 602.214076
    assert abs(result.porous_volume - open_volume) < 4 * result.porous_volume_std
    area = 4 * np.pi * 2.9**2 / LONE.masses.sum() * 6022.14076
    assert abs(result.surface_area - area) < 4 * result.surface_area_std
    # Largest sphere: the far corner of the cube, √3/2 · 12 Å away, less the atom.
    included = pore_sizes(LONE).largest_included_sphere
    assert included == pytest.approx(2 * (12 * 3**0.5 / 2 - 1.7), abs=0.02)


def test_zif8_cage_and_window() -> None:
    """Park et al. 2006: cages of 11.6 Å, windows of 3.4 Å. The primitive cell, for speed."""
    crystal = load("zif8")
    cell = 0.5 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) @ crystal.cell
    places = crystal.positions @ np.linalg.inv(cell)
    apart = places[:, None] - places
    same = (np.abs(apart - np.round(apart)) < 1e-3).all(axis=2)
    first = np.unique(same.argmax(axis=1))
    assert 2 * len(first) == len(crystal)
    result = pore_sizes(Structure(crystal.numbers[first], crystal.positions[first], cell))
    assert result.largest_included_sphere == pytest.approx(11.6, abs=0.3)
    assert result.largest_free_sphere == pytest.approx(3.4, abs=0.1)


def test_time_limit_and_a_dying_child(
    crystal: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    monkeypatch.setattr(sys.modules[room_pores.__module__], "_child", child)
    child.write_text("import time\ntime.sleep(3600)\n")
    with pytest.raises(ZifglassError, match=r"did not finish within 0\.1 s"):
        pores(crystal, settings=PoreSettings(time_limit=0.1))
    child.write_text("import os\nos.abort()\n")
    with pytest.raises(ZifglassError, match=r"Zeo\+\+ failed on Zn16N64C96H96: exit status -6"):
        pores(crystal)


@pytest.mark.skipif(sys.platform != "linux", reason="a service of the Linux kernel")
def test_a_killed_parent_takes_the_child_with_it() -> None:
    child = (
        f"import sys, time; sys.path.insert(0, {str(_child.parent)!r}); import zeo_child; "
        "zeo_child.end_with_parent(); print('ready', flush=True); time.sleep(5); print('alive')"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert process.stdout.read() == b"", "the child's end closes the pipe"


def test_bad_input(crystal: Structure) -> None:
    slab = Structure(crystal.numbers, crystal.positions, crystal.cell, [True, True, False])
    for measure in (pores, pore_sizes):
        with pytest.raises(InputError, match="periodic in all three"):
            measure(slab)
