"""Studies through a real Slurm of one node, started for these tests, without accounting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from tests.studies import slurm_kinds, toy_kinds
from tests.studies.slurm_node import Node, wait_for, why_not

from zifglass.cli.main import main
from zifglass.core import InputError
from zifglass.core.locks import Held, is_locked, locked
from zifglass.studies import Resources, Stage, StudyReport, run_stages
from zifglass.studies.place import Place, read_plan
from zifglass.studies.record import read_record
from zifglass.studies.slurm import report, submit_stages
from zifglass.studies.slurm_files import all_submitted, write_submitted
from zifglass.studies.slurm_queue import SlurmError, look
from zifglass.studies.slurm_settings import SlurmSettings
from zifglass.studies.states import states

assert toy_kinds and slurm_kinds
pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"no Slurm: {why_not()}")
_settings = SlurmSettings(hours=0.5)
_held = SlurmSettings(hours=0.5, options={"hold": True})


@pytest.fixture(scope="module")
def _node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("slurm") / "node")
    patch = pytest.MonkeyPatch()
    try:
        node.start()
        patch.setenv("SLURM_CONF", str(node.conf))
        yield node
    finally:
        patch.undo()
        node.stop()


@pytest.fixture
def node(_node: Node) -> Iterator[Node]:
    """Slurm with nothing in its queue."""
    yield _node
    _node.say("scancel", "--user=root")
    _node.wait_until_empty()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file is missing, dynamics crawls and the deaf stay deaf."""
    path = tmp_path / "gate"
    monkeypatch.setenv(slurm_kinds.GATE, str(path))
    return path


@pytest.fixture(scope="module")
def late(_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose one job listens to nothing and is over its wall time. Slurm looks twice a
    minute, so that it is begun with the first test and looked at by the last."""
    study = tmp_path_factory.mktemp("late") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(slurm_kinds.GATE, str(study / "never"))
        submit_stages([Stage(name="deaf", kind="slurm-deaf")], study, _settings)
    wait_for(lambda: (study / "stages/deaf/begun.txt").exists(), "it works")
    _node.say("scontrol", "update", f"jobid={_job(study, 'deaf')}", "EndTime=now+20seconds")
    return study


def _sum(name: str, value: float, *needs: str, array: str | None = None) -> Stage:
    return Stage(
        name=name, kind="toy-sum", settings={"value": value}, array=array,
        needs={need.replace("/", "-"): need for need in needs},
    )  # fmt: skip


def _words(found: StudyReport) -> dict[str, str]:
    return {name: state.word for name, state in found.stages.items()}


def _now(study: Path) -> StudyReport:
    return report(Place(study.resolve()), read_plan(Place(study)))


def _begun(study: Path, name: str) -> bool:
    record = read_record(Place(study).record(name))
    return record is not None and record.status == "running"


def _process(study: Path, name: str) -> int:
    return int(Place(study).stage_lock(name).read_text().split()[1])


def _job(study: Path, name: str) -> str:
    return look(Place(study.resolve())).queue[name].job


def replicas(steps: int) -> list[Stage]:
    """2 structures × 3 replicas, and the mean of each structure."""
    stages = []
    for name, a in (("loose", 5.5), ("tight", 5.35)):
        stages.append(
            Stage(name=f"{name}/crystal", kind="slurm-crystal", settings={"a": a}, array="crystal")
        )
        for i in range(3):
            stages.append(
                Stage(
                    name=f"{name}/run-{i}", kind="slurm-md", array="run",
                    settings={"steps": steps, "seed": i}, needs={"crystal": f"{name}/crystal"},
                )
            )  # fmt: skip
        stages.append(
            Stage(
                name=f"{name}/mean", kind="slurm-mean", array="mean",
                needs={f"run-{i}": f"{name}/run-{i}" for i in range(3)},
            )
        )  # fmt: skip
    return stages


def _same(one: Path, other: Path) -> None:
    """Numbers, thermo tables and every data set of every trajectory, to the bit."""
    names = sorted(path.relative_to(one) for path in one.glob("stages/*/*/results.json"))
    assert len(names) == 8
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    tables = sorted(path.relative_to(one) for path in one.glob("stages/*/*/thermo.csv"))
    assert len(tables) == 6
    for name in tables:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
        trajectory = name.with_name("trajectory.h5")
        with h5py.File(one / trajectory) as a, h5py.File(other / trajectory) as b:
            sets: list[str] = []
            a.visititems(lambda key, item: sets.append(key) if hasattr(item, "shape") else None)  # noqa: B023
            assert {"positions", "cells", "times"} <= set(sets)
            for key in sets:
                assert a[key][()].tobytes() == b[key][()].tobytes(), (trajectory, key)


def test_one_killed_one_requeued_one_at_its_wall_time_and_the_end_is_the_same(
    node: Node, tmp_path: Path, gate: Path, late: Path
) -> None:
    study, steps = tmp_path / "study", 150
    said: list[str] = []
    submit_stages(replicas(steps), study, _settings, tell=said.append)
    assert [line.split(":")[0] for line in said] == ["crystal", "run", "run", "loose/mean",
                                                    "tight/mean"]  # fmt: skip
    caught = ["loose/run-0", "tight/run-0", "tight/run-1", "tight/run-2"]
    kept = [Place(study).stage(name) / "checkpoints" for name in caught]
    wait_for(lambda: all(folder.is_dir() and any(folder.iterdir()) for folder in kept), "they work")
    jobs = [_job(study, name) for name in caught]
    os.kill(_process(study, caught[0]), signal.SIGKILL)
    node.say("scontrol", "requeue", jobs[1])
    # What Slurm sends before the wall time ends.
    node.say("scancel", "--batch", "--signal=USR2", jobs[2])
    # What it sends to a job that has to make way for another.
    os.kill(_process(study, caught[3]), signal.SIGTERM)
    locks = [Place(study).stage_lock(name) for name in caught]
    wait_for(lambda: not any(is_locked(lock) for lock in locks), "the work is saved")
    gate.touch()
    node.wait_until_empty()
    found = _now(study)
    words = _words(found)
    assert words.pop("loose/run-0") == "interrupted"
    assert words.pop("loose/mean") == "waiting"
    assert set(words.values()) == {"finished"}
    assert f"its job {jobs[0]} failed" in found.stages["loose/run-0"].sentence
    sessions = {name: read_record(Place(study).record(name)) for name in caught[1:]}
    assert [record.sessions for record in sessions.values() if record] == [2, 2, 2]
    assert [record.job for record in sessions.values() if record] == jobs[1:]

    said.clear()
    submit_stages(replicas(steps), study, _settings, tell=said.append)
    assert said[0] == "8 stages have finished before" and len(said) == 3
    node.wait_until_empty()
    assert _now(study).is_finished

    run_stages(replicas(steps), tmp_path / "local").require()
    _same(tmp_path / "local", study)


def test_stages_are_not_submitted_twice(node: Node, tmp_path: Path) -> None:
    stages = [*(_sum(f"a/{i}", i, array="a") for i in range(3)), _sum("b", 1, "a/0", "a/1")]
    first = submit_stages(stages, tmp_path, _held)
    assert set(_words(first).values()) == {"queued"}
    assert "waits (JobHeldUser)" in first.stages["a/0"].sentence
    before = sorted(node.queue())
    said: list[str] = []
    submit_stages(stages, tmp_path, _held, tell=said.append)
    assert said == ["4 stages are in Slurm's queue already"] and sorted(node.queue()) == before
    with locked(Place(tmp_path).lock, what="this study"), pytest.raises(Held):
        submit_stages(stages, tmp_path, _held)
    # The submission was killed before it could note what Slurm called the job.
    for each in all_submitted(Place(tmp_path)):
        write_submitted(Place(tmp_path), replace(each, job=None))
    submit_stages(stages, tmp_path, _held)
    assert sorted(node.queue()) == before
    # More was added: it waits for what Slurm has already.
    submit_stages([*stages, _sum("c", 1, "a/2", "b")], tmp_path, _held, tell=said.append)
    a, b = _job(tmp_path, "a/2"), _job(tmp_path, "b")
    assert said[-1].endswith(f"after afterok:{a}:{b}")
    changed = [*stages[:3], _sum("b", 2, "a/0", "a/1")]
    with pytest.raises(InputError, match=rf"stage 'b' in its queue \(job {b}\), and it has chan"):
        submit_stages(changed, tmp_path, _held)
    # A copy of the folder has no jobs.
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    subprocess.run(["cp", "-r", str(tmp_path), str(copy)], check=True)
    assert set(_words(_now(copy)).values()) == {"waiting"}


def test_cancelled_jobs_are_told_and_can_be_submitted_again(
    node: Node, tmp_path: Path, gate: Path
) -> None:
    stages = [
        Stage(name="crystal", kind="slurm-crystal", settings={"a": 5.4}),
        Stage(name="run", kind="slurm-md", settings={"steps": 150, "seed": 1},
              needs={"crystal": "crystal"}),
        Stage(name="mean", kind="slurm-mean", needs={"run": "run"}),
    ]  # fmt: skip
    submit_stages(stages, tmp_path / "s", _settings)
    study = tmp_path / "s"
    wait_for(lambda: _begun(study, "run"), "it works")
    assert _words(_now(study)) == {"crystal": "finished", "run": "running", "mean": "queued"}
    node.say("scancel", _job(study, "run"))
    node.wait_until_empty()  # what needs it is not left hanging
    found = _now(study)
    assert _words(found) == {"crystal": "finished", "run": "stopped", "mean": "waiting"}
    assert found.stages["run"].sentence.startswith("SIGTERM received")
    submit_stages(stages, study, _held)
    node.say("scancel", _job(study, "run"))
    gate.touch()
    # Nothing need have noticed that what "mean" waits for is gone.
    submit_stages(stages, study, _settings)
    node.wait_until_empty()
    assert _now(study).is_finished


def test_slurm_down(node: Node, tmp_path: Path, gate: Path) -> None:
    stages = [Stage(name="deaf", kind="slurm-deaf"), _sum("after", 1)]
    submit_stages(stages[:1], tmp_path / "s", _settings)
    place = Place((tmp_path / "s").resolve())
    wait_for(lambda: (place.stage("deaf") / "begun.txt").exists(), "it works")
    node.restart_slurmd()
    node.stop_controller()
    try:
        with pytest.raises(SlurmError, match="does not answer: its controller is down"):
            submit_stages(stages, place.root, _settings)
        with pytest.raises(SlurmError, match="does not answer"):
            submit_stages(stages, tmp_path / "new", _settings)
        seen = look(place)
        assert "controller is down" in seen.trouble
        # Records and locks still tell.
        assert states(place, read_plan(place))["deaf"].word == "running"
        gate.touch()
        wait_for(lambda: not is_locked(place.stage_lock("deaf")), "it ends without Slurm")
        assert states(place, read_plan(place))["deaf"].word == "finished"
    finally:
        node.start_controller()
    node.wait_until_empty()
    submit_stages(stages, place.root, _settings)
    node.wait_until_empty()
    assert _now(place.root).is_finished


def test_slurm_refuses_a_job(node: Node, tmp_path: Path) -> None:
    stages = [_sum("a", 1), replace(_sum("b", 1, "a"), resources=Resources(partition="nowhere"))]
    with pytest.raises(
        SlurmError,
        match=r"refuses the job: .*invalid partition.* \(stage b; 1 of 2 stages were submitted",
    ):
        submit_stages(stages, tmp_path, _held)
    assert _words(_now(tmp_path)) == {"a": "queued", "b": "waiting"}
    assert len(node.queue()) == 1
    submit_stages([stages[0], _sum("b", 1, "a")], tmp_path, _held)
    assert len(node.queue()) == 2
    node.say("scancel", "--user=root")
    node.wait_until_empty()
    found = _now(tmp_path)
    assert _words(found) == {"a": "interrupted", "b": "waiting"}
    assert "was cancelled; it never began" in found.stages["a"].sentence


def test_a_set_up_that_fails_is_told_with_its_words(node: Node, tmp_path: Path) -> None:
    bad = SlurmSettings(hours=0.5, setup=("echo there is no module zeolites", "exit 4"))
    submit_stages([_sum("a", 1), _sum("b", 1, "a")], tmp_path, bad)
    node.wait_until_empty()
    found = _now(tmp_path)
    assert _words(found) == {"a": "failed", "b": "blocked"}
    assert "failed before the work began; its last words: there is no module zeolites" in (
        found.stages["a"].sentence
    )
    good = SlurmSettings(hours=0.5, setup=("export VALUE=1",), python=sys.executable)
    submit_stages([_sum("a", 1), _sum("b", 1, "a")], tmp_path, good)
    node.wait_until_empty()
    assert _now(tmp_path).is_finished


def test_a_failure_stops_what_needs_it_and_nothing_else(node: Node, tmp_path: Path) -> None:
    stages = [
        Stage(name="bad/0", kind="toy-fail", settings={"how": "input"}, array="bad"),
        Stage(name="bad/1", kind="toy-count", settings={"steps": 3}, array="bad"),
        replace(_sum("on/0", 1, "bad/0"), array="on"),
        Stage(name="on/1", kind="toy-count", settings={"steps": 4}, array="on",
              needs={"bad": "bad/1"}),
    ]  # fmt: skip
    submit_stages(stages, tmp_path, _settings)
    node.wait_until_empty()
    found = _now(tmp_path)
    assert _words(found) == {
        "bad/0": "failed", "bad/1": "finished", "on/0": "blocked", "on/1": "finished",
    }  # fmt: skip
    assert "the crystal is upside down" in found.stages["bad/0"].sentence


def test_a_node_that_crashes_and_comes_back(node: Node, tmp_path: Path, gate: Path) -> None:
    study = tmp_path / "s"
    stages = replicas(150)[:3]
    submit_stages(stages, study, _settings)
    wait_for(lambda: _begun(study, "loose/run-0"), "it works")
    # Slurm takes a batch job that was missing sooner for one that has not come up yet.
    time.sleep(17.0)
    node.crash()
    found = _now(study)
    gate.touch()
    node.start_slurmd(rebooted=True)
    state = found.stages["loose/run-0"]
    assert state.word == "running"
    assert "its process is gone, which Slurm has not noticed" in state.sentence
    node.wait_until_empty()
    assert _now(study).is_finished
    record = read_record(Place(study).record("loose/run-0"))
    assert record is not None and record.sessions >= 2
    run_stages(stages, tmp_path / "local").require()
    for name in ("run-0", "run-1"):
        here, there = (
            json.loads((folder / "stages/loose" / name / "results.json").read_text())
            for folder in (study, tmp_path / "local")
        )
        assert here == there


def test_the_command_line(
    node: Node,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, study = tmp_path / "study.yaml", tmp_path / "s"
    file.write_text(_file)

    def zifglass(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["zifglass", *words])
        monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    submit = ("run", str(file), "-o", str(study), "--slurm")
    code, said = zifglass(*submit, "--set", "slurm.options.hold=true")
    assert code == 0 and "2 queued" in said
    code, said = zifglass("run", str(file), "-o", str(study))
    assert code == 2 and "Slurm has 2 stages of this study in its queue; add --slurm" in said
    node.say("scancel", "--user=root")
    node.wait_until_empty()
    code, said = zifglass("status", str(study))
    assert code == 0 and "1 interrupted, 1 waiting" in said
    code, said = zifglass(*submit, "--set", "slurm.partition=nowhere")
    assert code == 1 and said.count("zifglass: ") == 1 and "invalid partition" in said
    assert zifglass(*submit)[0] == 0
    node.wait_until_empty()
    assert "2 finished" in zifglass("status", str(study))[1]


_file = """\
structures:
  zif4: {source: zif4}
analyses:
  structure: {of: [start], settings: {quantities: [coordination]}}
slurm: {hours: 0.5}
"""


def test_over_its_wall_time(node: Node, late: Path, gate: Path) -> None:
    node.wait_until_empty()
    state = _now(late).stages["deaf"]
    assert state.word == "interrupted"
    assert "went over its wall time" in state.sentence and "DUE TO TIME LIMIT" in state.sentence
    gate.touch()
    submit_stages([Stage(name="deaf", kind="slurm-deaf")], late, _settings)
    node.wait_until_empty()
    assert _now(late).is_finished


@pytest.mark.long
def test_a_wall_time_of_a_minute_again_and_again(node: Node, tmp_path: Path) -> None:
    stage = Stage(name="count", kind="toy-count", settings={"steps": 1000, "pause": 0.08})
    submit_stages([stage], tmp_path, SlurmSettings(hours=1 / 60, margin=25))
    node.wait_until_empty(600.0)
    assert _now(tmp_path).is_finished
    record = read_record(Place(tmp_path).record("count"))
    assert record is not None and record.sessions >= 2
    value = json.loads((tmp_path / "stages/count/results.json").read_text())["total"]["value"]
    assert value == 1000 * 1001 / 2
