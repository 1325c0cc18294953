from __future__ import annotations

import numpy as np
import pytest

from zifglass.core import ArrayTrajectory, Frame, InputError, Structure, as_trajectory, units
from zifglass.core import cell as cells


def test_units_are_consistent() -> None:
    # 160.21766 GPa in 1 eV/Å³; 1 kJ/mol = 0.010364 eV; g/cm³ and cm³/kg are each other's inverse.
    assert units.eV / units.GPa == pytest.approx(160.2176634, rel=1e-12)
    assert units.kJ_per_mol == pytest.approx(0.0103642696, rel=1e-8)
    assert units.g_per_cm3 * units.cm3_per_kg == pytest.approx(1e-3, rel=1e-12)
    # ½ m v² of 1 amu at 1 Å/fs is 51.8 eV.
    assert 0.5 * units.kinetic_unit == pytest.approx(51.82134825, rel=1e-8)


def test_structure_is_frozen_and_independent() -> None:
    positions = np.zeros((1, 3))
    structure = Structure([30], positions, np.eye(3) * 3)
    positions[0, 0] = 1.0
    assert structure.positions[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        structure.positions[0, 0] = 1.0


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.zeros((3, 3)), "no volume"),
        (np.diag([1.0, 1.0, -1.0]), "left-handed"),
        (np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 1]]), "no volume"),
        (np.full((3, 3), np.nan), "not finite"),
        (np.eye(2), "shape"),
    ],
)
def test_bad_cells_are_refused(cell: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Structure([30], [[0, 0, 0]], cell)


def test_nan_position_names_the_atom() -> None:
    with pytest.raises(InputError, match="atom 1 is not finite"):
        Structure([30, 7], [[0, 0, 0], [0, np.nan, 0]], np.eye(3))


def test_standard_form_keeps_lengths_and_angles() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        cell = rng.normal(size=(3, 3)) + 4 * np.eye(3)
        lower, rotation = cells.standard_form(cell)
        np.testing.assert_allclose(cell @ rotation, lower, atol=1e-12)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert (np.diag(lower) > 0).all()
        parameters = cells.lengths_and_angles(cell)
        np.testing.assert_allclose(cells.from_lengths_and_angles(parameters), lower, atol=1e-9)


def test_views_compose() -> None:
    frames = [
        Frame(Structure([1], [[i, 0, 0]], np.eye(3) * 9), time=float(i), index=i) for i in range(20)
    ]
    trajectory = ArrayTrajectory(frames)
    for outer in (slice(3, 17, 2), slice(None, None, -1), slice(15, 2, -3)):
        for inner in (slice(1, 4), slice(None, None, 2), slice(None, None, -1), slice(-2, None)):
            expected = list(range(20))[outer][inner]
            view = trajectory[outer][inner]
            assert [f.index for f in view] == expected
            assert view.times is not None
            assert view.times.tolist() == expected


def test_changed_atoms_are_refused() -> None:
    cell = np.eye(3) * 9
    one = Structure([1, 6], [[0, 0, 0], [1, 0, 0]], cell)
    with pytest.raises(InputError, match="order of the atoms changed: atom 0"):
        as_trajectory([one, Structure([6, 1], one.positions, cell)])
    with pytest.raises(InputError, match="got 1"):
        as_trajectory([one, Structure([1], [[0, 0, 0]], cell)])
