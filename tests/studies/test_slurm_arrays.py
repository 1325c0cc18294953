"""What is submitted to Slurm, and after what; no Slurm needed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from zifglass.core import InputError
from zifglass.core.settings import settings_from
from zifglass.studies import Resources, Stage, slurm_job
from zifglass.studies.place import Place, make_plan
from zifglass.studies.record import Record, write_record
from zifglass.studies.slurm import submit_stages
from zifglass.studies.slurm_arrays import Batch, Task, batches, dependency
from zifglass.studies.slurm_files import Submitted, write_submitted
from zifglass.studies.slurm_queue import SlurmError, look
from zifglass.studies.slurm_settings import SlurmSettings
from zifglass.studies.states import states

_ten_minutes = Submitted(
    number=1, name="a", job="7", user=0, threads=1, minutes=10, margin=60, requeues=3,
    stages={"": "a"}, fingerprints={"a": ""},
)  # fmt: skip


def _stage(name: str, *needs: str, array: str | None = None, **more: float) -> Stage:
    return Stage(
        name=name,
        kind="toy-sum",
        needs={need.replace("/", "-"): need for need in needs},
        array=array,
        resources=Resources(**more),  # type: ignore[arg-type]
    )


def _said(made: list[Batch]) -> list[tuple[str, int, str]]:
    ids = {batch.number: str(100 + batch.number) for batch in made}
    return [(b.label, len(b.stages), dependency(b, made, ids)) for b in made]


def _replicas(structures: int, replicas: int) -> list[Stage]:
    stages = [_stage(f"prep/{s}", array="prep") for s in range(structures)]
    for s in range(structures):
        for r in range(replicas):
            stages.append(_stage(f"md/{s}-{r}", f"prep/{s}", array="md"))
            stages.append(_stage(f"rdf/{s}-{r}", f"md/{s}-{r}", array="rdf"))
        stages.append(_stage(f"mean/{s}", *(f"rdf/{s}-{r}" for r in range(replicas)), array="mean"))
    return stages


def test_replicas_become_arrays_and_failures_stay_among_those_concerned() -> None:
    made = batches(_replicas(2, 3), {})
    assert _said(made) == [
        ("prep", 2, ""),
        ("md", 3, "afterok:100_0"),
        ("md", 3, "afterok:100_1"),
        ("rdf", 3, "aftercorr:101"),
        ("rdf", 3, "aftercorr:102"),
        ("mean/0", 1, "afterok:103"),
        ("mean/1", 1, "afterok:104"),
    ]


def test_one_array_after_another_task_by_task() -> None:
    stages = [_stage(f"a{i}", array="a") for i in range(4)]
    stages += [_stage(f"b{i}", f"a{i}", array="b") for i in (3, 1)]
    made = batches(stages, {})
    assert _said(made)[1] == ("b", 2, "aftercorr:100")
    assert list(made[1].tasks()) == [(3, stages[4]), (1, stages[5])]


def test_two_analyses_of_each_task_are_two_arrays() -> None:
    stages = [_stage(f"a{i}", array="a") for i in range(4)]
    stages += [_stage(f"b{i}-{k}", f"a{i}", array="b") for i in range(4) for k in "xy"]
    assert _said(batches(stages, {}))[1:] == [("b", 4, "aftercorr:100")] * 2


def test_what_slurm_has_already_is_waited_for() -> None:
    queued = {"a0": Task("7", 0), "a1": Task("7", 1), "p": Task("9")}
    stages = [_stage(f"b{i}", f"a{i}", "p", array="b") for i in range(2)]
    stages.append(_stage("end", "a1", "finished", "b0"))
    made = batches(stages, queued)
    said = {label: after for label, _, after in _said(made)}
    assert said["b"] == "afterok:9,aftercorr:7"
    assert said["end"] == "afterok:100_0:7_1"


def test_arrays_are_cut_where_they_get_too_large() -> None:
    stages = [_stage(f"a{i}", array="a") for i in range(7)]
    stages += [_stage(f"b{i}", f"a{i}", array="b") for i in range(7)]
    made = batches(stages, {}, largest=3)
    assert [len(batch.stages) for batch in made] == [3, 3, 1, 3, 3, 1]
    assert [after for _, _, after in _said(made)][3:] == [
        "aftercorr:100", "aftercorr:101", "afterok:102",
    ]  # fmt: skip


def test_resources_part_arrays() -> None:
    stages = [_stage(f"a{i}", array="a", gpus=i % 2) for i in range(4)]
    assert [[s.name for s in b.stages] for b in batches(stages, {})] == [["a0", "a2"], ["a1", "a3"]]


@pytest.mark.parametrize("seed", range(30))
def test_any_graph_waits_for_exactly_what_it_needs(seed: int) -> None:
    rng = random.Random(seed)
    stages: list[Stage] = []
    for i in range(40):
        pool = [stage.name for stage in stages]
        needs = rng.sample(pool, min(len(pool), rng.choice([0, 1, 1, 1, 2, 3])))
        stages.append(_stage(f"s{i}", *needs, array=rng.choice([None, "a", "b", "c"])))
    queued = {
        stage.name: Task(str(500 + i // 3), i % 3 if rng.random() < 0.6 else None)
        for i, stage in enumerate(stages[:6])
    }
    rest = stages[6:]
    made = batches(rest, queued, largest=4)
    tasks = {stage.name: Task(b.number, i) for b in made for i, stage in b.tasks()}
    assert set(tasks) == {stage.name for stage in rest}
    assert len(set(tasks.values())) == len(tasks)
    tasks |= queued
    for batch in made:
        for index, stage in batch.tasks():
            waits = set(batch.after) | {Task(job, index) for job in batch.pairwise}
            assert waits == {tasks[need] for need in stage.needs.values()}
            earlier = [task.job for task in waits if isinstance(task.job, int)]
            assert all(job < batch.number for job in earlier)


def test_settings() -> None:
    given = settings_from(SlurmSettings, changes=["options.qos=long", "hours=2"])
    assert given.options == {"qos": "long"} and given.hours == 2.0
    with pytest.raises(InputError, match=r"zifglass sets array, time itself"):
        settings_from(SlurmSettings, {"options": {"--array": "1-3", "time": 5}})
    with pytest.raises(InputError, match=r"unknown setting 'partion': did you mean 'partition'"):
        settings_from(SlurmSettings, changes=["partion=long"])
    assert SlurmSettings(options={"mail_user": "me"}).options == {"mail-user": "me"}


def test_a_wall_time_within_the_margin_is_refused(tmp_path: Path) -> None:
    from tests.studies import toy_kinds

    assert toy_kinds
    with pytest.raises(InputError, match="wall time of stage 'a', 3 min, is no longer than"):
        submit_stages([_stage("a", hours=0.05)], tmp_path)


def test_without_slurm_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.studies import toy_kinds

    assert toy_kinds
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match="there is no Slurm here: the command"):
        submit_stages([Stage(name="a", kind="toy-sum", settings={"value": 1})], tmp_path / "s")


def test_the_how_to_says_what_can_be_said() -> None:
    import re

    import yaml

    text = (Path(__file__).parents[2] / "docs" / "slurm.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    said = yaml.safe_load(block)
    settings_from(SlurmSettings, said["slurm"])
    for resources in said["resources"].values():
        settings_from(Resources, resources)


def test_a_job_is_queued_again_so_often_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # were it to ask Slurm, it would not be found
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    slurm_job._requeue("7", _ten_minutes)
    assert capsys.readouterr().out == "not queued again: that was done 3 times (requeues)\n"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    with pytest.raises(FileNotFoundError):
        slurm_job._requeue("7", _ten_minutes)


def test_the_work_is_saved_before_the_wall_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_job.time, "time", lambda: 1000.0)
    monkeypatch.setenv("ZIFGLASS_JOB_BEGAN", "900")
    assert slurm_job._seconds_left(_ten_minutes) == 10 * 60 - 100 - 60
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1200")  # the limit was changed since
    assert slurm_job._seconds_left(_ten_minutes) == 140
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1030")
    assert slurm_job._seconds_left(_ten_minutes) == 0


def test_jobs_that_vanished_are_judged_by_what_they_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that remembers nothing, as Slurm's does some minutes after the end of a job."""
    from tests.studies import toy_kinds

    assert toy_kinds
    for name, says in (("scontrol", "Slurmctld(primary) at here is UP"), ("squeue", "")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    place = Place(tmp_path / "study")
    plan = make_plan(place, [_stage(name) for name in "abcd"])
    prints = {name: identity.fingerprint for name, identity in plan.identities.items()}
    stages = {str(i): name for i, name in enumerate("abc")}
    write_submitted(place, replace(_ten_minutes, stages=stages, fingerprints=prints))
    (place.root / "slurm" / "7_1_0_log.out").write_text("module: command not found\n")
    write_record(
        place.record("c"),
        Record(name="c", kind="toy-sum", fingerprint=prints["c"], status="running", job="7_2",
               identity=plan.identities["c"].parts),
    )  # fmt: skip
    seen = look(place)
    found = states(place, plan, queue=seen.queue, ended=seen.ended)
    assert {name: state.word for name, state in found.items()} == {
        "a": "interrupted", "b": "failed", "c": "interrupted", "d": "waiting",
    }  # fmt: skip
    assert found["a"].sentence == (
        "its job 7_0 has left Slurm's queue; it never began; run the study again"
    )
    assert "before the work began; its last words: module: command not found" in found["b"].sentence
