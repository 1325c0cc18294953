from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

from zifglass.analysis.coordination import coordination, coordination_of_centres
from zifglass.core import ArrayTrajectory, Frame, InputError, Structure


@pytest.mark.parametrize(("glass", "expected"), [(1, 64), (2, 63), (3, 63), (4, 63)])
def test_published_glasses(published: Path, glass: int, expected: int) -> None:
    # 4.000, 3.938, 3.938, 3.938: 64, 63, 63, 63 bonds of 16 Zn.
    result = coordination(read(published / "glasses" / f"ZIF4_15glass{glass:02d}.cif"))
    assert result.mean == pytest.approx(expected / 16, abs=1e-12)
    assert np.isnan(result.mean_std)


def test_rock_salt_from_its_primitive_cell() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert coordination(salt, centre="Na", neighbour="Cl", cutoff=2.9).mean == 6
    assert coordination(salt, centre="Na", neighbour="Na", cutoff=4.0).mean == 12
    assert coordination(salt, centre="Cl", neighbour="Na", cutoff=2.7).mean == 0


def frames_of_zinc(counts: np.ndarray) -> ArrayTrajectory:
    """Frames of Zn far apart, each with as many N at 2 Å as `counts` (frames, centres) says."""
    directions = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]) * 2.0
    frames = []
    centres = counts.shape[1]
    for time, row in enumerate(counts):
        positions = [[15.0 * c, 0, 0] for c in range(centres)]
        for c, n in enumerate(row):
            near = directions[:n] + np.array([15.0 * c, 0, 0])
            far = np.array([[15.0 * c, 7.0, k] for k in range(4 - n)]).reshape(-1, 3)
            positions += [*near, *far]
        numbers = [30] * centres + [7] * 4 * centres
        cell = np.diag([15.0 * centres, 20.0, 20.0])
        frames.append(Frame(Structure(numbers, positions, cell), time=10.0 * time))
    return ArrayTrajectory(frames)


def test_distribution_and_time() -> None:
    counts = np.array([[4, 4], [4, 3], [2, 4], [4, 4]])
    result = coordination(frames_of_zinc(counts))
    np.testing.assert_allclose(result.per_frame, [4, 3.5, 3, 4])
    np.testing.assert_array_equal(result.numbers, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(result.distribution, [0, 0, 1 / 8, 1 / 8, 6 / 8])
    np.testing.assert_allclose(result.per_frame_distribution.sum(axis=1), 1)
    assert result.times is not None
    np.testing.assert_allclose(result.times, [0, 10, 20, 30])
    np.testing.assert_array_equal(
        coordination_of_centres(frames_of_zinc(counts)[2].structure), [2, 4]
    )


def test_std_of_independent_frames() -> None:
    counts = np.random.default_rng(0).integers(3, 5, size=(400, 4))
    result = coordination(frames_of_zinc(counts))
    # 1600 fair coins: 0.5/40; the estimate of g adds up to 15 %.
    assert result.mean_std == pytest.approx(0.5 / 40, rel=0.2)
    assert abs(result.mean - 3.5) < 3 * result.mean_std


def test_absent_elements_are_refused() -> None:
    with pytest.raises(InputError, match="no Zn here, only Na, Cl"):
        coordination(bulk("NaCl", "rocksalt", a=5.6))
    with pytest.raises(InputError, match="unknown element"):
        coordination(bulk("NaCl", "rocksalt", a=5.6), centre="Qq")
    with pytest.raises(InputError, match="cutoff"):
        coordination(bulk("NaCl", "rocksalt", a=5.6), cutoff=0.0)
