from __future__ import annotations

import numpy as np
import pytest

from zifglass.core import ArrayTrajectory, InputError
from zifglass.datasets import (
    pair_descriptor,
    potential_energy_per_atom,
    select_farthest,
    select_flat,
    share_out,
    split_blocks,
    split_sequential,
)


@pytest.mark.parametrize("count", [1, 37, 500, 1999, 2000])
def test_the_flat_histogram_is_the_one_of_theory(count: int) -> None:
    """Bin b ends with min(n_b, L) or min(n_b, L + 1) frames: no flatter choice exists."""
    values = np.random.default_rng(1).normal(size=2000)
    chosen = select_flat(values, count, rng=np.random.default_rng(2), bins=20)
    assert len(np.unique(chosen.indices)) == count == chosen.after.sum()
    before, after = np.histogram(values, bins=chosen.edges)[0], chosen.after
    assert np.array_equal(before, chosen.before)
    assert np.array_equal(after, np.histogram(values[chosen.indices], bins=chosen.edges)[0])
    level = after[after < before].min() if (after < before).any() else after.max()
    assert (
        (after == before) & (before <= level + 1) | (after == level) | (after == level + 1)
    ).all()


def test_frames_within_a_bin_are_drawn_without_preference() -> None:
    """Each of 100 equal frames is drawn 10 of 100 times: χ² of 99 degrees stays below its 1e-6
    quantile of 176 over 1000 draws."""
    hits = np.zeros(100)
    for seed in range(1000):
        chosen = select_flat(np.zeros(100), 10, rng=np.random.default_rng(seed), bins=5)
        hits[chosen.indices] += 1
    # drawn without replacement: variance 1000 · 0.1 · 0.9
    assert np.sum((hits - 100) ** 2) / 90 < 176


def test_the_same_seed_chooses_the_same() -> None:
    values = np.random.default_rng(3).normal(size=500)
    a, b, c = (select_flat(values, 60, rng=np.random.default_rng(s)).indices for s in (5, 5, 6))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_minimum_time_apart_is_kept() -> None:
    times = np.arange(1000) * 0.5
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000)
    chosen = select_flat(values, 60, rng=rng, times=times, minimum_gap=5.0)
    assert np.diff(times[chosen.indices]).min() >= 5.0
    spread = select_farthest(values[:, None], 40, rng=rng, times=times, minimum_gap=5.0)
    assert np.diff(times[spread.indices]).min() >= 5.0
    with pytest.raises(InputError, match="60 frames wanted, but only"):
        select_flat(values, 60, rng=rng, times=times, minimum_gap=25.0)
    with pytest.raises(InputError, match="needs frames with times"):
        select_flat(values, 60, rng=rng, minimum_gap=25.0)


def test_farthest_points_cover_as_gonzalez_promises() -> None:
    """The covering radius is within twice the best: below the packing distance of the choice."""
    rng = np.random.default_rng(7)
    points = rng.random((400, 2))
    chosen = points[select_farthest(points, 25, rng=rng).indices]
    gaps = np.linalg.norm(points[:, None] - chosen[None], axis=2).min(axis=1)
    among = np.linalg.norm(chosen[:, None] - chosen[None], axis=2) + 9 * np.eye(25)
    assert gaps.max() <= among.min()
    random = points[rng.permutation(400)[:25]]
    assert gaps.max() < np.linalg.norm(points[:, None] - random[None], axis=2).min(axis=1).max()


def test_the_descriptor_does_not_see_images_order_or_rotation(liquid: ArrayTrajectory) -> None:
    frame = liquid[0].structure
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    order = np.random.default_rng(2).permutation(27)
    mixed = (order[:, None] * 3 + [0, 2, 1]).ravel()
    other = type(frame)(
        frame.numbers,
        ((frame.positions + np.array([3.0, -20, 7])) @ turn)[mixed],
        frame.cell @ turn,
    ).wrapped()
    a, b = (
        pair_descriptor(ArrayTrajectory(liquid[:1])),
        pair_descriptor(ArrayTrajectory([*_as(other)])),
    )
    assert np.allclose(a, b, atol=1e-9)
    assert np.abs(pair_descriptor(liquid[:2])[0] - pair_descriptor(liquid[:2])[1]).max() > 1e-3


def _as(structure: object) -> list[object]:
    from zifglass.core import as_trajectory

    return list(as_trajectory(structure))


def test_energy_per_atom_is_the_default_scalar(liquid: ArrayTrajectory) -> None:
    values = potential_energy_per_atom(liquid[:3])
    assert values == pytest.approx([f.energy / 81 for f in liquid[:3]])


def test_shares_are_even_and_exact() -> None:
    assert share_out(2700, [5000] * 4) == [675] * 4
    assert share_out(10, [2, 100, 100]) == [2, 4, 4]
    assert share_out(7, [3, 3, 3]) == [3, 2, 2]
    with pytest.raises(InputError, match="10 frames wanted, 9 are there"):
        share_out(10, [3, 3, 3])


def test_the_papers_split() -> None:
    parts = split_sequential(2700)
    assert [len(part) for part in parts] == [2375, 190, 135]
    assert np.array_equal(np.concatenate(parts), np.arange(2700))
    with pytest.raises(InputError, match="need 2700 frames; there are 2699"):
        split_sequential(2699)


@pytest.mark.parametrize(("blocks", "gap"), [(1, 0.0), (1, 200.0), (3, 100.0), (5, 0.0)])
def test_blocks_have_exact_sizes_and_gaps(blocks: int, gap: float) -> None:
    runs = [np.arange(0, 700), np.arange(700, 1000)]
    times = np.concatenate([np.arange(700), np.arange(300)]) * 10.0
    rng = np.random.default_rng(1)
    parts = split_blocks(runs, (600, 100, 50), rng=rng, times=times, gap=gap, blocks=blocks)
    assert [len(part) for part in parts] == [600, 100, 50]
    assert len(np.unique(np.concatenate(parts))) == 750
    if blocks == 1:
        for run in runs:
            for a in range(3):
                for b in range(3):
                    mine, other = (np.intersect1d(parts[k], run) for k in (a, b))
                    if a != b:
                        apart = np.abs(times[mine][:, None] - times[other][None]).min()
                        assert apart >= max(gap, 10.0)
    shares = [np.isin(part, runs[0]).mean() for part in parts]
    assert shares == pytest.approx([0.7] * 3, abs=0.03)


def test_every_frame_can_be_used_up() -> None:
    parts = split_blocks(
        [np.arange(7), np.arange(7, 20)], (11, 5, 4), rng=np.random.default_rng(0), blocks=2
    )
    assert [len(part) for part in parts] == [11, 5, 4]


def test_gaps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit with gaps"):
        split_blocks(
            [np.arange(100)], (80, 10, 10), rng=np.random.default_rng(0),
            times=np.arange(100.0), gap=2.0,
        )  # fmt: skip
