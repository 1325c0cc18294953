"""Crystals that vibrate and crystals that come apart, rigid linkers and Zn moved by hand."""

from __future__ import annotations

import numpy as np

from zifglass.analysis import linkers
from zifglass.core import ArrayTrajectory
from zifglass.core.units import ps
from zifglass.datasets import labelled_set
from zifglass.datasets.lint_phase import lint_phase
from zifglass.io.structures import load

crystal = load("zif8")
spacing = 200.0  # fs


def moved(*, until: float, onset: float, seed: int) -> ArrayTrajectory:
    """Vibrations of 0.08 Å; from `onset` (ps) on, every Zn and every linker walks at random with
    0.1 Å²/ps."""
    rng = np.random.default_rng(seed)
    owner = linkers(crystal).owner
    pieces = np.where(owner >= 0, owner, owner.max() + 1 + np.arange(len(owner)))
    labels = np.unique(pieces, return_inverse=True)[1].ravel()
    frames, first = round(until * ps / spacing), round(onset * ps / spacing)
    path = rng.normal(scale=0.08, size=(frames, labels.max() + 1, 3))
    if first < frames:
        step = np.sqrt(2 * 0.1 * spacing / ps)
        path[first:] += np.cumsum(rng.normal(scale=step, size=path[first:].shape), axis=0)
    return ArrayTrajectory.from_arrays(
        crystal.numbers,
        crystal.positions + path[:, labels],
        crystal.cell,
        times=spacing * np.arange(frames),
    )


def test_a_crystal_is_not_liquid() -> None:
    findings, _ = lint_phase(labelled_set(moved(until=25, onset=99, seed=1)), crystal)
    assert [item.code for item in findings] == ["frames.not-liquid"]
    assert len(findings[0].values["frames"]) == 125


def test_only_what_comes_before_the_onset_is_found() -> None:
    data = labelled_set(moved(until=40, onset=12, seed=2))
    findings, notes = lint_phase(data, crystal)
    assert [item.code for item in findings] == ["frames.not-liquid"], notes
    frames = np.array(findings[0].values["frames"])
    assert data.times is not None
    assert abs(data.times[frames].max() / ps - 12) < 5


def test_a_liquid_raises_no_alarm() -> None:
    data = labelled_set(moved(until=40, onset=0, seed=3)[25:])
    findings, notes = lint_phase(data, crystal)
    assert findings == [], notes


def test_without_times_a_note_says_so() -> None:
    bare = ArrayTrajectory.from_arrays(
        crystal.numbers, np.array([crystal.positions] * 3), crystal.cell
    )
    assert lint_phase(labelled_set(bare), crystal) == (
        [], ["memory: phase not judged (frames have no times)"],
    )  # fmt: skip
