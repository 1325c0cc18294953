"""Several potentials of one training that differ by chance: where they disagree, none is to be
trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Potential, Prediction, Structure, as_structure

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Standard deviations over the members of a committee, as n − 1 estimates them.

    forces (atoms,): eV/Å, of the vector on each atom, √(Σ|F − ⟨F⟩|²/(n − 1)). energy: eV per
    atom. stress: eV/Å³, root of the mean square over the nine components.
    """

    forces: Array
    energy: float
    stress: float


class Committee:
    """Members as one potential: the mean of their predictions, and their disagreement.

    The mean is conservative, as each member is. Raises InputError with fewer than two members and
    for members of different species. Cost: that of all members.
    """

    def __init__(self, members: Sequence[Potential], *, name: str | None = None) -> None:
        if len(members) < 2:
            raise InputError(f"a committee has two members at least; got {len(members)}")
        for member in members[1:]:
            if set(member.species) != set(members[0].species):
                raise InputError(
                    f"the members of a committee know the same elements; {members[0].name} and "
                    f"{member.name} do not"
                )
        self.members = tuple(members)
        self._name = name or "committee of " + ", ".join(member.name for member in members)

    @property
    def name(self) -> str:
        return self._name

    @property
    def species(self) -> tuple[int, ...]:
        return self.members[0].species

    @property
    def cutoff(self) -> float:
        return max(member.cutoff for member in self.members)

    @property
    def sha256(self) -> str:
        joined = " ".join(member.sha256 for member in self.members)
        return hashlib.sha256(joined.encode()).hexdigest()

    def predictions(self, structure: Structure) -> list[Prediction]:
        """What each member says."""
        structure = as_structure(structure)
        return [member(structure) for member in self.members]

    def __call__(self, structure: Structure) -> Prediction:
        """The mean of the members."""
        return mean_prediction(self.predictions(structure))

    def disagreement(self, structure: Structure) -> Disagreement:
        """How far the members are apart on this structure."""
        return disagreement(self.predictions(structure))


def mean_prediction(predictions: Sequence[Prediction]) -> Prediction:
    """Means of energy, forces, stress, and of atoms' energies where all have them."""
    energies = [p.energies for p in predictions if p.energies is not None]
    whole = len(energies) == len(predictions)
    return Prediction(
        energy=float(np.mean([p.energy for p in predictions])),
        forces=np.mean([p.forces for p in predictions], axis=0),
        stress=np.mean([p.stress for p in predictions], axis=0),
        energies=np.mean(energies, axis=0) if whole else None,
    )


def disagreement(predictions: Sequence[Prediction]) -> Disagreement:
    """The spread of two or more predictions of one structure."""
    forces = np.array([p.forces for p in predictions])
    energies = np.array([p.energy for p in predictions])
    stress = np.array([p.stress for p in predictions])
    return Disagreement(
        forces=np.sqrt(forces.var(axis=0, ddof=1).sum(axis=1)),
        energy=float(energies.std(ddof=1)) / forces.shape[1],
        stress=float(np.sqrt(stress.var(axis=0, ddof=1).mean())),
    )
