"""Impossible protocols cannot be made; each refusal is one sentence that names the segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zifglass.core import InputError, Protocol, Segment
from zifglass.core.protocol import equal_lengths, hold

_hold = {"name": "hold", "ensemble": "nvt-csvr", "duration": 100.0, "temperature": (300.0, 300.0)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": -1.0}, "cannot be negative"),
        ({"duration": 0.0}, "missing or zero"),
        ({"duration": 100.3}, "no whole number of timesteps"),
        ({"duration": float("nan")}, "cannot be negative"),
        ({"temperature": (300.0,)}, "two ends"),
        ({"temperature": 300.0}, "two ends"),
        ({"temperature": (300.0, -1.0)}, "positive"),
        ({"temperature": (300.0, float("inf"))}, "positive"),
        ({"pressure_total": 0.0}, "keeps the cell as it is"),
        ({"ensemble": "npt-iso"}, "needs pressure_total"),
        ({"ensemble": "npt-iso", "pressure_total": float("nan")}, "must be finite"),
        ({"ensemble": "npt-iso", "pressure_total": 0.0, "length_ramp": (1.0, 1.0, 1.01)}, "contra"),
        ({"ensemble": "npt"}, "no ensemble 'npt'"),
        ({"ensemble": "minimise"}, "takes no time"),
        ({"ensemble": "minimise", "duration": 0.0}, "no temperature"),
        ({"ensemble": "nve", "temperature": (300.0, 400.0)}, "cannot ramp"),
        ({"length_ramp": (0.0, 1.0, 1.0)}, "between 0.5 and 2"),
        ({"length_jump": (1.0, 1.0)}, "three factors"),
        ({"timestep": 0.0}, "timestep must be positive"),
        ({"frames_every": 0.7}, "frames_every 0.7 fs is no whole number"),
        ({"until": "solid"}, "until is one of molten"),
        ({"when": "never"}, "when is one of"),
    ],
)
def test_impossible_segments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Segment(**(_hold | changes))
    assert "segment 'hold'" in str(caught.value)


def test_impossible_protocols_are_refused() -> None:
    segment = Segment(**_hold)
    with pytest.raises(InputError, match="no segments"):
        Protocol(name="empty", segments=())
    with pytest.raises(InputError, match="two segments are called 'hold'"):
        Protocol(name="twice", segments=(segment, segment))
    with pytest.raises(InputError, match="mass of H"):
        Protocol(name="light", segments=(segment,), masses={"H": 0.0})
    with pytest.raises(InputError, match="needs a temperature"):
        Protocol(name="cold", segments=(Segment(**(_hold | {"temperature": None})),))
    with pytest.raises(InputError, match="outputs"):
        Protocol(name="out", segments=(segment,), outputs=("energies",))


def test_lengths_of_a_volume_factor() -> None:
    a, b, c = equal_lengths(0.985)
    assert a * b * c == pytest.approx(0.985, rel=1e-14)
    assert hold(300.0) == (300.0, 300.0)


def test_steps_and_strides() -> None:
    segment = Segment(**(_hold | {"timestep": 0.25, "frames_every": 10.0}))
    assert segment.n_steps == 400
    assert segment.stride("frames") == 40
    assert [segment.due("frames", t, t + 0.25) for t in (9.5, 9.75, 10.0)] == [0, 1, 0]
    assert segment.due("frames", 5.0, 105.0) == 10
    # The clock is a sum of steps: 0.1 fs does not add up to whole numbers.
    tenth = Segment(**(_hold | {"timestep": 0.1, "frames_every": 0.3}))
    clock = np.cumsum(np.full(300_000, 0.1))
    due = [tenth.due("frames", t - 0.1, t) for t in clock.tolist()]
    assert due == [0, 0, 1] * 100_000
