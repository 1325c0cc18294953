from __future__ import annotations

import numpy as np
import pytest

from zifglass.analysis.frame_times import frame_spacing
from zifglass.analysis.msd import msd, unwrapped_chunks
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core import cell as cells
from zifglass.core.structure import masses_of

SKEWED = np.array([[12.0, 0.0, 0.0], [7.0, 11.0, 0.0], [-5.0, 4.0, 13.0]])


def trajectory_of(
    positions: np.ndarray, numbers: np.ndarray | None = None, *, wrapped: bool = False
) -> ArrayTrajectory:
    """Frames 2 fs apart in a skewed cell."""
    if numbers is None:
        numbers = np.full(positions.shape[1], 7)
    if wrapped:
        positions = np.array([cells.wrap(frame, SKEWED) for frame in positions])
    times = 2.0 * np.arange(len(positions))
    return ArrayTrajectory.from_arrays(
        numbers, positions, SKEWED, times=times, unwrapped=not wrapped
    )


def direct(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """(atoms, frames), by the definition."""
    tracks = positions - np.einsum("a,tax->tx", masses / masses.sum(), positions)[:, None]
    result = [
        np.square(tracks[lag:] - tracks[: len(tracks) - lag]).sum(axis=2).mean(axis=0)
        for lag in range(len(tracks))
    ]
    return np.array(result).T


def walk(seed: int, *, frames: int, atoms: int, step: float = 0.3) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(scale=step, size=(frames, atoms, 3))
    return np.cumsum(steps, axis=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_is_the_direct_sum(wrapped: bool) -> None:
    numbers = np.repeat([1, 7, 30], [5, 7, 3])
    positions = walk(0, frames=60, atoms=15)
    result = msd(trajectory_of(positions, numbers, wrapped=wrapped))
    exact = direct(positions, masses_of(numbers))
    assert result.species == ("H", "N", "Zn")
    for row, z in enumerate((1, 7, 30)):
        atoms = exact[numbers == z]
        np.testing.assert_allclose(result.msd[row], atoms.mean(axis=0), rtol=1e-9, atol=1e-12)
        std = atoms.std(axis=0, ddof=1) / np.sqrt(len(atoms))
        np.testing.assert_allclose(result.msd_std[row], std, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.lags, 2.0 * np.arange(60))


@pytest.mark.parametrize("wrapped", [False, True])
def test_uneven_frames_are_averaged_over_the_pairs_that_there_are(wrapped: bool) -> None:
    # Stretches a tick and a half apart, a gap, and times with the noise of a text file.
    ticks = np.concatenate([np.arange(0, 60, 2), np.arange(63, 90, 2), np.arange(120, 130)])
    times = 2.5 * ticks + np.random.default_rng(3).uniform(-1e-3, 1e-3, len(ticks))
    numbers = np.repeat([1, 7], [4, 3])
    positions = walk(2, frames=130, atoms=7)[ticks]
    given = np.array([cells.wrap(frame, SKEWED) for frame in positions]) if wrapped else positions
    result = msd(
        ArrayTrajectory.from_arrays(numbers, given, SKEWED, times=times, unwrapped=not wrapped),
        fit_until=0.9,
    )
    masses = masses_of(numbers)
    tracks = positions - np.einsum("a,tax->tx", masses / masses.sum(), positions)[:, None]
    first, last = np.triu_indices(len(ticks))
    squares = np.square(tracks[last] - tracks[first]).sum(axis=2)
    lag = ticks[last] - ticks[first]
    there = np.unique(lag)
    np.testing.assert_allclose(result.lags, 2.5 * there, rtol=1e-4)
    np.testing.assert_array_equal(result.origins, np.bincount(lag)[there])
    for row, z in enumerate((1, 7)):
        exact = [squares[lag == k][:, numbers == z].mean() for k in there]
        np.testing.assert_allclose(result.msd[row], exact, rtol=1e-9, atol=1e-10)
        fit = (there >= round(0.1 * 129)) & (there <= round(0.9 * 129))
        slope = np.polyfit(2.5 * there[fit], np.array(exact)[fit], 1)[0]
        assert result.diffusion[row] == pytest.approx(slope / 6, rel=1e-3)


def test_constant_velocity_is_quadratic() -> None:
    generator = np.random.default_rng(1)
    velocities = generator.normal(scale=0.01, size=(8, 3))
    times = 2.0 * np.arange(100)
    positions = times[:, None, None] * velocities + generator.uniform(size=(8, 3)) * 10
    # A flow common to all atoms, here 5 Å per frame, is drift and leaves no trace.
    positions += times[:, None, None] * np.array([2.5, 0.0, 0.0])
    result = msd(trajectory_of(positions))
    own = velocities - velocities.mean(axis=0)
    expected = np.square(own).sum(axis=1).mean() * times**2
    np.testing.assert_allclose(result.msd[0], expected, rtol=1e-8, atol=1e-9)
    assert result.exponent[0] == pytest.approx(2.0, abs=1e-6)


def test_random_walk_is_6Dt_with_coverage() -> None:
    # Steps of 0.3 Å per direction and 2 fs: D = 0.09 / (2 · 2) Å²/fs; taking the drift of n
    # equal walkers away leaves (1 - 1/n) of it.
    atoms, exact = 40, 0.09 / 4 * (1 - 1 / 40)
    z_slope, z_curve = [], []
    for seed in range(60):
        result = msd(trajectory_of(walk(seed, frames=200, atoms=atoms), wrapped=True))
        z_slope.append((result.diffusion[0] - exact) / result.diffusion_std[0])
        lag = 40
        z_curve.append((result.msd[0, lag] - 6 * exact * result.lags[lag]) / result.msd_std[0, lag])
        assert result.exponent[0] == pytest.approx(1.0, abs=0.4)
    for z in (np.array(z_slope), np.array(z_curve)):
        # 68 % ± 6 % of 60; the mean of z is 0 ± 0.13.
        assert 0.50 < np.mean(np.abs(z) < 1) < 0.86
        assert np.mean(np.abs(z) < 2) > 0.87
        assert abs(z.mean()) < 0.55


def test_groups_that_move_together_count_once() -> None:
    # Each walker carries five atoms: without groups the std is √5 too small.
    positions = np.repeat(walk(3, frames=100, atoms=30), 5, axis=1)
    groups = np.repeat(np.arange(30), 5)
    alone = msd(trajectory_of(positions))
    together = msd(trajectory_of(positions), groups=groups)
    few = msd(trajectory_of(positions[:, ::5]))
    np.testing.assert_allclose(together.msd, alone.msd, rtol=1e-10)
    np.testing.assert_allclose(together.msd_std[0, 1:], few.msd_std[0, 1:], rtol=1e-6)
    np.testing.assert_allclose(together.diffusion_std, few.diffusion_std, rtol=1e-6)
    ratio = together.msd_std[0, 20] / alone.msd_std[0, 20]
    assert ratio == pytest.approx(np.sqrt(5), rel=0.03)


def test_little_memory_changes_nothing() -> None:
    numbers = np.tile([1, 7, 30], 8)
    trajectory = trajectory_of(walk(4, frames=300, atoms=24), numbers, wrapped=True)
    groups = np.arange(24) // 4
    expected = msd(trajectory, groups=groups)
    small = msd(trajectory, groups=groups, memory=0.02)  # one atom at a time, or one group
    np.testing.assert_allclose(small.msd, expected.msd, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(small.diffusion_std, expected.diffusion_std, rtol=1e-6)


def test_unwrapping_in_a_changing_cell() -> None:
    # Atoms at rest in space while the cell breathes around them, seen wrapped: no motion.
    rest = np.random.default_rng(5).uniform(size=(10, 3)) @ SKEWED * 0.8 + 1.0
    frames = []
    for n in range(50):
        cell = SKEWED * (1 + 0.001 * np.sin(n))
        frames.append(Structure(np.full(10, 7), rest, cell).wrapped())
    unwrapped = np.concatenate(list(unwrapped_chunks(ArrayTrajectory.from_arrays(
        np.full(10, 7), np.array([f.positions for f in frames]), np.array([f.cell for f in frames])
    ), size=7)))  # fmt: skip
    np.testing.assert_allclose(unwrapped - unwrapped[0], 0, atol=0.3)
    assert len(unwrapped) == 50


def test_what_cannot_be_done_is_refused() -> None:
    positions = walk(6, frames=5, atoms=2)
    single = Structure([7, 7], positions[0], SKEWED)
    with pytest.raises(InputError, match="at least two frames; got 1"):
        msd(single)
    timeless = ArrayTrajectory.from_arrays([7, 7], positions, SKEWED)
    with pytest.raises(InputError, match="no times"):
        msd(timeless)
    assert msd(timeless, timestep=0.5).lags[-1] == 2.0
    uneven = ArrayTrajectory.from_arrays([7, 7], positions, SKEWED, times=np.array([0, 1, 2, 4, 5]))
    with pytest.raises(InputError, match=r"evenly spaced.*frame 3"):
        frame_spacing(uneven)
    backwards = ArrayTrajectory.from_arrays([7, 7], positions, SKEWED, times=np.arange(5.0)[::-1])
    with pytest.raises(InputError, match=r"must increase.*-1 fs after.*frame 1"):
        msd(backwards)
    wild = np.array([0, 1, 2, 3 + 2**-0.5, 1e5])
    with pytest.raises(InputError, match=r"no whole numbers of a common step"):
        msd(ArrayTrajectory.from_arrays([7, 7], positions, SKEWED, times=wild))
    with pytest.raises(InputError, match="one per atom"):
        msd(timeless, timestep=0.5, groups=[1])
    with pytest.raises(InputError, match="no Zn here, only N"):
        msd(timeless, timestep=0.5).of("Zn")
