"""Does the imported network compute what its source computes? Measured, stored, enforced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zifglass.core import InputError, Prediction, Structure
from zifglass.core.units import MPa, meV

TOLERANCE = {"float64": 1e-6, "float32": 1e-4}
"""Largest difference allowed, as a fraction of the largest value (or of 1 eV, 1 eV/Å, if that
is larger), by the precision in which the source runs. A network of order-one features in 24-bit
numbers is good to about 1e-5; a deployed model carries its Wigner 3j tensors in 24 bits too,
which leaves 1e-7 even when all else runs in 53."""


@dataclass(frozen=True)
class Agreement:
    """Largest differences between source and network over `structures` structures: energy
    (meV/atom, the mean over the atoms of a structure), forces (meV/Å, any component), stress
    (MPa, any component); relative: the worst of the three as TOLERANCE counts."""

    precision: str
    structures: int
    energy: float
    forces: float
    stress: float
    relative: float

    def as_facts(self) -> dict[str, Any]:
        """For the facts of a network."""
        return {
            "measured": True,
            "units": {"energy": "meV/atom", "forces": "meV/Å", "stress": "MPa"},
            "tolerance": TOLERANCE[self.precision],
            **asdict(self),
        }


def not_measured(reason: str) -> dict[str, Any]:
    """The facts of a network whose source could not be run."""
    return {"measured": False, "reason": reason}


def compare(
    structures: Sequence[Structure],
    source: Sequence[Prediction],
    ours: Sequence[Prediction],
    *,
    precision: str,
) -> Agreement:
    """The differences. Raises InputError beyond TOLERANCE: such an import is not to be used."""
    worst = np.zeros(4)
    for structure, a, b in zip(structures, source, ours, strict=True):
        n, v = len(structure), structure.volume
        if not np.isfinite([a.energy, *a.forces.ravel(), *a.stress.ravel()]).all():
            raise InputError("the source of this import gives numbers that are not finite")
        energy = abs(a.energy - b.energy) / n
        forces = np.abs(a.forces - b.forces).max()
        stress = np.abs(a.stress - b.stress).max()
        relative = max(
            energy / max(1.0, abs(a.energy) / n),
            forces / max(1.0, np.abs(a.forces).max()),
            stress * v / n / max(1.0, np.abs(a.stress).max() * v / n),
        )
        worst = np.maximum(worst, [energy / meV, forces / meV, stress / MPa, relative])
    result = Agreement(precision, len(structures), *(float(x) for x in worst))
    if result.relative > TOLERANCE[precision]:
        raise InputError(
            "the imported network does not compute what its source computes: energies differ by "
            f"{result.energy:.3g} meV/atom, forces by {result.forces:.3g} meV/Å, stress by "
            f"{result.stress:.3g} MPa ({result.relative:.1e} of the largest value, where "
            f"{TOLERANCE[precision]:.0e} is allowed); it was not stored"
        )
    return result


def trial_structures(species: Sequence[int], rng: np.random.Generator) -> list[Structure]:
    """Small structures of all `species` at 0.06 atoms/Å³ (ZIF-4 has 0.062): a perturbed crystal,
    the same strained and sheared, a liquid-like one, one in a cell of 3 Å."""
    kinds = np.asarray(species)
    # Two of each species at least, and enough sites for a grid.
    side = max(2, int(np.ceil((2 * len(kinds)) ** (1 / 3))))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3) / side
    numbers = np.resize(kinds, side**3)
    length = (side**3 / 0.06) ** (1 / 3)
    cell = length * np.diag([0.95, 1.0, 1.05])
    crystal = Structure(numbers, grid @ cell + rng.normal(0, 0.12, (side**3, 3)), cell)
    strain = np.eye(3) + rng.normal(0, 0.04, (3, 3))
    return [
        crystal,
        crystal.scaled_to(cell @ strain),
        _liquid(numbers, length, rng),
        Structure(kinds[:1].repeat(2), np.array([[0.0, 0, 0], [1.5, 1.4, 1.3]]), 3.0 * np.eye(3)),
    ]


def _liquid(numbers: np.ndarray[Any, Any], length: float, rng: np.random.Generator) -> Structure:
    """Random positions at least 1 Å apart, images included."""
    offsets = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3) * length
    points: list[np.ndarray[Any, Any]] = []
    while len(points) < len(numbers):
        trial = rng.uniform(0, length, 3)
        if all(np.linalg.norm(trial - p + offsets, axis=1).min() > 1.0 for p in points):
            points.append(trial)
    return Structure(rng.permutation(numbers), np.array(points), length * np.eye(3))
