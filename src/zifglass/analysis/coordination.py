"""How many neighbours each centre has: mean, distribution, against time. See README.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._native import coordination_numbers
from ..core import Frame, InputError, Structure, as_structure, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.statistics import mean_of_series
from .accumulate import accumulate, known_times, present

Array = NDArray[np.float64]


class CoordinationSettings(Settings):
    """Who counts as a neighbour of whom."""

    centre: str = Field(default="Zn", description="element of the centres")
    neighbour: str = Field(default="N", description="element of the neighbours")
    cutoff: float = Field(
        default=2.5, gt=0, allow_inf_nan=False, description="Å; neighbours are closer than this"
    )


_defaults = CoordinationSettings()


@dataclass(frozen=True, eq=False)
class Coordination:
    """Coordination numbers of the centres.

    mean, mean_std: over centres and frames. numbers (k,): 0, 1, … the largest seen.
    distribution, distribution_std (k,): the fraction of centres with each. per_frame (frames,):
    the mean of each frame; per_frame_distribution (frames, k): its fractions. times (frames,):
    fs, or None. The std are standard errors with the correlation in time accounted for; NaN for
    one frame.
    """

    mean: float
    mean_std: float
    numbers: NDArray[np.int64]
    distribution: Array
    distribution_std: Array
    per_frame: Array
    per_frame_distribution: Array
    times: Array | None


class CoordinationAccumulator:
    """Counts of centres by coordination number. Memory: a few whole numbers per frame."""

    def __init__(
        self, numbers: NDArray[np.int64], settings: CoordinationSettings | None = None
    ) -> None:
        self.settings = settings or CoordinationSettings()
        self._roles = roles_of(numbers, self.settings)
        self._centres = int((self._roles & 1).sum())
        self._counts: list[NDArray[np.int64]] = []
        self._times: list[float | None] = []

    def update(self, frame: Frame) -> None:
        numbers = _numbers(frame.structure, self._roles, self._centres, self.settings.cutoff)
        self._counts.append(np.bincount(numbers))
        self._times.append(frame.time)

    def merge(self, later: Self) -> None:
        self._counts += later._counts
        self._times += later._times

    def finalise(self) -> Coordination:
        longest = max(len(counts) for counts in self._counts)
        table = np.zeros((len(self._counts), longest))
        for row, counts in zip(table, self._counts, strict=True):
            row[: len(counts)] = counts / self._centres
        numbers = np.arange(longest)
        per_frame = table @ numbers
        mean = mean_of_series(per_frame)
        fractions = [mean_of_series(column) for column in table.T]
        return Coordination(
            mean=mean.mean,
            mean_std=mean.std,
            numbers=numbers,
            distribution=np.array([fraction.mean for fraction in fractions]),
            distribution_std=np.array([fraction.std for fraction in fractions]),
            per_frame=per_frame,
            per_frame_distribution=table,
            times=known_times(self._times),
        )


def coordination(
    trajectory: Any,
    *,
    centre: str = _defaults.centre,
    neighbour: str = _defaults.neighbour,
    cutoff: float = _defaults.cutoff,
) -> Coordination:
    """The number of `neighbour` atoms closer than `cutoff` (Å) to each `centre` atom.

    Images are counted, an atom itself is not. Raises InputError if an element is absent.
    """
    trajectory = as_trajectory(trajectory)
    settings = settings_from(
        CoordinationSettings, {"centre": centre, "neighbour": neighbour, "cutoff": cutoff}
    )
    return accumulate(
        trajectory, lambda: CoordinationAccumulator(trajectory.numbers, settings)
    ).finalise()


def coordination_of_centres(
    structure: Any, settings: CoordinationSettings | None = None
) -> NDArray[np.int64]:
    """The coordination number of every centre (centres,), in the order of the atoms."""
    structure = as_structure(structure)
    settings = settings or CoordinationSettings()
    roles = roles_of(structure.numbers, settings)
    return _numbers(structure, roles, int((roles & 1).sum()), settings.cutoff)


def roles_of(numbers: NDArray[np.int64], settings: CoordinationSettings) -> NDArray[np.int64]:
    """(atoms,): 1 for a centre, 2 for a neighbour, 3 for what is both."""
    centres = numbers == present(numbers, settings.centre)
    neighbours = numbers == present(numbers, settings.neighbour)
    return centres.astype(np.int64) + 2 * neighbours.astype(np.int64)


def _numbers(
    structure: Structure, roles: NDArray[np.int64], centres: int, cutoff: float
) -> NDArray[np.int64]:
    if len(structure) != len(roles):
        raise InputError(f"expected the {len(roles)} atoms of the start, got {len(structure)}")
    result = np.zeros(centres, dtype=np.int64)
    coordination_numbers(structure.positions, structure.cell, structure.pbc, roles, cutoff, result)
    return result
