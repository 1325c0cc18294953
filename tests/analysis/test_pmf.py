"""Pairs sampled from a known potential must give it back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zifglass.analysis.pmf import pmf, pmf_of_rdf
from zifglass.analysis.rdf import Rdf, rdf
from zifglass.core import ArrayTrajectory, InputError
from zifglass.core.units import kB, kJ_per_mol

TEMPERATURE = 1000.0
THERMAL = kB * TEMPERATURE / kJ_per_mol  # 8.3 kJ/mol


def potential(r: np.ndarray) -> np.ndarray:
    """kJ/mol: wells at 2 and 4 Å, 20 kJ/mol between them at 3 Å, the second 4 shallower."""
    return 20.0 * (1 - ((r - 3.0) ** 2)) ** 2 + 2.0 * (r - 2.0)


def sampled(seed: int, *, frames: int = 200, copies: int = 40) -> ArrayTrajectory:
    """Zn-N pairs 40 Å apart from one another, with r² exp(-W/kT) between 1.5 and 4.5 Å."""
    generator = np.random.default_rng(seed)
    grid = np.linspace(1.5, 4.5, 30_001)
    weight = grid**2 * np.exp(-potential(grid) / THERMAL)
    cumulative = np.cumsum(weight) / weight.sum()
    r = np.interp(generator.uniform(size=(frames, copies, 1)), cumulative, grid)
    direction = generator.normal(size=(frames, copies, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    zinc = np.zeros((frames, copies, 3))
    zinc[:, :, 0] = 40.0 * np.arange(copies)
    positions = np.concatenate([zinc, zinc + r * direction], axis=1)
    numbers = [30] * copies + [7] * copies
    return ArrayTrajectory.from_arrays(numbers, positions, np.diag([40.0 * copies, 40.0, 40.0]))


def as_in_a_liquid(g: Rdf) -> Rdf:
    """Pairs alone in a wide box have g far above 1 everywhere; scale it to 3 at its highest."""
    scale = 3.0 / g.partial.max()
    return replace(g, partial=g.partial * scale, blocks=g.blocks * scale)


def exact_bins(edges: np.ndarray) -> np.ndarray:
    """-kT ln of the bin averages of r² exp(-W/kT) over those of r²."""
    fine = np.linspace(edges[:-1], edges[1:], 201)
    boltzmann = np.trapezoid(fine**2 * np.exp(-potential(fine) / THERMAL), fine, axis=0)
    return np.asarray(-THERMAL * np.log(boltzmann / np.trapezoid(fine**2, fine, axis=0)))


def test_gives_back_the_potential_with_coverage() -> None:
    z, barriers = [], []
    for seed in range(10):
        trajectory = sampled(seed)
        g = as_in_a_liquid(rdf(trajectory, ["Zn-N"], r_max=5.0, bins=50))
        result = pmf_of_rdf(g, "Zn-N", temperature=TEMPERATURE)
        inside = (result.r > 1.5) & (result.r < 4.5)
        exact = exact_bins(g.edges)[inside]
        peak = int(np.argmin(np.abs(result.r[inside] - result.peak_position)))
        exact -= exact[peak]
        error, std = result.energy[inside] - exact, result.energy_std[inside]
        z += list(np.delete(error, peak) / np.delete(std, peak))
        between = (result.r[inside] > 2.2) & (result.r[inside] < 3.8)
        barriers.append((result.barrier - exact[between].max()) / result.barrier_std)
        assert result.barrier_position == pytest.approx(3.0, abs=0.3)
        assert result.energy.min() == 0.0
    assert 0.60 < np.mean(np.abs(z) < 1) < 0.76
    assert np.mean(np.abs(z) < 2) > 0.90
    # The highest of several noisy points lies a little above the highest point.
    assert -1.0 < np.mean(barriers) < 1.5


def test_trajectory_and_rdf_agree() -> None:
    trajectory = sampled(0, frames=20)
    direct = pmf(trajectory, ("N", "Zn"), temperature=TEMPERATURE, r_max=5.0, bins=50)
    through = pmf(rdf(trajectory, r_max=5.0, bins=50), "Zn-N", temperature=TEMPERATURE)
    np.testing.assert_array_equal(direct.energy, through.energy)


def test_never_visited_is_infinite_and_single_frame_has_no_std() -> None:
    result = pmf(sampled(0, frames=1), temperature=TEMPERATURE, r_max=5.0, bins=50)
    assert np.isnan(result.energy_std).all() and np.isnan(result.barrier_std)
    assert np.isinf(result.energy[0])


def test_bad_input() -> None:
    with pytest.raises(InputError, match="temperature"):
        pmf(sampled(0, frames=2), temperature=0.0)
    with pytest.raises(InputError, match="closer than"):
        pmf(sampled(0, frames=2), temperature=300.0, r_max=1.0, bins=5)
