"""Stages on this machine: what is done, what is not done again, what a failure or a kill leaves."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.studies import toy_kinds

from zifglass.core import InputError, Stopped, ZifglassError
from zifglass.core.locks import is_locked, locked
from zifglass.studies import Resources, Stage, StudyReport, run_stages
from zifglass.studies.place import Place, read_plan
from zifglass.studies.record import read_record, results_in
from zifglass.studies.runner import job_environment
from zifglass.studies.states import states

assert toy_kinds  # the kinds are known once the module is imported


def _sum(name: str, value: float, *needs: str, **more: Any) -> Stage:
    return Stage(
        name=name,
        kind="toy-sum",
        settings={"value": value},
        needs={need.replace("/", "-"): need for need in needs},
        **more,
    )


def _value(report: StudyReport, name: str) -> float:
    text = (report.stages[name].folder / "results.json").read_text()
    return float(json.loads(text)["value"]["value"])


def _calls(report: StudyReport, name: str) -> int:
    return len((report.stages[name].folder / "calls.txt").read_text().splitlines())


def _words(report: StudyReport) -> dict[str, str]:
    return {name: state.word for name, state in report.stages.items()}


def test_stages_run_in_their_order_and_only_once(tmp_path: Path) -> None:
    number = tmp_path / "number.txt"
    number.write_text("10")
    stages = [
        _sum("end", 1, "a/left", "a/right"),
        _sum("a/left", 2, "start"),
        _sum("a/right", 3, "start"),
        _sum("start", 4, inputs={"number": number}),
    ]
    report = run_stages(stages, tmp_path / "study", cores=2)
    report.require()
    assert report.is_finished
    assert _value(report, "end") == 1 + (2 + 14) + (3 + 14)
    again = run_stages(stages, tmp_path / "study")
    assert again.is_finished
    assert [_calls(again, name) for name in ("start", "a/left", "a/right", "end")] == [1] * 4
    record = read_record(Place(tmp_path / "study").record("end"))
    assert record is not None
    assert record.references == ("castel2024",)
    assert set(record.results) == {"results.json", "calls.txt"}
    assert record.host and record.versions["numpy"] and record.began and record.threads >= 1


def test_what_changed_is_done_again_and_nothing_else(tmp_path: Path) -> None:
    number = tmp_path / "number.txt"
    number.write_text("10")

    def stages(left: float) -> list[Stage]:
        return [
            _sum("start", 4, inputs={"number": number}),
            _sum("left", left, "start"),
            _sum("right", 3, "start"),
            _sum("end", 1, "left"),
        ]

    study = tmp_path / "study"
    run_stages(stages(2), study)
    place, plan = Place(study), None
    changed = run_stages(stages(20), study)
    assert _value(changed, "end") == 1 + 20 + 14
    assert (study / "old" / "left-1" / "results.json").exists()
    assert not (study / "old" / "right-1").exists()
    assert _calls(changed, "right") == 1
    number.write_text("11")  # its content counts, and not its time
    os.utime(number, (0, 0))
    plan = read_plan(place)
    assert run_stages(stages(20), study).is_finished
    assert _value(StudyReport(study, states(place, plan)), "end") == 1 + 20 + 15
    os.utime(number, (2e9, 2e9))  # a clock from the future changes nothing
    assert _calls(run_stages(stages(20), study), "start") == 1


def test_a_method_raised_by_hand_makes_results_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from zifglass.studies.kinds import kind_of
    from zifglass.studies.stage import KINDS

    run_stages([_sum("one", 1)], tmp_path)
    raised = replace(kind_of("toy-sum"), method=2)
    monkeypatch.setitem(KINDS, "toy-sum", raised)
    from zifglass.studies.place import make_plan

    place = Place(tmp_path)
    found = states(place, make_plan(place, [_sum("one", 1)]))["one"]
    assert (found.word, found.sentence) == ("outdated", "method was 1 and is now 2")


def test_resources_and_names_of_files_are_no_part_of_a_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("5")
    (tmp_path / "b.txt").write_text("5")
    run_stages([_sum("one", 1, inputs={"x": tmp_path / "a.txt"})], tmp_path / "s")
    other = _sum("one", 1, inputs={"x": tmp_path / "b.txt"}, resources=Resources(threads=1))
    assert _calls(run_stages([other], tmp_path / "s"), "one") == 1


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("input", r"the crystal is upside down (crystal.cif:3)"),
        ("disk", "No space left on device"),
        ("kill", "its process was killed by SIGKILL"),
        ("bug", "RuntimeError: a bug"),
    ],
)
def test_a_failure_stops_what_needs_it_and_nothing_else(
    tmp_path: Path, how: str, sentence: str
) -> None:
    health = tmp_path / "health.txt"
    health.write_text("ill")
    bad = Stage(name="bad", kind="toy-fail", settings={"how": how}, inputs={"health": health})
    stages = [bad, _sum("on-bad", 1, "good"), _sum("good", 2)]
    stages[1] = Stage(name="on-bad", kind="toy-sum", settings={"value": 1}, needs={"bad": "bad"})
    study = tmp_path / "study"
    report = run_stages(stages, study, cores=1)
    assert _words(report) == {"bad": "failed", "on-bad": "blocked", "good": "finished"}
    assert sentence in report.stages["bad"].sentence
    assert report.stages["on-bad"].sentence == "needs bad, which failed"
    with pytest.raises(ZifglassError, match="stage bad failed"):
        report.require()
    health.write_text("well")
    assert _words(run_stages(stages[:1], study)) == {"bad": "finished"}


@pytest.mark.parametrize("hurt", ["edited", "lost", "record"])
def test_edited_and_lost_results_are_seen_and_made_again(tmp_path: Path, hurt: str) -> None:
    stages = [_sum("one", 1), _sum("two", 2, "one")]
    before = run_stages(stages, tmp_path)
    result = before.stages["one"].folder / "results.json"
    if hurt == "edited":  # of the same length, as a hand would do it
        result.write_text(result.read_text().replace("1.0", "7.0"))
    elif hurt == "lost":
        result.unlink()
    else:
        Place(tmp_path).record("one").write_text("{")
    found = states(Place(tmp_path), read_plan(Place(tmp_path)))["one"]
    assert found.word == ("waiting" if hurt == "record" else "edited")
    assert found.sentence == {
        "edited": "results.json was changed", "lost": "results.json is missing",
        "record": "its record (stage.json) is gone or cut; what is there goes to old/",
    }[hurt]  # fmt: skip
    after = run_stages(stages, tmp_path)
    assert after.is_finished and _value(after, "one") == 1.0
    assert (tmp_path / "old" / "one-1").is_dir()
    assert _calls(after, "two") == 1


def test_a_plan_that_was_cut_is_made_anew(tmp_path: Path) -> None:
    run_stages([_sum("a", 1)], tmp_path).require()
    for text in ("", '{"study": "x"}', '{"study": "x", "root": "/", "stages": [{}]}'):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(InputError, match=r"cut or edited; run the study again"):
            read_plan(Place(tmp_path))
        again = run_stages([_sum("a", 1)], tmp_path)
        assert again.is_finished and _calls(again, "a") == 1


def test_a_page_is_no_result_of_its_stage(tmp_path: Path) -> None:
    """zifglass report may write one before the stage ends, and another after."""
    page = tmp_path / "stages" / "a" / "page.html"
    run_stages([_sum("a", 1)], tmp_path).require()
    record = Place(tmp_path).record("a")
    page.write_text("early")
    value = json.loads(record.read_text())
    assert results_in(page.parent) == value["results"]


def test_a_disk_too_full_for_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil._ntuple_diskusage(100, 100, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    report = run_stages([Stage(name="a", kind="toy-fail", settings={"how": "kill"})], tmp_path)
    with pytest.raises(ZifglassError, match=r"SIGKILL; the disk of .* is full: make room"):
        report.require()


def test_only(tmp_path: Path) -> None:
    stages = [_sum("a", 1), _sum("x/b", 2, "a"), _sum("x/c", 3, "a"), _sum("d", 4, "x/b")]
    assert set(run_stages(stages, tmp_path, only=["b"]).stages) == {"a", "x/b"}
    place = Place(tmp_path)
    assert [s.word for s in states(place, read_plan(place)).values()] == [
        "finished", "finished", "waiting", "waiting",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"no stage matches 'e\*': there are a, x/b, x/c, d"):
        run_stages(stages, tmp_path, only=["e*"])


def test_impossible_graphs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in a circle: a → b → a"):
        run_stages([_sum("a", 1, "b"), _sum("b", 1, "a")], tmp_path)
    with pytest.raises(InputError, match="stage 'a' needs 'b', which does not exist"):
        run_stages([_sum("a", 1, "b")], tmp_path)
    with pytest.raises(InputError, match="two stages are called 'a'"):
        run_stages([_sum("a", 1), _sum("a", 2)], tmp_path)
    with pytest.raises(InputError, match="'a/b' would lie in the folder of stage 'a'"):
        run_stages([_sum("a", 1), _sum("a/b", 2)], tmp_path)
    with pytest.raises(InputError, match=r"cannot read an input of stage 'a': No such file"):
        run_stages([_sum("a", 1, inputs={"x": tmp_path / "none"})], tmp_path)
    with pytest.raises(InputError, match="a stage is named by letters"):
        _sum("../a", 1)
    with pytest.raises(InputError, match="no stage is of kind 'toy-smu': did you mean 'toy-sum'"):
        run_stages([Stage(name="a", kind="toy-smu")], tmp_path)
    with pytest.raises(InputError, match="not plain data"):
        run_stages([Stage(name="a", kind="toy-sum", settings={"x": object()})], tmp_path)
    assert not (tmp_path / "plan.json").exists()


def test_cores_are_divided_and_never_exceeded(tmp_path: Path) -> None:
    def stage(name: str, threads: int | None = None) -> Stage:
        return Stage(
            name=name, kind="toy-threads", settings={"seconds": 0.4},
            resources=Resources(threads=threads),
        )  # fmt: skip

    stages = [stage("one", 1), stage("wide", 9), *(stage(f"free-{i}") for i in range(4))]
    report = run_stages(stages, tmp_path, cores=3)
    spans = [
        json.loads((state.folder / "span.json").read_text()) for state in report.stages.values()
    ]
    assert all(span["omp"] == span["threads"] for span in spans)
    for when in [span["span"][0] for span in spans]:
        at_once = [s["threads"] for s in spans if s["span"][0] <= when < s["span"][1]]
        assert sum(at_once) <= 3
    alone = run_stages([stage("alone")], tmp_path / "alone", cores=3).stages["alone"].folder
    assert json.loads((alone / "span.json").read_text())["threads"] == 3


def test_two_runners_of_one_study_are_refused(tmp_path: Path) -> None:
    run_stages([_sum("one", 1)], tmp_path)
    with (
        locked(Place(tmp_path).lock, what="this study"),
        pytest.raises(
            InputError, match=rf"another process writes to this study \(process {os.getpid()}"
        ),
    ):
        run_stages([_sum("one", 1)], tmp_path)


def test_a_moved_study_goes_on_where_it_was(tmp_path: Path) -> None:
    stages = [_sum("one", 1), _sum("two", 2, "one")]
    run_stages(stages, tmp_path / "here", only=["one"])
    (tmp_path / "here").rename(tmp_path / "there")
    report = run_stages(stages, tmp_path / "there")
    assert report.is_finished and _calls(report, "one") == 1
    assert read_plan(Place(tmp_path / "there")).root == str((tmp_path / "there").resolve())


_script = """
import sys
from tests.studies.test_runner import counting
from zifglass.core import ZifglassError
from zifglass.studies import run_stages
try:
    report = run_stages(counting(), sys.argv[1], cores=3, tell=lambda text: print(text, flush=True))
    report.require()
except ZifglassError as error:
    print(error, flush=True)
    sys.exit(error.exit_status)
"""


def counting() -> list[Stage]:
    """Three chains of stages that keep checkpoints, and their end."""
    stages = []
    for chain in range(3):
        for i in range(2):
            needs = {"before": f"{chain}/{i - 1}"} if i else {}
            stages.append(
                Stage(
                    name=f"{chain}/{i}",
                    kind="toy-count",
                    settings={"steps": 40 + chain, "chain": chain},
                    needs=needs,
                )
            )
    return stages


def _start(study: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _script, str(study)],
        stdout=subprocess.PIPE, text=True, env=job_environment(1),
    )  # fmt: skip


def _totals(study: Path) -> dict[str, Any]:
    return {
        stage.name: json.loads((study / "stages" / stage.name / "results.json").read_text())
        for stage in counting()
    }


def _wait_until_unlocked(study: Path) -> None:
    for _ in range(600):
        if not any(is_locked(path) for path in study.glob("**/*.lock")):
            return
        time.sleep(0.1)
    pytest.fail("a process of the study still runs a minute after its runner was killed")


def test_a_runner_killed_ten_times_comes_to_the_same_end(tmp_path: Path) -> None:
    run_stages(counting(), tmp_path / "whole", cores=3).require()
    rng = random.Random(7)
    study = tmp_path / "killed"
    for _ in range(10):
        with _start(study) as process:
            assert process.stdout is not None
            process.stdout.readline()  # the first stages begin
            time.sleep(rng.uniform(0.0, 0.8))
            process.kill()
    with _start(study) as process:
        process.communicate()
    assert process.returncode == 0
    assert _totals(study) == _totals(tmp_path / "whole")
    _wait_until_unlocked(study)


def test_a_signal_stops_every_stage_and_the_next_run_goes_on(tmp_path: Path) -> None:
    process = _start(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    while not list(tmp_path.glob("stages/*/0/checkpoints/state.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 75
    assert "SIGTERM received" in said and "run the same command again" in said
    _wait_until_unlocked(tmp_path)
    place = Place(tmp_path)
    found = states(place, read_plan(place))
    assert "running" not in [state.word for state in found.values()]
    run_stages(counting(), tmp_path, cores=3).require()
    records = [read_record(place.record(stage.name)) for stage in counting()]
    assert max(record.sessions for record in records if record is not None) >= 2


def test_wall_time(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="the wall time is used up"):
        run_stages(counting(), tmp_path, cores=3, max_wall=0.5)
    assert run_stages(counting(), tmp_path, cores=3).is_finished


def test_the_process_of_a_stage_says_nothing_of_its_own(tmp_path: Path) -> None:
    run_stages([_sum("alone", 1)], tmp_path / "study", cores=1).require()
    assert Place(tmp_path / "study").log("alone").read_text() == ""
