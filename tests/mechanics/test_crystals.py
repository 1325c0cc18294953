"""Harmonic and Lennard-Jones crystals: their constants, by every method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zifglass.core import InputError, Prediction, Structure
from zifglass.core.units import GPa, kB
from zifglass.mechanics import elasticity
from zifglass.mechanics.fluctuations import strain_fluctuations
from zifglass.mechanics.holds import StrainSweepSettings, hold_from_series
from zifglass.mechanics.relaxation import RelaxationSettings, relax_cell, relax_positions
from zifglass.mechanics.sampling import FluctuationSettings
from zifglass.mechanics.static import StaticSettings, static_elasticity, static_equation_of_state
from zifglass.mechanics.strain_sweep import analyse_sweep

epsilon, sigma = 0.0104, 3.4  # eV, Å: argon
# Static fcc crystal of the full Lennard-Jones sum (Ashcroft and Mermin, Eq. 20.16 and 20.17):
# nearest neighbour (2 A12/A6)^(1/6) σ = 1.0902 σ, B = 4 ε/σ³ A12 (A6/A12)^(5/2) = 75.19 ε/σ³.
A12, A6 = 12.13188, 14.45392
literature_bulk = 4 * A12 * (A6 / A12) ** 2.5 * epsilon / sigma**3
neighbour = (2 * A12 / A6) ** (1 / 6) * sigma
# The cutoff lies in the empty 30th shell of fcc, so that small strains bring no atom across it.
cutoff = np.sqrt(30.0) * neighbour
grid = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
primitive = neighbour / np.sqrt(2) * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])


@dataclass(frozen=True)
class LennardJones:
    """A brute-force sum over images: slow, plain, for a handful of atoms."""

    name: str = "lennard-jones"
    species: tuple[int, ...] = (18,)
    cutoff: float = cutoff
    sha256: str = "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        lattice = grid @ structure.cell
        energy, forces, virial = 0.0, np.zeros((len(structure), 3)), np.zeros((3, 3))
        for i, here in enumerate(structure.positions):
            for there in structure.positions:
                d = there - here + lattice
                square = np.einsum("ij,ij->i", d, d)
                near = (square < self.cutoff**2) & (square > 1e-8)
                d, s6 = d[near], (sigma**2 / square[near]) ** 3
                energy += 0.5 * float(np.sum(4 * epsilon * (s6**2 - s6)))
                slope = -24 * epsilon * (2 * s6**2 - s6) / square[near]  # φ'/r
                forces[i] += slope @ d
                virial += 0.5 * np.einsum("n,ni,nj->ij", slope, d, d)
        return Prediction(energy, forces, virial / structure.volume)


def lattice_sum_stiffness(cell: np.ndarray = primitive) -> np.ndarray:
    """C_ijkl = 1/(2V) Σ (φ'' − φ'/r) x_i x_j x_k x_l / r², at zero pressure (Born and Huang)."""
    d = grid @ cell
    r = np.linalg.norm(d, axis=1)
    near = (r < cutoff) & (r > 1e-8)
    d, r = d[near], r[near]
    s6 = (sigma / r) ** 6
    bracket = 4 * epsilon * (12 * 13 * s6**2 - 6 * 7 * s6 + 12 * s6**2 - 6 * s6) / r**2
    c = np.einsum("n,ni,nj,nk,nl->ijkl", bracket / r**2, d, d, d, d) / (2 * np.linalg.det(cell))
    return elasticity.stiffness_matrix(c)


crystal = Structure([18], [[0.0, 0, 0]], primitive)
tight = StaticSettings(
    strain=0.003, relaxation=RelaxationSettings(force=1e-6, stress=1e-6, max_iterations=500)
)


def test_static_tensor_of_lennard_jones_fcc() -> None:
    result = static_elasticity(LennardJones(), crystal, settings=tight)
    # The tail beyond the cutoff is 0.25 % of A6, 0.6 % of B.
    assert float(result.averages.bulk_hill) == pytest.approx(literature_bulk, rel=0.01)
    assert np.linalg.norm(result.structure.cell[0]) == pytest.approx(neighbour, rel=1e-3)
    # The same truncated sum, differentiated by hand, at the cell where its pressure is zero.
    expected = lattice_sum_stiffness(result.structure.cell)
    assert np.abs(result.stiffness - expected).max() < 1e-4 * expected.max()
    # Cauchy's relation of central forces at zero pressure, C12 = C44.
    assert result.stiffness[0, 1] == pytest.approx(result.stiffness[3, 3], rel=2e-3)
    assert result.stability.word == "stable"
    assert result.collapse.word == "ok"
    assert result.averages_std.bulk_hill < 0.01 * result.averages.bulk_hill
    assert result.stiffness_std.max() > 0


def test_relaxed_curve_of_lennard_jones_fcc() -> None:
    relaxed = relax_cell(LennardJones(), crystal, settings=tight.relaxation).structure
    result = static_equation_of_state(
        LennardJones(),
        relaxed,
        volume_factors=(0.985, 0.99, 0.995, 1.0, 1.005, 1.01, 1.015),
        settings=tight,
    )
    # K₀' of Lennard-Jones is 8: over ±1 % a second-order curve (K₀' = 4) is good to a few 1e-4.
    assert result.window.bulk_modulus == pytest.approx(literature_bulk, rel=0.012)
    assert result.window.volume0 == pytest.approx(relaxed.volume, rel=1e-3)


def test_fluctuations_of_lennard_jones_fcc_at_low_temperature() -> None:
    """Metropolis sampling of the cell at zero pressure and 1 K: no theory of elasticity in it."""
    temperature, walkers, sweeps = 1.0, 400, 600
    generator = np.random.default_rng(0)
    half = grid[(grid @ [10000, 100, 1]) > 0]
    half = half[np.linalg.norm(half @ primitive, axis=1) < cutoff]

    def energy(cells: np.ndarray) -> np.ndarray:
        metric = cells @ np.swapaxes(cells, 1, 2)
        weights = half[:, :, None] * half[:, None, :]
        s6 = (sigma**2 / np.einsum("nij,wij->wn", weights, metric, optimize=True)) ** 3
        return 4 * epsilon * (s6**2 - s6).sum(axis=1)

    # One atom per cell, as stiff against strain as its own volume makes it: of 64 atoms' worth.
    copies = 64
    cells = np.repeat(primitive[None], walkers, axis=0)
    now = copies * energy(cells)
    kept = []
    width = 0.6 * np.sqrt(kB * temperature / (copies * np.linalg.det(primitive) * literature_bulk))
    for sweep in range(sweeps):
        shake = generator.normal(size=(walkers, 3, 3)) * width
        trial = cells @ (np.eye(3) + 0.5 * (shake + np.swapaxes(shake, 1, 2)))
        then = copies * energy(trial)
        accept = generator.random(walkers) < np.exp((now - then) / (kB * temperature))
        cells, now = np.where(accept[:, None, None], trial, cells), np.where(accept, then, now)
        if sweep >= 200:
            kept.append(cells)
    # One walker after another: stretches of 400 correlated cells.
    chain = np.swapaxes(np.stack(kept), 0, 1).reshape(-1, 3, 3)
    result = strain_fluctuations(
        chain * copies ** (1 / 3),
        temperature=temperature,
        generator=generator,
        settings=FluctuationSettings(bootstrap_samples=200, discard=0),
    )
    expected = elasticity.averages(lattice_sum_stiffness(), np.linalg.inv(lattice_sum_stiffness()))
    for name in ("bulk_voigt", "bulk_reuss", "shear_voigt", "shear_reuss"):
        value, std = getattr(result.averages, name), getattr(result.averages_std, name)
        # At 1 K zero-point motion is absent (classical) and anharmonicity is below 0.5 %.
        assert abs(value - getattr(expected, name)) < 4 * std + 0.005 * value
        assert std < 0.05 * value
    assert result.averages.bulk_reuss == pytest.approx(literature_bulk, rel=0.05)


def test_sweep_of_lennard_jones_fcc_at_low_temperature() -> None:
    """Pressures of the crystal at 1 K: static ones and the kinetic part, with thermal scatter."""
    generator = np.random.default_rng(1)
    settings = StrainSweepSettings(step=0.005, temperature=1.0)
    holds = []
    for number, direction in [(0, "start"), *[(k, d) for d in ("compression", "expansion")
                                              for k in (1, 2)]]:  # fmt: skip
        sign = {"start": 0, "compression": -1, "expansion": 1}[direction]
        factor = (1 + sign * 0.005) ** number
        there = crystal.scaled_to(primitive * factor ** (1 / 3))
        total = LennardJones()(there).pressure_virial + kB * 1.0 / there.volume
        noisy = total + 0.005 * GPa * generator.normal(size=4000)
        holds.append(
            hold_from_series(
                noisy,
                volume=there.volume,
                settings=settings,
                direction=direction,
                number=number,
            )
        )
    result = analyse_sweep(holds, mass=39.95, settings=settings)
    # Second order on a crystal with K₀' = 8 within ±1 %: 0.3 % of K; tail 0.6 %.
    off = abs(result.bulk_modulus - literature_bulk)
    assert off < 3 * result.bulk_modulus_std + 0.01 * literature_bulk
    assert result.bulk_modulus_std < 0.02 * result.bulk_modulus


# ------------------------------------------------------------------ harmonic, with internal motion


@dataclass(frozen=True)
class Springs:
    """Springs between given pairs (i, j, image), each at rest at its first length."""

    pairs: np.ndarray
    images: np.ndarray
    stiffness: np.ndarray
    rest: np.ndarray
    name: str = "springs"
    species: tuple[int, ...] = (18,)
    cutoff: float = 0.0
    sha256: str = "1" * 64

    def vectors(self, structure: Structure) -> np.ndarray:
        i, j = self.pairs.T
        return structure.positions[j] - structure.positions[i] + self.images @ structure.cell

    def __call__(self, structure: Structure) -> Prediction:
        d = self.vectors(structure)
        r = np.linalg.norm(d, axis=1)
        pull = (self.stiffness * (r - self.rest) / r)[:, None] * d
        forces = np.zeros_like(structure.positions)
        np.add.at(forces, self.pairs[:, 0], pull)
        np.add.at(forces, self.pairs[:, 1], -pull)
        energy = 0.5 * float(np.sum(self.stiffness * (r - self.rest) ** 2))
        return Prediction(energy, forces, pull.T @ d / structure.volume)


@pytest.fixture(scope="module")
def network() -> tuple[Structure, Springs]:
    """Eight atoms without symmetry, each tied to its neighbours: atoms move when it is strained."""
    generator = np.random.default_rng(3)
    cell = np.array([[5.0, 0, 0], [0.4, 5.2, 0], [-0.3, 0.5, 4.8]])
    fractional = (np.indices((2, 2, 2)).reshape(3, -1).T + 0.12 * generator.normal(size=(8, 3))) / 2
    structure = Structure(np.full(8, 18), fractional @ cell, cell)
    pairs, images = [], []
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for i in range(8):
        for j in range(8):
            for shift in shifts:
                d = structure.positions[j] - structure.positions[i] + shift @ cell
                if (i, 0) < (j, 1) and 0.1 < np.linalg.norm(d) < 3.3 and (i < j):
                    pairs.append((i, j))
                    images.append(shift)
    springs = Springs(
        np.array(pairs), np.array(images), generator.uniform(0.5, 3.0, len(pairs)), np.zeros(1)
    )
    rest = np.linalg.norm(springs.vectors(structure), axis=1)
    return structure, Springs(springs.pairs, springs.images, springs.stiffness, rest)


def exact_stiffness(structure: Structure, springs: Springs) -> tuple[np.ndarray, np.ndarray]:
    """(relaxed, affine) C: the extension of a spring is n·(u_j − u_i) + r n·ε·n; the displacements
    that minimise ½ Σ k (extension)² are eliminated by linear algebra."""
    d = springs.vectors(structure)
    r = np.linalg.norm(d, axis=1)
    n = d / r[:, None]
    affine = np.stack(
        [r * n[:, i] * n[:, j] for i, j in elasticity.voigt_pairs], axis=1
    )  # × doubled shear
    motion = np.zeros((len(r), len(structure), 3))
    rows = np.arange(len(r))
    motion[rows, springs.pairs[:, 1]] += n
    motion[rows, springs.pairs[:, 0]] -= n
    motion = motion.reshape(len(r), -1)
    k = springs.stiffness[:, None]
    hessian, coupling = motion.T @ (k * motion), motion.T @ (k * affine)
    unrelaxed = affine.T @ (k * affine)
    relaxed = unrelaxed - coupling.T @ np.linalg.pinv(hessian, rcond=1e-10) @ coupling
    return relaxed / structure.volume, unrelaxed / structure.volume


def test_static_tensor_with_internal_relaxation(network: tuple[Structure, Springs]) -> None:
    structure, springs = network
    relaxed, affine = exact_stiffness(structure, springs)
    # The test means something: internal motion takes a tenth and more off the affine constants.
    assert np.abs(relaxed - affine).max() > 0.1 * relaxed.max()
    result = static_elasticity(springs, structure, settings=tight)
    assert result.stiffness == pytest.approx(relaxed, abs=2e-3 * relaxed.max())
    assert np.abs(result.stiffness - relaxed).max() < 20 * result.stiffness_std.max()
    assert result.eigenvalues == pytest.approx(elasticity.stiffness_eigenvalues(relaxed), rel=0.02)


def test_relaxation_finds_the_minimum(network: tuple[Structure, Springs]) -> None:
    structure, springs = network
    generator = np.random.default_rng(4)
    shaken = structure.with_positions(
        structure.positions + 0.05 * generator.normal(size=structure.positions.shape)
    )
    settings = RelaxationSettings(force=1e-6, stress=1e-6)
    result = relax_positions(springs, shaken, settings=settings)
    assert result.prediction.energy < 1e-10
    assert result.force < 1e-6
    squeezed = shaken.scaled_to(structure.cell @ (np.eye(3) + 0.02 * np.ones((3, 3))))
    both = relax_cell(springs, squeezed, settings=settings)
    assert both.prediction.energy < 1e-10
    assert both.stress < 1e-6 * GPa
    assert both.structure.volume == pytest.approx(structure.volume, rel=1e-6)
    with pytest.raises(InputError, match="did not converge in 3 iterations"):
        relax_positions(springs, shaken, settings=RelaxationSettings(max_iterations=3))


def test_collapse_is_reported() -> None:
    """Started at 15 % too large a volume, relaxation loses more than a framework may."""
    swollen = crystal.scaled_to(primitive * 1.15 ** (1 / 3))
    result = static_elasticity(LennardJones(), swollen, settings=tight)
    assert result.collapse.word == "collapsed"
    assert "closed-pore" in result.collapse.sentence


@pytest.mark.parametrize("change", [1.05, 1 / 1.05])
def test_a_structure_far_from_zero_pressure_is_doubtful(change: float) -> None:
    far = crystal.scaled_to(primitive * change ** (1 / 3))
    result = static_elasticity(LennardJones(), far, settings=tight)
    assert result.collapse.word == "doubtful"
    relaxed = result.volume / far.volume
    assert relaxed == pytest.approx(1 / change, abs=0.005)  # cut off, hence another minimum
    assert f"{relaxed - 1:+.1%}" in result.collapse.sentence
