"""A liquid whose forces and virial are known exactly: springs inside molecules, LJ between."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from zifglass.core import ArrayTrajectory, Frame, Prediction, Structure
from zifglass.core.units import kB, kinetic_unit

Array = NDArray[np.float64]

DEUTERIUM = 2.014101777


@dataclass(frozen=True)
class Water:
    """A toy potential of H-O-H molecules (order O H H): k₁ = 50 eV/Å² (O–H, 0.96 Å),
    k₂ = 10 eV/Å² (H–H, 1.52 Å), Lennard-Jones between O (0.15 eV, 3.1 Å), no cutoff but the
    minimum image. Every force is a pair force, so the virial is −(1/V) Σ r⊗f."""

    name: str = "toy water"
    species: tuple[int, ...] = (1, 8)
    cutoff: float = 0.0
    sha256: str = "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        return Prediction(*self.evaluate(structure.positions, structure.cell))

    def evaluate(self, x: Array, cell: Array) -> tuple[float, Array, Array]:
        oxygen = np.arange(0, len(x), 3)
        a, b = np.triu_indices(len(oxygen), k=1)
        i = np.concatenate([oxygen, oxygen, oxygen + 1, oxygen[a]])
        j = np.concatenate([oxygen + 1, oxygen + 2, oxygen + 2, oxygen[b]])
        d = x[j] - x[i]
        d -= np.round(d @ np.linalg.inv(cell)) @ cell
        r = np.linalg.norm(d, axis=1)
        n = len(oxygen)
        k = np.repeat([50.0, 50.0, 10.0], n)
        rest = np.repeat([0.96, 0.96, 1.52], n)
        s6 = (3.1 / r[3 * n :]) ** 6
        energy = 0.5 * np.sum(k * (r[: 3 * n] - rest) ** 2) + 0.6 * np.sum(s6 * s6 - s6)
        slope = np.concatenate(
            [k * (r[: 3 * n] - rest), 0.6 * (-12 * s6 * s6 + 6 * s6) / r[3 * n :]]
        )
        f = (slope / r)[:, None] * d  # on i
        forces = np.zeros_like(x)
        np.add.at(forces, i, f)
        np.add.at(forces, j, -f)
        return float(energy), forces, (d.T @ f) / abs(float(np.linalg.det(cell)))


def simulate(
    *, frames: int, every: int, seed: int, temperature: float = 1500.0, box: float = 10.6
) -> ArrayTrajectory:
    """Langevin dynamics of 27 molecules with deuterium, 0.5 fs; virial labels, no defect."""
    rng = np.random.default_rng(seed)
    water = Water()
    numbers = np.tile([8, 1, 1], 27)
    masses = np.where(numbers == 1, DEUTERIUM, 15.999)
    grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 1, 3) * box / 3
    molecule = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    turns = np.linalg.qr(rng.normal(size=(27, 3, 3)))[0]
    x = (grid + molecule @ turns).reshape(-1, 3)
    cell = np.eye(3) * box
    sigma = np.sqrt(kB * temperature / masses / kinetic_unit)[:, None]
    v = sigma * rng.normal(size=x.shape)
    step, friction = 0.5, np.exp(-0.5 / 50.0)
    force = water.evaluate(x, cell)[1]
    result = []
    for number in range(frames * every + 1000):
        v += 0.5 * step * force / masses[:, None] / kinetic_unit
        x = x + 0.5 * step * v
        v = friction * v + np.sqrt(1 - friction**2) * sigma * rng.normal(size=x.shape)
        x = x + 0.5 * step * v
        energy, force, stress = water.evaluate(x, cell)
        v += 0.5 * step * force / masses[:, None] / kinetic_unit
        if number >= 1000 and (number - 1000) % every == 0:
            twice = kinetic_unit * np.sum(masses[:, None] * v**2)
            result.append(
                Frame(
                    Structure(numbers, x, cell),
                    time=(number - 1000) * step,
                    velocities=v.copy(),
                    energy=energy - 12000.0,
                    forces=force,
                    stress=stress,
                    temperature=float(twice / (3 * len(x) * kB)),
                    unwrapped=True,
                    index=len(result),
                )
            )
    return ArrayTrajectory(result, source="toy.extxyz")


@pytest.fixture(scope="session")
def water() -> Water:
    return Water()


@pytest.fixture(scope="session")
def liquid() -> ArrayTrajectory:
    """150 nearly independent frames, 30 fs apart."""
    return simulate(frames=150, every=60, seed=1)


@pytest.fixture(scope="session")
def consecutive() -> ArrayTrajectory:
    """60 frames, 0.5 fs apart."""
    return simulate(frames=60, every=1, seed=2)


def changed(trajectory: ArrayTrajectory, change: object) -> ArrayTrajectory:
    """Every frame through `change(frame)`, which returns the fields to replace."""
    return ArrayTrajectory(
        [replace(frame, **change(frame)) for frame in trajectory],  # type: ignore[operator]
        source=trajectory.source,
    )
