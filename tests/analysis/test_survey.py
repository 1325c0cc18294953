"""What a survey says when one of its processes goes."""

from __future__ import annotations

import os

import pytest

from zifglass.analysis.survey import _Job, _run
from zifglass.core import ZifglassError


def test_a_killed_process_is_one_sentence() -> None:
    jobs = [_Job(("run", "frames", start), os._exit, (9,), 1) for start in range(3)]
    with pytest.raises(ZifglassError, match=r"one of the 2 processes .* was killed from outside"):
        list(_run(jobs, 2))
