"""A set of labelled frames as arrays: what lint, select and split look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Structure, Trajectory, as_trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Frames of one file. What no frame has is None; what a frame lacks is NaN.

    numbers (atoms,), positions (n, atoms, 3) Å, cells (n, 3, 3) Å, energies (n,) eV, forces
    (n, atoms, 3) eV/Å, stress (n, 3, 3) eV/Å³ as labelled, velocities (n, atoms, 3) Å/fs,
    temperatures (n,) K, times (n,) fs.
    """

    source: str
    numbers: Indices
    positions: Array
    cells: Array
    energies: Array | None
    forces: Array | None
    stress: Array | None
    velocities: Array | None
    temperatures: Array | None
    times: Array | None

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def volumes(self) -> Array:
        """(n,) Å³."""
        return np.abs(np.linalg.det(self.cells))

    def structure(self, index: int) -> Structure:
        """Frame `index`."""
        return Structure(self.numbers, self.positions[index], self.cells[index])

    def sample(self, most: int) -> Indices:
        """Up to `most` frames, evenly spread over the set."""
        return np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))

    def runs(self) -> list[Indices]:
        """Frames grouped into runs: same cell (to 1e-4 Å) and times that only grow."""
        rounded = np.round(self.cells.reshape(len(self), -1), 4)
        _, label = np.unique(rounded, axis=0, return_inverse=True)
        groups = [np.flatnonzero(label.ravel() == k) for k in range(int(label.max()) + 1)]
        if self.times is None:
            return groups
        split: list[Indices] = []
        for group in groups:
            breaks = np.flatnonzero(np.diff(self.times[group]) <= 0) + 1
            split += np.split(group, breaks)
        return split


def labelled_set(value: Trajectory | Any) -> LabelledSet:
    """Read every frame of a trajectory (or what `as_trajectory` takes) into arrays."""
    trajectory = as_trajectory(value)
    frames = list(trajectory)
    if not frames:
        raise InputError("a data set needs at least one frame", trajectory.source)
    shapes = {"energy": (), "forces": (len(trajectory.numbers), 3), "stress": (3, 3)}
    shapes |= {"velocities": shapes["forces"], "temperature": (), "time": ()}

    def column(name: str) -> Array | None:
        values = [getattr(frame, name) for frame in frames]
        if all(value is None for value in values):
            return None
        gap = np.full(shapes[name], np.nan)
        return np.array([gap if value is None else value for value in values], dtype=np.float64)

    times = column("time")
    return LabelledSet(
        source=trajectory.source,
        numbers=trajectory.numbers,
        positions=np.array([frame.structure.positions for frame in frames]),
        cells=np.array([frame.structure.cell for frame in frames]),
        energies=column("energy"),
        forces=column("forces"),
        stress=column("stress"),
        velocities=column("velocities"),
        temperatures=column("temperature"),
        times=None if times is None or np.isnan(times).any() else times,
    )
