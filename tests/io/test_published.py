from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zifglass import read


def test_crystal_data_file(published: Path) -> None:
    structure = read(published / "mlp" / "crystal.lmp")[0].structure
    assert structure.formula == "Zn16N64C96H96"
    np.testing.assert_array_equal(structure.cell, np.diag([15.4231, 15.4042, 18.4379]))
    np.testing.assert_array_equal(
        structure.positions[0], [16.967291680000, 11.038745780000, 28.855334560000]
    )
    # methods.md: the density of the glasses made at the crystal's cell
    assert structure.density_g_per_cm3 == pytest.approx(1.2101, abs=2e-4)
    zn = structure.positions[structure.numbers == 30]
    n = structure.positions[structure.numbers == 7]
    lengths = np.diag(structure.cell)
    apart = zn[:, None] - n[None]
    apart -= lengths * np.round(apart / lengths)
    assert (np.linalg.norm(apart, axis=2) < 2.5).sum(axis=1).tolist() == [4] * 16


@pytest.mark.parametrize("number", range(1, 5))
def test_glasses(published: Path, number: int) -> None:
    trajectory = read(published / "glasses" / f"ZIF4_15glass0{number}.cif")
    assert len(trajectory) == 1
    structure = trajectory[0].structure
    assert structure.formula == "Zn16N64C96H96"
    assert structure.density_g_per_cm3 == pytest.approx(1.2101, abs=2e-4)
