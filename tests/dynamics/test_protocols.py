"""Ready-made protocols, YAML and the estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dynamics.toy_run import every_segment
from tests.dynamics.toys import IdealGas, LennardJones, fcc

from zifglass.core import InputError, Protocol, Segment, Structure
from zifglass.core.units import GPa, ps
from zifglass.dynamics import (
    named_protocol,
    protocol_as_dict,
    protocol_from,
    read_protocol,
    read_thermo,
    run,
)
from zifglass.dynamics.estimate import cost, estimate, timeline, timeline_lines
from zifglass.dynamics.protocol_file import dump, write_protocol
from zifglass.dynamics.protocols import builders
from zifglass.dynamics.system import check_timestep, masses_for
from zifglass.io import read
from zifglass.report.figures.dynamics import draw_timeline


@pytest.mark.parametrize("name", builders)
def test_ready_made_protocols_read_back_from_yaml(name: str, tmp_path: Path) -> None:
    protocol = named_protocol(name, changes=["deuterium=2.0141", "timestep=1.0"])
    write_protocol(tmp_path / "protocol.yaml", protocol)
    assert read_protocol(tmp_path / "protocol.yaml") == protocol
    draw_timeline(protocol, tmp_path / "timeline")
    assert (tmp_path / "timeline.png").stat().st_size > 5000
    assert len(list(timeline_lines(protocol))) == 1 + len(protocol.segments)


def test_every_kind_of_segment_reads_back_exactly() -> None:
    protocol = every_segment()
    assert protocol_from(protocol_as_dict(protocol)) == protocol


@given(
    duration=st.integers(1, 10**7),
    timestep=st.floats(1e-3, 10, allow_subnormal=False),
    low=st.floats(1e-3, 1e5),
    pressure=st.floats(-10, 10),
    factor=st.floats(0.5, 2.0),
)
def test_any_numbers_read_back_exactly(
    duration: int, timestep: float, low: float, pressure: float, factor: float
) -> None:
    segment = Segment(
        name="x",
        ensemble="npt-iso",
        duration=duration * timestep,
        timestep=timestep,
        temperature=(low, 300.0),
        pressure_total=pressure,
        length_jump=(factor, 1.0, 1.0),
        frames_every=timestep,
        thermo_every=timestep,
        monitor_every=timestep,
    )
    protocol = Protocol(name="any", segments=(segment,), masses={"H": low})
    assert protocol_from(protocol_as_dict(protocol)) == protocol


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: x, segment: []}", "no key 'segment'; did you mean 'segments'"),
        ("segments: 3", "needs segments, a list"),
        ("segments: [", "not YAML"),
        ("segments:\n- {name: a, ensemble: nve, duration: 10}", "needs a number and its unit"),
        ("segments:\n- {name: a, ensemble: nve, duration: 1 GPa}", "no unit of time"),
        ("segments:\n- {name: a, ensemble: nve, duration: -1 ps}", "cannot be negative.*2"),
        (
            "segments:\n- {name: a, ensemble: nvt-nhc, duration: 1 ps, temperature: 300 K to}",
            "both",
        ),
        (
            "segments:\n- {name: a, ensemble: nvt-nhc, duration: 1 ps, temprature: 3 K}",
            "temperature",
        ),
        ("segments:\n- {name: a}", "has no ensemble"),
        ("segments:\n- {name: a, ensemble: nve, duration: 1 ps, volume_jump: yes}", "is a factor"),
    ],
)
def test_bad_files_say_where_and_what(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_protocol(path)
    assert "bad.yaml" in str(caught.value)


def test_a_file_that_windows_has_touched_reads_alike(tmp_path: Path) -> None:
    path = tmp_path / "protocol.yaml"
    write_protocol(path, every_segment())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_protocol(path) == every_segment()


def test_line_of_the_segment_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    good = "- {name: a, ensemble: nve, duration: 1 ps}\n"
    path.write_text("name: x\nsegments:\n" + good + "- {name: b, ensemble: nve, duration: -1 ps}\n")
    with pytest.raises(InputError, match=r"bad\.yaml:4"):
        read_protocol(path)


def test_crystal_preparation_reaches_its_volume_in_steps_of_two_percent() -> None:
    for change in (0.02, -0.02, -0.04, 0.05):
        protocol = named_protocol("crystal-preparation", changes=[f"volume_change={change}"])
        jumps = [np.prod(s.length_jump) for s in protocol.segments if s.length_jump]
        assert np.prod(jumps) == pytest.approx(1 + change, rel=1e-12)
        assert all(abs(jump - 1) <= 0.02 + 1e-12 for jump in jumps)
        assert all(s.duration >= 10 * ps for s in protocol.segments)


def test_melt_quench_is_the_papers() -> None:
    protocol = named_protocol("melt-quench")
    ends = [(s.temperatures, s.end / ps) for s in timeline(protocol)]
    assert ends == [
        ((300.0, 300.0), 10.0),
        ((300.0, 1500.0), 250.0),
        ((1500.0, 1500.0), 550.0),
        ((1500.0, 300.0), 790.0),
        ((300.0, 300.0), 840.0),
    ]
    flexible = named_protocol("melt-quench", changes=["ensemble=npt-flexible", "pressure_total=1"])
    assert {s.pressure_total for s in flexible.segments} == {1 * GPa}
    with pytest.raises(InputError, match="higher temperature"):
        named_protocol("melt-quench", changes=["temperature_max=200"])


def test_strain_sweep_steps_are_of_the_last_volume() -> None:
    protocol = named_protocol("strain-sweep")
    volumes, volume = {}, 1.0
    for segment in protocol.segments:
        volume *= float(np.prod(segment.length_ramp or (1.0,)))
        volumes[segment.name] = volume
    for i in (1, 2, 3):
        assert volumes[f"hold down {i}"] == pytest.approx(0.985**i, rel=1e-12)
        assert volumes[f"hold up {i}"] == pytest.approx(1.015**i, rel=1e-12)
    assert volumes["hold back"] == pytest.approx(1.0, rel=1e-12)


def test_unknown_names_and_settings_are_refused() -> None:
    with pytest.raises(InputError, match="no ready-made protocol 'meltquench'"):
        named_protocol("meltquench")
    with pytest.raises(InputError, match="t_max"):
        named_protocol("melt-quench", changes=["tmax=3"])
    with pytest.raises(InputError, match="thermostat"):
        named_protocol("melt-quench", changes=["thermostat=langevin"])


def _methane() -> Structure:
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 1.09 / np.sqrt(3)
    return Structure([6, 1, 1, 1, 1], np.vstack([np.zeros(3), corners]) + 5, np.eye(3) * 10)


def test_timestep_too_large_names_the_mode() -> None:
    methane = _methane()
    check_timestep(methane, masses_for(methane, {}), 0.75)
    with pytest.raises(InputError, match=r"H–C stretch has a period of 10\.8 fs.*at most 0\.77 fs"):
        check_timestep(methane, masses_for(methane, {}), 1.0)
    heavy = masses_for(methane, {"H": 2.0141})
    check_timestep(methane, heavy, 1.0)
    with pytest.raises(InputError, match="D–C stretch"):
        check_timestep(methane, heavy, 1.25)
    with pytest.raises(InputError, match="has none of it"):
        masses_for(methane, {"Zn": 65.0})
    argon = fcc(5.4, 2)
    check_timestep(argon, masses_for(argon, {}), 10.0)


def test_estimate_counts_steps_and_frames() -> None:
    found = estimate(every_segment(), fcc(5.4, 2), IdealGas())
    assert found.steps == 11 * 40
    assert found.frames == 1 + 11 * 80 // 12
    assert found.seconds == pytest.approx(found.steps * found.seconds_per_step)
    assert "ensemble" in dump(protocol_as_dict(every_segment()))


def test_frames_are_evenly_spaced_wherever_segments_end(tmp_path: Path) -> None:
    def segment(name: str, steps: int, **more: Any) -> Segment:
        return Segment(
            name=name, ensemble="nvt-csvr", duration=2.0 * steps, timestep=2.0,
            temperature=(40.0, 40.0), frames_every=10.0, thermo_every=6.0, monitor_every=10.0,
            **more,
        )  # fmt: skip

    protocol = Protocol(
        name="odd ends",
        segments=(
            segment("a", 7),
            Segment(name="relax", ensemble="minimise", max_iterations=2),
            segment("b", 2),
            segment("c", 21, length_ramp=(1.01, 1.0, 1.0)),
        ),
    )
    run(protocol, fcc(5.4, 2), LennardJones(), folder=tmp_path / "run")
    times = read(tmp_path / "run" / "trajectory.h5").times
    np.testing.assert_allclose(times, 10.0 * np.arange(7), atol=1e-9)
    assert len(times) == cost(protocol, fcc(5.4, 2), 1.0).frames
    thermo = read_thermo(tmp_path / "run")
    moving = thermo["segment"] != 1
    np.testing.assert_allclose(1000 * thermo["time_ps"][moving], 6.0 * np.arange(11), atol=1e-9)
