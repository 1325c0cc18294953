"""Bonds that break and form as a Markov chain have known survival functions and rates."""

from __future__ import annotations

import numpy as np
import pytest

from zifglass.analysis.bonds import bonds
from zifglass.core import ArrayTrajectory, InputError

STEP = 10.0  # fs


def with_bonds(there: np.ndarray) -> ArrayTrajectory:
    """One N per Zn, 40 Å from the next pair, bonded as `there` (frames, pairs) says."""
    frames, pairs = there.shape
    zinc = np.zeros((frames, pairs, 3))
    zinc[:, :, 0] = 40.0 * np.arange(pairs)
    nitrogen = zinc + np.array([0.0, 1.0, 0.0]) * np.where(there, 2.0, 3.0)[:, :, None]
    return ArrayTrajectory.from_arrays(
        [30] * pairs + [7] * pairs,
        np.concatenate([zinc, nitrogen], axis=1),
        np.diag([40.0 * pairs, 20.0, 20.0]),
        times=STEP * np.arange(frames),
    )


def markov(seed: int, *, frames: int, pairs: int, breaking: float, forming: float) -> np.ndarray:
    """Stationary two-state chains (frames, pairs)."""
    generator = np.random.default_rng(seed)
    there = np.empty((frames, pairs), dtype=bool)
    there[0] = generator.uniform(size=pairs) < forming / (breaking + forming)
    for n in range(1, frames):
        chance = generator.uniform(size=pairs)
        there[n] = np.where(there[n - 1], chance >= breaking, chance < forming)
    return there


def test_is_the_naive_average() -> None:
    there = markov(0, frames=40, pairs=6, breaking=0.2, forming=0.3)
    result = bonds(with_bonds(there))
    for lag in range(40):
        starts = there[: 40 - lag]
        again = sum(there[t] & there[t + lag] for t in range(40 - lag)).sum()
        kept = sum(there[t : t + lag + 1].all(axis=0) for t in range(40 - lag)).sum()
        if starts.sum():
            assert result.intermittent[lag] == pytest.approx(again / starts.sum())
            assert result.continuous[lag] == pytest.approx(kept / starts.sum())
    np.testing.assert_allclose(result.lags, STEP * np.arange(40))
    assert result.breakings == (there[:-1] & ~there[1:]).sum()
    assert result.bonds == pytest.approx(there.sum(axis=1).mean())


def test_markov_chain_with_coverage() -> None:
    breaking, forming = 0.05, 0.15
    held = forming / (breaking + forming)
    lags = np.array([3, 10, 30])
    continuous = (1 - breaking) ** lags
    intermittent = held + (1 - held) * (1 - breaking - forming) ** lags
    z = []
    for seed in range(40):
        there = markov(seed, frames=200, pairs=40, breaking=breaking, forming=forming)
        result = bonds(with_bonds(there))
        z.append(
            [
                *((result.continuous[lags] - continuous) / result.continuous_std[lags]),
                *((result.intermittent[lags] - intermittent) / result.intermittent_std[lags]),
                (result.breaking_rate - breaking / STEP) / result.breaking_rate_std,
            ]
        )
    scores = np.array(z)
    assert np.all(np.abs(scores.mean(axis=0)) < 4 / np.sqrt(40))
    assert 0.55 < np.mean(np.abs(scores) < 1) < 0.80
    assert np.mean(np.abs(scores) < 2) > 0.89
    assert result.lifetime == pytest.approx(STEP / breaking, rel=0.2)
    assert result.lifetime_std / result.lifetime == pytest.approx(
        result.breaking_rate_std / result.breaking_rate
    )


def test_leaving_and_coming_back_is_no_exchange() -> None:
    there = markov(1, frames=100, pairs=5, breaking=0.3, forming=0.3)
    result = bonds(with_bonds(there))
    assert result.breakings > 50
    assert result.exchanges == 0 and result.exchange_rate == 0.0
    assert result.exchange_rate_std == pytest.approx(1 / (5 * 99 * STEP))


def test_exchanges_are_counted_once_each() -> None:
    # N goes from the first Zn to the second through a free state, lingers bonded to both, and
    # goes back: two exchanges, the shared frames decide nothing.
    zinc = np.array([[0.0, 0, 0], [4.0, 0, 0]])
    path = [2.0 - 0.1, 1.9, 1.9, 2.0, 2.1, 2.1, 2.0, 2.1, 2.0, 1.9]
    lift = [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    positions = np.array([[*zinc, [x, y, 0.0]] for x, y in zip(path, lift, strict=True)])
    trajectory = ArrayTrajectory.from_arrays(
        [30, 30, 7], positions, np.eye(3) * 20, times=STEP * np.arange(10)
    )
    near = bonds(trajectory, cutoff=2.05)
    # cutoff 2.05: to Zn 0 while x ≤ 2.05, to Zn 1 while x ≥ 1.95, to both at x = 2.0.
    assert near.exchanges == 2
    assert near.exchange_rate == pytest.approx(2 / (9 * STEP))


def test_bonds_of_a_crystal_at_rest_never_break() -> None:
    result = bonds(with_bonds(np.ones((20, 8), dtype=bool)))
    np.testing.assert_allclose(result.continuous, 1.0)
    np.testing.assert_allclose(result.intermittent, 1.0)
    assert result.breakings == 0 and result.lifetime == np.inf and np.isnan(result.lifetime_std)
    assert result.breaking_rate == 0.0
    assert result.breaking_rate_std == pytest.approx(1 / (19 * 8 * STEP))


def test_bad_input() -> None:
    with pytest.raises(InputError, match="no Zn-N bond"):
        bonds(with_bonds(np.zeros((5, 2), dtype=bool)))
    with pytest.raises(InputError, match="at least two frames"):
        bonds(with_bonds(np.ones((1, 2), dtype=bool)))
    with pytest.raises(InputError, match="two different elements"):
        bonds(with_bonds(np.ones((5, 2), dtype=bool)), neighbour="Zn")
    with pytest.raises(InputError, match="no C here"):
        bonds(with_bonds(np.ones((5, 2), dtype=bool)), neighbour="C")
