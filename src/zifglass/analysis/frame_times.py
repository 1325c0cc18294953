"""The times of frames as a clock: one step between all of them, or one that all have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core import InputError, Trajectory

Array = NDArray[np.float64]

_FINEST = 64  # uneven frames lie on a grid this much finer than they are many, at most


def frame_times(trajectory: Trajectory, timestep: float | None = None) -> Array:
    """The time of each frame (frames,), fs. Raises InputError on fewer than two frames, no times,
    times that do not increase."""
    if len(trajectory) < 2:
        raise InputError(
            f"motion needs at least two frames; got {len(trajectory)}", trajectory.source
        )
    if timestep is not None:
        if not (np.isfinite(timestep) and timestep > 0):
            raise InputError(f"a timestep is a positive number of fs; got {timestep}")
        return timestep * np.arange(len(trajectory), dtype=np.float64)
    times = trajectory.times
    if times is None:
        raise InputError(
            "these frames carry no times: give the timestep in fs (--timestep: of the run for a "
            "LAMMPS dump, between frames for other files)",
            trajectory.source,
        )
    steps = np.diff(times)
    if not (steps > 0).all():
        frame = int(np.argmin(steps > 0)) + 1
        raise InputError(
            f"times must increase from frame to frame; this one is {steps[frame - 1]:g} fs after "
            "the one before",
            trajectory.source,
            frame=frame,
        )
    return np.asarray(times, dtype=np.float64)


def frame_spacing(trajectory: Trajectory, timestep: float | None = None) -> float:
    """fs between frames: `timestep` where given, else from the times, which must be even. Raises
    InputError as `frame_times` does, and on uneven times."""
    times = frame_times(trajectory, timestep)
    steps = np.diff(times)
    step = float(np.median(steps))
    if not _is_even(steps):
        frame = int(np.argmax(np.abs(steps - step) > 1e-3 * step)) + 1
        raise InputError(
            f"frames must be evenly spaced in time (here {step:g} fs); the spacing before this "
            f"one is {steps[frame - 1]:g} fs",
            trajectory.source,
            frame=frame,
        )
    return timestep or float(times[-1] - times[0]) / (len(times) - 1)


def frame_ticks(
    trajectory: Trajectory, timestep: float | None = None
) -> tuple[float, NDArray[np.int64]]:
    """A step, fs, and the time of each frame since the first in whole numbers of it (frames,):
    the longest step that all have in common, to a hundredth of it. Raises InputError as
    `frame_times` does, and where there is no such step."""
    times = frame_times(trajectory, timestep)
    steps = np.diff(times)
    if _is_even(steps):
        return frame_spacing(trajectory, timestep), np.arange(len(times))
    for parts in range(1, _FINEST + 1):
        apart = np.rint(steps / (steps.min() / parts))
        if apart.sum() > _FINEST * len(times):
            break
        step = float(steps.sum() / apart.sum())
        if (np.abs(steps - apart * step) <= 0.01 * step).all():
            return step, np.concatenate([[0], np.cumsum(apart)]).astype(np.int64)
    raise InputError(
        f"the times of these frames, {steps.min():g} to {steps.max():g} fs apart, are no whole "
        "numbers of a common step: give stretches that are evenly spaced one by one",
        trajectory.source,
    )


def _is_even(steps: Array) -> bool:
    return bool((np.abs(steps - np.median(steps)) <= 1e-3 * np.median(steps)).all())
