"""Small potentials in plain numpy, smooth and translation- and rotation-invariant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Prediction, Structure
from zifglass.core.units import kB

Array = NDArray[np.float64]


def fcc(lattice_constant: float, repeats: int, number: int = 18) -> Structure:
    """A cubic piece of an fcc crystal."""
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = Structure([number] * 4, basis * lattice_constant, np.eye(3) * lattice_constant)
    return cell.repeat((repeats,) * 3)


@dataclass(frozen=True)
class LennardJones:
    """Argon, ε = 0.0104 eV, σ = 3.4 Å; r⁻⁶ and r⁻¹² are switched off smoothly (C²) between
    0.8 and 1 times the cutoff. All pairs, minimum image: the cell must be twice the cutoff."""

    cutoff: float = 5.2
    epsilon: float = 0.0104
    sigma: float = 3.4
    species: tuple[int, ...] = (18,)
    name: str = "lennard-jones"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def __call__(self, structure: Structure) -> Prediction:
        n = len(structure)
        first, second = _pairs(n)
        vectors = structure.positions[second] - structure.positions[first]
        inverse = np.linalg.inv(structure.cell)
        vectors = vectors - np.round(vectors @ inverse) @ structure.cell
        squared = np.einsum("ij,ij->i", vectors, vectors)
        near = squared < self.cutoff**2
        first, second, vectors = first[near], second[near], vectors[near]
        r = np.sqrt(squared[near])
        six = (self.sigma / r) ** 6
        bare = 4 * self.epsilon * (six * six - six)
        slope = 4 * self.epsilon * (6 * six - 12 * six * six) / r
        x = np.clip((r / self.cutoff - 0.8) / 0.2, 0.0, 1.0)
        switch = 1 - x**3 * (10 - 15 * x + 6 * x * x)
        dswitch = -30 * x * x * (1 - x) ** 2 / (0.2 * self.cutoff)
        energy = float((bare * switch).sum())
        pair = ((slope * switch + bare * dswitch) / r)[:, None] * vectors
        return _collect(n, first, second, vectors, pair, energy, structure.volume)


@dataclass(frozen=True, eq=False)
class Springs:
    """Harmonic bonds of natural length `length` and strength `stiffness` (eV/Å²) between the
    nearest neighbours of a crystal; they never break."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    offsets: Array
    length: float
    stiffness: float = 1.0
    species: tuple[int, ...] = (18,)
    name: str = "springs"
    cutoff: float = 0.0

    @classmethod
    def of(cls, crystal: Structure, *, stiffness: float = 1.0, reach: float = 1.1) -> Springs:
        grid = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T
        delta = crystal.positions[None, :, None] - crystal.positions[:, None, None]
        distance = np.linalg.norm(delta + (grid @ crystal.cell)[None, None], axis=-1)
        shortest = distance[distance > 1e-6].min()
        i, j, k = np.nonzero((distance > 1e-6) & (distance < reach * shortest))
        once = (i < j) | ((i == j) & (k > 13))
        numbers = tuple(sorted({int(z) for z in crystal.numbers}))
        return cls(i[once], j[once], grid[k[once]].astype(float), shortest, stiffness, numbers)

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(repr((self.length, self.stiffness)).encode())
        digest.update(self.first.tobytes() + self.second.tobytes())
        return digest.hexdigest()

    def __call__(self, structure: Structure) -> Prediction:
        vectors = structure.positions[self.second] - structure.positions[self.first]
        vectors = vectors + self.offsets @ structure.cell
        r = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        stretch = r - self.length
        energy = 0.5 * self.stiffness * float((stretch * stretch).sum())
        pair = (self.stiffness * stretch / r)[:, None] * vectors
        n = len(structure)
        return _collect(n, self.first, self.second, vectors, pair, energy, structure.volume)


@dataclass(frozen=True)
class IdealGas:
    """No interaction at all: its P, V, T are known exactly, and its cost is nothing."""

    species: tuple[int, ...] = (1, 2, 6, 7, 18, 30)
    name: str = "ideal-gas"
    cutoff: float = 0.0
    sha256: str = "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        return Prediction(0.0, np.zeros((len(structure), 3)), np.zeros((3, 3)))


class CountingClock:
    """Stands for `time` in `zifglass.dynamics.stops`: a second goes by at every look, one per
    step, so that where `max_wall` ends a run does not depend on the machine."""

    now = 0.0

    def monotonic(self) -> float:
        """s."""
        self.now += 1.0
        return self.now


def thermal_energy(temperature: float) -> float:
    """k_B T, eV."""
    return kB * temperature


def _collect(
    n: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    vectors: Array,
    pair: Array,
    energy: float,
    volume: float,
) -> Prediction:
    """`pair` (pairs, 3): the force on `first`; its reaction acts on `second`."""
    forces = np.empty((n, 3))
    for axis in range(3):
        forces[:, axis] = np.bincount(first, pair[:, axis], n) - np.bincount(
            second, pair[:, axis], n
        )
    return Prediction(energy, forces, np.einsum("ij,ik->jk", vectors, pair) / volume)


_cache: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}


def _pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if n not in _cache:
        _cache[n] = tuple(np.triu_indices(n, 1))  # type: ignore[assignment]
    return _cache[n]
