"""Replicas, the command line, and a melt–quench from crystal to glass resumed on its way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.dynamics.toys import CountingClock, LennardJones, fcc
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.core import Potential, Stopped, ZifglassError
from zifglass.dynamics import RunSettings, WatchSettings, named_protocol, read_thermo, stops, tasks
from zifglass.dynamics.checkpoint import Checkpoint, newest_first
from zifglass.dynamics.quench import glass_transition
from zifglass.dynamics.state import State
from zifglass.dynamics.tasks import Task, carry_out, carry_out_all
from zifglass.io import write

_settings = RunSettings(checkpoint_steps=50, watch=WatchSettings(volume="warn"))
_short = [
    "temperature=20", "temperature_max=120", "heating_rate=100", "cooling_rate=100", "before=0.2",
    "t_max=0.4", "equilibration=0.2", "timestep=4.0", "frames_every=40", "ensemble=npt-iso",
    "barostat_damping=400",
]  # fmt: skip


def load_argon(name: str, **ignored: object) -> Potential:
    """A loader that child processes can import."""
    assert name == "argon"
    return LennardJones()


def _task(folder: Path, *, seed: int = 0, max_wall: float | None = None) -> Task:
    return Task(
        named_protocol("melt-quench", changes=_short), fcc(5.5, 2), "argon", folder,
        seed=seed, settings=_settings, max_wall=max_wall, loader=load_argon,
    )  # fmt: skip


def _positions(folder: Path) -> np.ndarray:
    with h5py.File(folder / "trajectory.h5") as file:
        return np.asarray(file["positions"])


def test_replicas_side_by_side_are_the_runs_alone(tmp_path: Path) -> None:
    together = [_task(tmp_path / f"replica-{i}", seed=i) for i in (1, 2)]
    carry_out_all(together, cores=2)
    carry_out(_task(tmp_path / "alone", seed=2))
    np.testing.assert_array_equal(
        _positions(tmp_path / "replica-2"), _positions(tmp_path / "alone")
    )
    assert not np.array_equal(
        _positions(tmp_path / "replica-1"), _positions(tmp_path / "replica-2")
    )


def test_replicas_that_stop_or_fail_say_so(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="1 of 1 runs were stopped"):
        carry_out_all([_task(tmp_path / "stopped", max_wall=0.0)], cores=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(ZifglassError, match="1 of 1 runs failed"):
        carry_out_all([_task(tmp_path / "file" / "below")], cores=1)


def run_long_replicas(folder: str) -> None:
    """Two runs that would take days, in the process that the next test kills."""
    protocol = named_protocol("melt-quench", changes=[*_short, "t_max=1e6"])
    carry_out_all(
        [replace(_task(Path(folder) / f"replica-{i}"), protocol=protocol) for i in (1, 2)], cores=2
    )


def _status(folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _wait_until(done: Callable[[], bool], what: str) -> None:
    for _ in range(1200):
        if done():
            return
        time.sleep(0.1)
    pytest.fail(f"two minutes later {what}")


def test_replicas_stop_with_a_checkpoint_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = f"from {__name__} import run_long_replicas as run; run({str(tmp_path)!r})"
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=root)
    folders = [tmp_path / f"replica-{i}" for i in (1, 2)]
    try:
        _wait_until(lambda: all(_status(f).get("step", 0) > 0 for f in folders), "no run goes on")
        assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    _wait_until(
        lambda: all(_status(f)["status"] == "stopped" for f in folders),
        "the runs of a killed process still go on",
    )
    for folder in folders:
        status = _status(folder)
        assert status["reason"] == "SIGTERM received"
        _, saved = next(iter(newest_first(folder / "checkpoints")))
        assert isinstance(saved, Checkpoint)
        assert State(32, saved.data).step == status["step"]


def test_melt_quench_on_the_command_line_resumed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "load_potential", load_argon)
    structure = tmp_path / "crystal.extxyz"
    write(structure, fcc(5.5, 2))
    common = ["melt-quench", str(structure), "--potential", "argon", "--seed", "5"]
    common += [part for change in _short for part in ("--set", change)]
    common += ["--run-set", "checkpoint_steps=50", "--run-set", "watch.volume=warn"]
    runner = CliRunner()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = runner.invoke(app, [*common, "-o", str(whole)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for times in (1, 2):
        monkeypatch.setattr(stops, "time", CountingClock())
        with pytest.raises(Stopped, match="the wall time of 180 s is used up"):
            runner.invoke(app, [*common, "-o", str(cut), "--max-wall", "3"], catch_exceptions=False)
        status = json.loads((cut / "status.json").read_text())
        # 700 steps in all, from `before` through the heating; a look before each step.
        assert (status["status"], status["step"]) == ("stopped", 179 * times)
    done = runner.invoke(app, [*common, "-o", str(cut)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(_positions(whole), _positions(cut))
    assert (whole / "thermo.csv").read_bytes() == (cut / "thermo.csv").read_bytes()
    thermo = read_thermo(cut)
    assert thermo["target_K"].max() == pytest.approx(120.0)
    assert thermo["target_K"][-1] == pytest.approx(20.0)
    results = json.loads((cut / "results.json").read_text())
    assert results["density"]["unit"] == "g/cm³"
    assert results["density"]["std"] > 0
    assert (cut / "melt-quench.png").stat().st_size > 10_000


def test_dry_run_prints_timeline_and_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "load_potential", load_argon)
    structure = tmp_path / "crystal.extxyz"
    write(structure, fcc(5.5, 2))
    structure.write_text(structure.read_text().replace("Ar ", "A1 "))
    done = CliRunner().invoke(
        app,
        ["md", str(structure), "--species-map", "A1=Ar", "--potential", "argon",
         "--protocol", "strain-sweep", "--dry-run", "-o", str(tmp_path / "out"),
         "--supercell", "1x1x1"],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0
    assert "ramp down 1" in done.output
    assert "(volume -1.50%)" in done.output
    assert "32 atoms, 3000000 steps" in done.output
    assert not (tmp_path / "out" / "run.yaml").exists()


def test_glass_transition_of_two_straight_lines() -> None:
    # V(T) bends at 700 K from an expansion of 5e-5 to one of 2e-4 /K; noise of 0.3 %.
    rng = np.random.default_rng(1)
    T = np.linspace(1500.0, 300.0, 6000)
    V = 4000 * (1 + np.where(T < 700, 5e-5, 2e-4) * (T - 700)) * (1 + rng.normal(0, 3e-3, 6000))
    found = glass_transition(T, V, rng=rng)
    assert found.temperature == pytest.approx(700.0, abs=max(4 * found.temperature_std, 15.0))
    assert found.temperature_std < 60.0
    assert abs(found.expansion_glass - 5e-5) < 4 * found.expansion_glass_std
    assert abs(found.expansion_liquid - 2e-4) < 4 * found.expansion_liquid_std
