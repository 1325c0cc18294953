from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.geometry.rdf import get_rdf
from ase.io import read
from scipy.spatial.transform import Rotation

from zifglass.analysis.accumulate import block_ranges
from zifglass.analysis.rdf import RdfAccumulator, RdfSettings, rdf
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core import cell as cells
from zifglass.core.neighbors import neighbor_list

STRONGLY_TRICLINIC = np.array([[20.0, 0.0, 0.0], [14.0, 19.0, 0.0], [-11.0, 9.0, 21.0]])


def ideal_gas(cell: np.ndarray, *, atoms: int, frames: int, seed: int) -> ArrayTrajectory:
    generator = np.random.default_rng(seed)
    positions = generator.uniform(size=(frames, atoms, 3)) @ cell
    return ArrayTrajectory.from_arrays(np.tile([1, 8], atoms // 2), positions, cell)


@pytest.mark.parametrize("cell", [np.diag([20.0, 20.0, 20.0]), STRONGLY_TRICLINIC])
def test_ideal_gas_is_one_beyond_half_the_cell(cell: np.ndarray) -> None:
    atoms, frames = 600, 40
    half = cells.heights(cell).min() / 2
    result = rdf(ideal_gas(cell, atoms=atoms, frames=frames, seed=1), r_max=1.7 * half, bins=40)
    assert half < 0.65 * result.r[-1]
    for g, std, like in (
        (result.g, result.g_std, atoms),
        (result.of("H-O")[0], result.of("H-O")[1], np.inf),
        (result.of("H-H")[0], result.of("H-H")[1], atoms / 2),
    ):
        z = (g - (1 - 1 / like))[2:] / std[2:]
        # 38 bins, t-distributed with 19 degrees of freedom: mean square 19/17 ± 0.29.
        assert np.mean(z**2) == pytest.approx(19 / 17, abs=4 * 0.29)
        assert np.abs(z).max() < 4.5
        assert abs(np.mean(g[10:]) - (1 - 1 / like)) < 0.01


def test_std_has_coverage() -> None:
    # Truth: an ideal gas. The error bars of 60 trajectories must hold it 68 and 95 % of times.
    z = []
    for seed in range(60):
        result = rdf(
            ideal_gas(np.eye(3) * 8, atoms=60, frames=40, seed=seed), ["H-O"], r_max=7.0, bins=7
        )
        z.append((result.partial[0] - 1) / result.partial_std[0])
    inside = np.mean(np.abs(np.array(z)[:, 2:]) < 1)
    # Student's t with 19 degrees of freedom: 67 %; 300 values tell 2.7 %.
    assert inside == pytest.approx(0.67, abs=4 * 0.027)
    assert np.mean(np.abs(np.array(z)[:, 2:]) < 2) > 0.90


def test_crystal_integrates_to_its_coordination() -> None:
    # Rock salt: 6 unlike at a/2, 12 like at a/√2, from one primitive cell far beyond its size.
    salt = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.6))
    result = rdf(salt, r_max=9.0, bins=900)
    unlike, _ = result.running_coordination("Na", "Cl")
    like, _ = result.running_coordination("Na", "Na")
    at = lambda r: int(np.searchsorted(result.edges[1:], r))  # noqa: E731
    assert unlike[at(3.5)] == pytest.approx(6, abs=1e-9)
    assert unlike[at(5.2)] == pytest.approx(6 + 8, abs=1e-9)
    assert like[at(4.5)] == pytest.approx(12, abs=1e-9)
    assert like[at(6.0)] == pytest.approx(12 + 6, abs=1e-9)


def test_the_glass_integrates_to_its_coordination(published: Path) -> None:
    glass = read(published / "glasses" / "ZIF4_15glass02.cif")
    result = rdf(glass, ["Zn-N"], r_max=12.0, bins=240)
    running, _ = result.running_coordination("Zn", "N")
    assert result.edges[50] == pytest.approx(2.5)
    assert running[49] == pytest.approx(3.9375, abs=1e-9)


def test_the_same_from_any_description_of_the_lattice() -> None:
    generator = np.random.default_rng(3)
    base = Structure(
        np.tile([30, 7, 7], 6), generator.uniform(size=(18, 3)) @ STRONGLY_TRICLINIC,
        STRONGLY_TRICLINIC,
    )  # fmt: skip
    rotation = Rotation.random(rng=generator).as_matrix()
    other = Structure(
        base.numbers,
        (base.positions + np.array([100.0, -30.0, 7.0])) @ rotation,
        np.array([[1, 2, 0], [0, 1, -3], [0, 0, 1]]) @ base.cell @ rotation,
    )
    expected = rdf(base, r_max=25.3, bins=100)
    for description in (other, other.wrapped(), base.repeat((2, 1, 2))):
        result = rdf(description, r_max=25.3, bins=100)
        np.testing.assert_allclose(result.partial, expected.partial, rtol=1e-9)
        np.testing.assert_allclose(result.g, expected.g, rtol=1e-9)


def test_is_the_histogram_of_all_pairs() -> None:
    trajectory = ideal_gas(STRONGLY_TRICLINIC / 3, atoms=20, frames=3, seed=4)
    result = rdf(trajectory, r_max=9.0, bins=30)
    directed = np.zeros(30)
    for frame in trajectory:
        pairs = neighbor_list(frame.structure, 9.0)
        chosen = (frame.structure.numbers[pairs.i] == 1) & (frame.structure.numbers[pairs.j] == 8)
        directed += np.histogram(pairs.distances[chosen], bins=result.edges)[0]
    volume = cells.volume(STRONGLY_TRICLINIC / 3)
    expected = directed / 3 / (10 * 10 * result.shells() / volume)
    np.testing.assert_allclose(result.of("O-H")[0], expected, rtol=1e-12)


def test_agrees_with_ase_below_half_the_cell(published: Path) -> None:
    atoms = read(published / "glasses" / "ZIF4_15glass01.cif").repeat(2)
    result = rdf(atoms, ["Zn-N"], r_max=12.0, bins=120)
    g, r = get_rdf(atoms, 12.0, 120, elements=[30, 7])
    np.testing.assert_allclose(result.r, r)
    np.testing.assert_allclose(result.partial[0], g, rtol=1e-9)


def test_blocks_in_any_process_give_the_same_bits() -> None:
    trajectory = ideal_gas(STRONGLY_TRICLINIC, atoms=30, frames=50, seed=5)
    expected = rdf(trajectory, r_max=5.0, bins=20)
    settings = RdfSettings(r_max=5.0, bins=20)
    parts = []
    for part in reversed(block_ranges(50)):  # as if the last had finished first
        accumulator = RdfAccumulator(trajectory.numbers, settings)
        for index in part:
            accumulator.update(trajectory[index])
        parts.append(accumulator)
    total = parts.pop()
    while parts:
        total.merge(parts.pop())
    result = total.finalise()
    np.testing.assert_array_equal(result.partial, expected.partial)
    np.testing.assert_array_equal(result.partial_std, expected.partial_std)


def test_one_frame_has_no_std_and_a_changing_volume_is_averaged() -> None:
    single = rdf(bulk("NaCl", "rocksalt", a=5.6), r_max=4.0, bins=8)
    assert np.isnan(single.g_std).all() and np.isfinite(single.g).all()
    two = rdf([bulk("Cu", "sc", a=2.0), bulk("Cu", "sc", a=4.0)], r_max=4.5, bins=1)
    # Frames of density 1/8 and 1/64 hold 56 and 6 atoms around each within 4.5 Å.
    shell = 4 / 3 * np.pi * 4.5**3
    inside = [len(neighbor_list(bulk("Cu", "sc", a=a), 4.5)) for a in (2.0, 4.0)]
    assert two.g[0] == pytest.approx(sum(inside) / (shell * (1 / 8 + 1 / 64)))


def test_what_is_not_there_is_refused() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    with pytest.raises(InputError, match="no pair Zn-N"):
        rdf(salt, ["Zn-N"], r_max=4.0)
    with pytest.raises(InputError, match="two elements"):
        rdf(salt, ["Na"], r_max=4.0)
    with pytest.raises(InputError, match="r_max"):
        rdf(salt, r_max=-1.0)
    with pytest.raises(InputError, match="bins"):
        rdf(salt, bins=0)
