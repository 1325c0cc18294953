"""The cells of a trajectory, streamed, with what else it says about its ensemble."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zifglass.core.errors import InputError
from zifglass.core.statistics import mean_of_series
from zifglass.core.trajectory import Trajectory

Array = NDArray[np.float64]


class TrajectoryCells:
    """Iterating gives chunks (n, 3, 3) of cells, Å, and gathers the temperatures on the way."""

    def __init__(self, trajectory: Trajectory, *, chunk: int = 1024) -> None:
        self._trajectory = trajectory
        self._chunk = chunk
        self._temperatures: list[float] = []

    @property
    def interval(self) -> float | None:
        """fs between frames, None without a clock; InputError if they are not evenly spaced."""
        times = self._trajectory.times
        if times is None or len(times) < 2:
            return None
        steps = np.diff(times)
        if not steps.min() > 0 or np.ptp(steps) > 1e-3 * steps.mean():
            frame = int(np.argmax(np.abs(steps - np.median(steps)))) + 1
            raise InputError(
                f"frames must be evenly spaced in time; steps range from {steps.min():g} to "
                f"{steps.max():g} fs: give the stretches one by one",
                self._trajectory.source,
                frame=frame,
            )
        return float(steps.mean())

    def __iter__(self) -> Iterator[Array]:
        cells: list[Array] = []
        for frame in self._trajectory:
            cells.append(frame.structure.cell)
            if frame.temperature is not None:
                self._temperatures.append(frame.temperature)
            if len(cells) == self._chunk:
                yield np.stack(cells)
                cells = []
        if cells:
            yield np.stack(cells)

    def check_temperature(self, stated: float) -> None:
        """InputError if the frames' own temperatures say another one than `stated`, K.

        Refused: a difference of more than 2 % and of more than four standard errors.
        """
        if len(self._temperatures) < 10:
            return
        # The second half: a run may start cold.
        found = mean_of_series(np.array(self._temperatures[len(self._temperatures) // 2 :]))
        off = abs(found.mean - stated)
        if off > 0.02 * stated and off > 4.0 * found.std:
            raise InputError(
                f"the temperature was given as {stated:g} K, but the frames of this run have "
                f"{found.mean:.1f} ± {found.std:.1f} K",
                self._trajectory.source,
            )
