"""What a survey leaves out or refuses, and what it says when one of its processes goes."""

from __future__ import annotations

import os

import numpy as np
import pytest

from zifglass.analysis.survey import SurveySettings, _Job, _run, _wanted, survey
from zifglass.core import ArrayTrajectory, InputError, ZifglassError
from zifglass.io.structures import load


def test_a_killed_process_is_one_sentence() -> None:
    jobs = [_Job(("run", "frames", start), os._exit, (9,), 1) for start in range(3)]
    with pytest.raises(ZifglassError, match=r"one of the 2 processes .* was killed from outside"):
        list(_run(jobs, 2))


def test_uneven_frames_lose_only_what_needs_even_ones() -> None:
    crystal = load("zif4")
    uneven = ArrayTrajectory.from_arrays(
        crystal.numbers,
        np.repeat(crystal.positions[None], 4, axis=0),
        crystal.cell,
        times=np.array([0.0, 100.0, 200.0, 250.0]),
    )
    wanted, skipped = _wanted(uneven, SurveySettings())
    assert {"msd", "melting"} <= set(wanted)
    assert list(skipped) == ["bonds"]
    assert "evenly spaced" in skipped["bonds"]
    found = survey({"run": uneven}, settings=SurveySettings(quantities=("msd",)))
    np.testing.assert_allclose(found["run"].results["msd"].lags, [0, 50, 100, 150, 200, 250])
    with pytest.raises(InputError, match="evenly spaced"):
        survey({"run": uneven}, settings=SurveySettings(quantities=("bonds",)))
