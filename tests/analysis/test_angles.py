from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read
from scipy.spatial.transform import Rotation

from zifglass.analysis.angles import angles
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core.neighbors import neighbor_list


def test_tetrahedron_and_octahedron() -> None:
    # Zinc blende: all angles are arccos(-1/3) = 109.47°; rock salt: 12 of 90° and 3 of 180°.
    blende = angles(bulk("ZnS", "zincblende", a=5.4), ("S", "Zn", "S"), bins=360)
    assert blende.count == 6
    assert blende.degrees[np.argmax(blende.density)] == pytest.approx(109.4712, abs=0.25)
    salt = angles(
        bulk("NaCl", "rocksalt", a=5.6), ("Cl", "Na", "Cl"), first_cutoff=3, second_cutoff=3
    )
    assert salt.count == 15
    assert salt.mean == pytest.approx((12 * 90 + 3 * 180) / 15, abs=0.5)
    np.testing.assert_array_equal(salt.coordinations, [6])


def naive(structure: Structure, first: int, centre: int, second: int, cutoffs: list[float]):
    pairs = neighbor_list(structure, max(cutoffs))
    found = []
    for i in np.nonzero(structure.numbers == centre)[0]:
        around = np.nonzero(pairs.i == i)[0]
        for a, b in combinations(around, 2):
            fits = False
            for p, q in ((a, b), (b, a)):
                fits |= bool(
                    structure.numbers[pairs.j[p]] == first
                    and structure.numbers[pairs.j[q]] == second
                    and pairs.distances[p] < cutoffs[0]
                    and pairs.distances[q] < cutoffs[1]
                )
            if fits:
                cosine = pairs.vectors[a] @ pairs.vectors[b]
                cosine /= pairs.distances[a] * pairs.distances[b]
                found.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.array(found)


@pytest.mark.parametrize(
    ("triplet", "cutoffs"),
    [(("N", "Zn", "N"), [2.5, 2.5]), (("Zn", "N", "C"), [2.5, 1.7]), (("C", "C", "H"), [1.7, 1.3])],
)
def test_is_the_naive_count_under_rotation(
    published: Path, triplet: tuple[str, str, str], cutoffs: list[float]
) -> None:
    glass = Structure.from_ase(read(published / "glasses" / "ZIF4_15glass02.cif"))
    turn = Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    turned = Structure(
        glass.numbers, (glass.positions + np.array([5.0, 50.0, -9.0])) @ turn, glass.cell @ turn
    )
    charge = {"N": 7, "Zn": 30, "C": 6, "H": 1}
    expected = naive(glass, *(charge[s] for s in triplet), cutoffs)
    result = angles(turned, triplet, first_cutoff=cutoffs[0], second_cutoff=cutoffs[1], bins=60)
    assert result.count == len(expected) > 0
    counts = np.histogram(expected, bins=60, range=(0, 180))[0]
    np.testing.assert_allclose(result.density * result.count * 3, counts, atol=1e-6)


def test_split_by_coordination_adds_up(published: Path) -> None:
    glass = read(published / "glasses" / "ZIF4_15glass02.cif")
    result = angles(glass, bins=90)
    assert result.density.sum() * 2 == pytest.approx(1)
    # 15 Zn with 4 and one with 3 nitrogens: 6 and 3 angles each.
    np.testing.assert_array_equal(result.coordinations, [3, 4])
    np.testing.assert_array_equal(result.by_coordination_count, [3, 90])
    together = result.by_coordination_count @ result.by_coordination / result.count
    np.testing.assert_allclose(together, result.density, atol=1e-12)
    assert result.mean == pytest.approx(109.5, abs=3)
    assert np.isnan(result.mean_std)


def test_isotropic_ends_give_the_sine_with_honest_errors() -> None:
    # Directions at random: p(θ) = sin θ / 2 per radian.
    generator = np.random.default_rng(2)
    frames = 1000
    directions = generator.normal(size=(frames, 3, 3))
    directions *= 2.0 / np.linalg.norm(directions, axis=2, keepdims=True)
    positions = np.concatenate([np.zeros((frames, 1, 3)), directions], axis=1)
    trajectory = ArrayTrajectory.from_arrays([30, 7, 7, 7], positions, np.eye(3) * 20)
    result = angles(trajectory, bins=18)
    edges = np.radians(np.linspace(0, 180, 19))
    exact = np.diff(-np.cos(edges)) / 2 / 10.0
    z = (result.density - exact) / result.density_std
    assert np.mean(z[1:-1] ** 2) == pytest.approx(19 / 17, abs=4 * np.sqrt(2.6 / 16))
    assert abs(result.mean - 90) < 4 * result.mean_std
    assert result.mean_std == pytest.approx(np.degrees(0.6835) / np.sqrt(3 * frames), rel=0.5)


def test_nothing_bonded_and_bad_triplets() -> None:
    apart = Structure([30, 7], [[0, 0, 0], [5.0, 0, 0]], np.eye(3) * 20)
    result = angles(apart)
    assert result.count == 0 and np.isnan(result.density).all() and np.isnan(result.mean)
    with pytest.raises(InputError, match="three elements"):
        angles(apart, ("N", "Zn"))
    with pytest.raises(InputError, match="no C here"):
        angles(apart, ("C", "Zn", "N"))
    with pytest.raises(InputError, match="atoms 0 and 1 lie on one place"):
        angles(Structure([30, 7], np.zeros((2, 3)), np.eye(3) * 20))
