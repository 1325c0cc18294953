"""Frames at 0 K: on the way to the crystal's minima, between them, and near them.

Runs at 300 K and above leave the shallow directions of the cell to chance: the student of round 3
had the relaxed crystal 3.6 % too large, by an error of 0.4 meV per atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zifglass.core import Frame, Potential, Prediction, Structure
from zifglass.io import structures
from zifglass.mechanics.relaxation import RelaxationSettings, relax_cell, relax_positions


class _Remembering:
    """A potential that keeps every structure it was asked for."""

    def __init__(self, potential: Potential) -> None:
        self._potential = potential
        self.seen: list[Structure] = []

    def __call__(self, structure: Structure) -> Prediction:
        self.seen.append(structure)
        return self._potential(structure)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._potential, name)

    def some(self, count: int) -> list[Structure]:
        picked = np.unique(np.linspace(0, len(self.seen) - 1, count).astype(int))
        return [self.seen[i] for i in picked]


def cold_frames(student: Potential, teacher: Potential, rng: np.random.Generator) -> list[Frame]:
    """Unlabelled: relaxed structures at volumes of −5 to +8 %; relaxations of the cell by both, the
    teacher's also from the student's minimum; the line between the two minima; all but the paths
    with strained and rattled copies."""
    crystal = structures.load("zif4")
    at_volumes = [
        relax_positions(
            student, scaled(crystal, strain), settings=RelaxationSettings(force=0.02)
        ).structure
        for strain in np.linspace(-0.05, 0.08, 12)
    ]
    paths = [_Remembering(student), _Remembering(teacher), _Remembering(teacher)]
    mine = relax_cell(paths[0], crystal).structure
    its = relax_cell(paths[1], mine).structure
    other = relax_cell(paths[2], crystal).structure
    found = [structure for path in paths for structure in path.some(30)]
    for share in np.linspace(-0.4, 1.4, 13):
        found.append(
            Structure(
                crystal.numbers,
                mine.positions + share * (its.positions - mine.positions),
                mine.cell + share * (its.cell - mine.cell),
            )
        )
    for structure in (*at_volumes, mine, its, other, crystal):
        found += [structure, *copies(structure, rng)]
    return [Frame(structure, extras={"origin": "cold"}) for structure in found]


def scaled(structure: Structure, strain: float) -> Structure:
    """At another volume, atoms affinely."""
    factor = (1.0 + strain) ** (1.0 / 3.0)
    return Structure(structure.numbers, structure.positions * factor, structure.cell * factor)


def copies(
    structure: Structure,
    rng: np.random.Generator,
    *,
    widths: Sequence[float] = (0.01, 0.03, 0.05),
    strain: float = 0.007,
) -> list[Structure]:
    """Rattled by each width (Å) and strained at random in every component."""
    found = []
    for width in widths:
        random = rng.normal(0.0, strain, (3, 3))
        turn = np.eye(3) + 0.5 * (random + random.T)
        rattle = rng.normal(0.0, width, structure.positions.shape)
        found.append(
            Structure(structure.numbers, structure.positions @ turn + rattle, structure.cell @ turn)
        )
    return found
