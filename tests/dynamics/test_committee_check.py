"""A committee beside a run: its disagreement is an alarm like any other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.dynamics.toys import Springs, fcc

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, Potential, Protocol, Segment
from zifglass.dynamics import RunSettings, WatchdogStop, WatchSettings
from zifglass.dynamics.committee_check import CommitteeAgreement
from zifglass.dynamics.tasks import Task, carry_out
from zifglass.io import read, structures, write
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import save

_models = Path(__file__).parents[1] / "potentials" / "models"
crystal = fcc(5.3, 2)
_stiffness = {"soft": 1.0, "same": 1.0, "stiff": 1.5}


def _load(name: str) -> Potential:
    return Springs.of(crystal, stiffness=_stiffness[name])


def _task(folder: Path, members: tuple[str, ...], **watch: object) -> Task:
    segment = Segment(
        name="heat", ensemble="nvt-csvr", duration=400.0, temperature=(1.0, 60.0), timestep=2.0,
        thermo_every=4.0, frames_every=4.0, monitor_every=4.0,
    )  # fmt: skip
    settings = RunSettings(watch=WatchSettings(**watch))  # type: ignore[arg-type]
    return Task(
        Protocol(name="heat", segments=(segment,)), crystal, "soft", folder, settings=settings,
        loader=_load, committee=members,
    )  # fmt: skip


def test_the_spread_is_that_of_driver_and_members(tmp_path: Path) -> None:
    """Springs of 1.0 and 1.5 eV/Å²: forces F and 1.5 F, whose standard deviation is F/√8."""
    rng = np.random.default_rng(0)
    moved = crystal.with_positions(crystal.positions + rng.normal(0, 0.1, crystal.positions.shape))
    said = _load("soft")(moved)
    largest = float(np.linalg.norm(said.forces, axis=1).max())
    frame = Frame(moved, energy=said.energy, forces=said.forces, stress=said.stress)
    for factor, word in ((0.99, "disagreement"), (1.01, "ok")):
        check = CommitteeAgreement([_load("stiff")], factor * largest / 8**0.5)
        check.update(frame)
        assert check.verdict().word == word
        again = CommitteeAgreement([_load("stiff")], 1.0)
        again.restore(json.loads(json.dumps(check.state())))
        assert again.verdict() == check.verdict()


def test_a_run_that_leaves_what_the_committee_knows_is_harvested(tmp_path: Path) -> None:
    with pytest.raises(WatchdogStop, match="the committee disagrees on the force on Ar"):
        carry_out(_task(tmp_path / "run", ("stiff",), committee_limit=0.05))
    assert len(read(tmp_path / "run/harvest.extxyz")) > 1
    forces = [_load("soft")(frame.structure).forces for frame in read(tmp_path / "run")]
    spread = np.array([np.linalg.norm(f, axis=1).max() / 8**0.5 for f in forces])
    # Positions are kept in single precision.
    assert (spread[:-1] <= 0.05 + 1e-5).all() and spread[-1] > 0.05 - 1e-5


def test_policies_are_those_of_every_check(tmp_path: Path) -> None:
    warned = carry_out(_task(tmp_path / "a", ("stiff",), committee="warn", committee_limit=0.05))
    assert {event["check"] for event in warned.events} == {"committee"}
    assert warned.time == pytest.approx(400.0)
    quiet = _task(tmp_path / "b", ("stiff",), committee="off", committee_limit=0.05)
    assert carry_out(quiet).events == []
    assert carry_out(_task(tmp_path / "c", ("same",), committee_limit=1e-9)).events == []


def test_the_command_takes_a_committee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two networks with random weights disagree at once."""
    names = []
    for name in ("so3_l1", "o3_l1"):
        names.append(str(tmp_path / f"{name}.safetensors"))
        save(read_torchscript(_models / f"{name}.pth"), names[-1])
    zif4 = tmp_path / "zif4.extxyz"
    write(zif4, ArrayTrajectory([Frame(structures.load("zif4"))]))
    protocol = tmp_path / "short.yaml"
    protocol.write_text(
        "name: short\nsegments:\n- {name: only, ensemble: nve, duration: 0.5 fs, "
        "temperature: 1 K, timestep: 0.25 fs, monitor_every: 0.25 fs}\n"
    )
    argv = ["md", str(zif4), "--potential", names[0], "--committee", names[1], "--threads", "1"]
    argv += ["--protocol", str(protocol), "-o", str(tmp_path / "run")]
    argv += ["--run-set", "watch.committee_limit=1e-6"]
    monkeypatch.setattr(sys, "argv", ["zifglass", *argv])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "the committee disagrees" in capsys.readouterr().err
    assert len(read(tmp_path / "run/harvest.extxyz")) == 1
