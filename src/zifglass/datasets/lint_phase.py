"""Frames that are not liquid in a set that is meant to be."""

from __future__ import annotations

import numpy as np

from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core.units import ps

from .findings import Finding, frames_text
from .labelled import Indices, LabelledSet


def lint_phase(data: LabelledSet, crystal: Structure) -> tuple[list[Finding], list[str]]:
    """Frames of each run before the onset of melting, by `analysis.melting` (three clocks).

    crystal: what the runs melted from, the same atoms in the same order. A run on which the
    clocks do not agree, or without times, is left to a note.
    """
    if data.times is None:
        return [], [f"{data.source}: phase not judged (frames have no times)"]
    solid: list[Indices] = []
    notes: list[str] = []
    for run in data.runs():
        found, note = _solid_frames(data, run, crystal)
        solid.append(run[found])
        notes += [note] if note else []
    frames = np.concatenate(solid)
    if not len(frames):
        return [], notes
    what = f"{len(frames)} of {len(data)} frames are not liquid"
    where = f"{data.source}, {frames_text(frames)}"
    mend = "leave out what comes before the onset of melting"
    values = {"frames": frames.tolist()}
    return [Finding("frames.not-liquid", "warning", what, where, mend, values)], notes


def _solid_frames(
    data: LabelledSet, run: Indices, crystal: Structure
) -> tuple[Indices, str | None]:
    """(frames within the run that are not liquid, a note)."""
    from zifglass.analysis import melting

    assert data.times is not None
    none = np.empty(0, dtype=np.int64)
    times = data.times[run]
    trajectory = ArrayTrajectory.from_arrays(
        data.numbers, data.positions[run], data.cells[run], times=times, source=data.source
    )
    reference = crystal.scaled_to(data.cells[run[0]])
    try:
        result = melting(trajectory, reference=reference)
    except InputError as error:
        return none, f"{data.source}: phase not judged ({error.message})"
    span = f"{frames_text(run[[0, -1]])}: {result.verdict.sentence}"
    if result.verdict.word == "solid":
        return np.arange(len(run)), None
    if result.verdict.word == "undecided" or result.onset is None:
        return none, f"{data.source}, {span}"
    return np.flatnonzero(
        times < result.onset
    ), f"{data.source}: liquid from {result.onset / ps:.1f} ps"
