"""zifglass init, run, status, cite, export, on a study of argon."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.studies.argon_study import write_argon
from typer.testing import CliRunner

from zifglass import read
from zifglass.cli.main import app
from zifglass.core import InputError, ZifglassError
from zifglass.core.files import sha256_of
from zifglass.core.locks import is_locked, locked
from zifglass.studies.citation import ALWAYS, references
from zifglass.studies.kinds import kind_of
from zifglass.studies.place import Place, read_plan
from zifglass.studies.runner import job_environment
from zifglass.studies.states import states

stages = [
    "argon/prepare", "argon/lj/heat/run-1", "argon/lj/heat/run-2", "argon/lj/cool/run-1",
    "argon/lj/cool/run-2", "argon/lj/cool/distances",
]  # fmt: skip


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the study file, in which the study has run into out/, and what it said."""
    folder = tmp_path_factory.mktemp("argon")
    return folder, call("run", write_argon(folder), "-o", folder / "out", "--cores", 2)


@pytest.fixture
def study(finished: tuple[Path, str], tmp_path: Path) -> Iterator[Path]:
    """A copy of that folder, to be spoilt."""
    shutil.copytree(finished[0], tmp_path / "copy")
    yield tmp_path / "copy"


def words(folder: Path) -> dict[str, str]:
    place = Place(folder)
    return {name: state.word for name, state in states(place, read_plan(place)).items()}


def test_a_study_is_run_and_told(finished: tuple[Path, str]) -> None:
    folder, said = finished
    assert "argon/lj/heat/run-2: finished" in said and "6 finished" in said
    assert set(words(folder / "out")) == set(stages)
    told = call("status", folder / "out", "--all")
    assert [line.split()[:2] for line in told.splitlines()[:-1]] == [
        [name, "finished"] for name in words(folder / "out")
    ]
    assert told.splitlines()[-1] == "6 finished"
    again = call("run", folder / "study.yaml", "-o", folder / "out")
    assert "6 stages have finished before" in again and "begins" not in again
    kept = yaml.safe_load((folder / "out" / "study.yaml").read_text())
    assert kept["protocols"]["heat"]["run"]["watch"]["linkers"] == "harvest"  # resolved
    found = json.loads((folder / "out/stages/argon/lj/cool/distances/results.json").read_text())
    assert 3.4 < found["rdf_first_peak_Ar-Ar"]["value"] < 4.2


def test_a_dry_run_measures_and_leaves_nothing(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = finished
    said = call("run", folder / "study.yaml", "-o", tmp_path / "new", "--dry-run")
    assert "ms per step of Ar32 (measured)" in said
    rows = {
        line.split()[0]: line.split() for line in said.splitlines() if line.startswith("argon/")
    }
    assert list(rows) == stages
    assert rows["argon/lj/cool/run-2"][1:3] == ["md", "waiting"]
    assert rows["argon/lj/cool/run-2"][-1] == "argon/lj/heat/run-2"
    assert "6 stages: about" in said and "1 short ones" in said
    assert not (tmp_path / "new").exists()
    assert "finished" in call("run", folder / "study.yaml", "-o", folder / "out", "--dry-run")


def test_a_change_is_done_again_and_only_so_far_as_it_matters(study: Path) -> None:
    text = (study / "cool.yaml").read_text()
    (study / "cool.yaml").write_text(text.replace("10 K to 5 K", "10 K to 4 K"))
    call("run", study / "study.yaml", "-o", study / "out", "--only", "argon/lj/cool/run-1")
    told = call("status", study / "out")
    assert "argon/lj/cool/run-2" in told and "outdated" in told
    assert "10 K to 5 K and is now 10 K to 4 K" in told
    assert words(study / "out")["argon/lj/cool/run-1"] == "finished"
    assert (study / "out/old/argon/lj/cool/run-1-1/results.json").exists()
    assert not (study / "out/old/argon/lj/heat").exists()


def test_a_folder_that_was_moved_or_half_copied(study: Path) -> None:
    told = call("status", study / "out")
    assert "was planned in" in told and "6 finished" in told
    shutil.rmtree(study / "out/stages/argon/lj/cool/run-2")
    (study / "out/stages/argon/lj/heat/run-2/trajectory.h5").unlink()
    for path in (study / "out").rglob("*"):  # copied without time stamps
        os.utime(path, (2e9, 2e9))
    found = words(study / "out")
    assert found["argon/lj/cool/run-2"] == "waiting"
    assert found["argon/lj/heat/run-2"] == "edited"
    assert found["argon/lj/heat/run-1"] == "finished"
    assert "trajectory.h5 is missing" in call("status", study / "out")
    call("run", study / "study.yaml", "-o", study / "out", "--cores", 2)
    assert set(words(study / "out").values()) == {"finished"}
    assert "was planned in" not in call("status", study / "out")


def test_a_result_edited_by_hand_is_seen(study: Path) -> None:
    path = study / "out/stages/argon/lj/heat/run-1/results.json"
    path.write_text(path.read_text().replace("1", "2", 1))
    told = call("status", study / "out")
    assert "argon/lj/heat/run-1" in told and "results.json was changed" in told
    with pytest.raises(InputError, match="run-1 were changed by hand"):
        call("export", study / "out")


def test_two_runs_at_once_are_refused(study: Path) -> None:
    with (
        locked(Place(study / "out").lock, what="this study"),
        pytest.raises(InputError, match="another process writes to this study"),
    ):
        call("run", study / "study.yaml", "-o", study / "out")
    assert (study / "out" / "study.yaml").exists()


def test_what_run_and_status_refuse(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is no study folder"):
        call("status", tmp_path)
    (study / "argon.extxyz").unlink()
    with pytest.raises(InputError, match="structure 'argon': no such file"):
        call("run", study / "study.yaml", "-o", study / "out")
    write_argon(study)
    with pytest.raises(InputError, match="no model is called 'lj'"):
        call("run", study / "study.yaml", "-o", study / "new", "--set", "potentials.lj=lj")
    assert not (study / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ZifglassError, match="cannot write here"):
        call("run", study / "study.yaml", "-o", tmp_path / "file")
    with pytest.raises(InputError, match="no stage matches 'nothing'"):
        call("run", study / "study.yaml", "-o", study / "out", "--only", "nothing")
    with pytest.raises(InputError, match="did you mean 'seed'"):
        call("run", study / "study.yaml", "-o", study / "out", "--set", "sed=1")
    assert set(words(study / "out").values()) == {"finished"}


def test_a_full_disk_fails_with_a_sentence_and_goes_on_later(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from zifglass.studies import runner

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(runner, "write_plan", full)
        with pytest.raises(ZifglassError, match="No space left on device; make room"):
            call("run", study / "study.yaml", "-o", study / "out")
    assert "6 finished" in call("run", study / "study.yaml", "-o", study / "out")


def test_cite(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = finished
    text = call("cite", folder / "out")
    for key in (*ALWAYS, "bussi2007", "bussi2009", "martyna1994", "chodera2007"):
        assert f"{{{key},\n" in text
    assert "birch1947" not in text
    assert "% argon/lj/heat/run-1, argon/lj/heat/run-2\n@article{martyna1994," in text
    call("cite", "-o", tmp_path / "all.bib")
    assert (tmp_path / "all.bib").read_text().count("\n@") == len(references()) - 1
    (tmp_path / "plan.json").write_text('{"study": "x", "root": "/x", "stages": []}')
    with pytest.raises(InputError, match="nothing to cite yet"):
        call("cite", tmp_path)


def test_every_reference_is_complete_and_every_kind_cites_known_ones() -> None:
    import re

    from zifglass.studies import kinds
    from zifglass.studies.stage import KINDS

    known = references()
    assert len({r.doi for r in known.values() if r.doi}) == len(known) - 1  # zifglass has none
    for reference in known.values():
        for field in ("author", "title", "year"):
            assert re.search(rf"^  {field} = \{{.+\}},?$", reference.text, re.M), reference.key
        assert reference.text.count("{") == reference.text.count("}")
    for name in KINDS:
        if not name.startswith("toy"):
            assert set(kind_of(name).references) <= set(known), name
    source = Path(kinds.__file__).parent
    for path in [*source.glob("work/*.py"), *source.glob("reproduce/*.py")]:
        found = re.findall(r'"([a-z]+(?:19|20)\d\d)"', path.read_text())
        assert set(found) <= set(known), path


def test_a_crate_of_the_study(study: Path) -> None:
    out = study / "out"
    call("export", out, "--author", "A. Ngstrom", "--licence", "https://spdx.org/licenses/CC0-1.0")
    crate = json.loads((out / "ro-crate-metadata.json").read_text())
    graph = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(graph) == len(crate["@graph"])
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    descriptor, root = graph["ro-crate-metadata.json"], graph["./"]
    assert descriptor["about"] == {"@id": "./"} and root["@type"] == "Dataset"
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert all(root[key] for key in ("name", "description", "datePublished", "license"))

    def referred(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            for item in value.values():
                yield from referred(item)
        elif isinstance(value, list):
            for item in value:
                yield from referred(item)

    outside = {"https://w3id.org/ro/crate/1.1", "http://schema.org/CompletedActionStatus"}
    assert {i for e in graph.values() for i in referred(e)} <= set(graph) | outside
    files = [entity for entity in graph.values() if entity["@type"] == "File"]
    assert {"@id": files[0]["@id"]} in root["hasPart"] and len(files) == len(root["hasPart"])
    for entity in files:
        path = out / entity["name"]
        assert path.stat().st_size == int(entity["contentSize"])
        assert entity.get("sha256") in (None, sha256_of(path))
    actions = [entity for entity in graph.values() if entity["@type"] == "CreateAction"]
    assert len(actions) == len(stages)
    for action in actions:
        assert action["result"] and graph[action["instrument"]["@id"]]["softwareVersion"]
        assert action["startTime"] <= action["endTime"]
    potential = graph["#argon/lj/cool/run-1-potential"]["value"]
    assert potential.startswith("python:") and len(potential.split()[-1]) == 64
    with pytest.raises(InputError, match="a licence is given by its URL"):
        call("export", out, "--licence", "CC-BY")
    (out / "stages/argon/lj/cool/run-1/stage.json").unlink()
    with pytest.raises(InputError, match=r"has not finished .*5 finished.*--unfinished"):
        call("export", out)
    assert "written" in call("export", out, "--unfinished")


def test_init_writes_a_study_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    monkeypatch.chdir(tmp_path)
    Path("own.safetensors").touch()
    said = call("init", path, "--potential", "own.safetensors")
    assert f"zifglass run {path} -o mine --dry-run" in said
    assert yaml.safe_load(path.read_text())["potentials"] == {"own": "own.safetensors"}
    with pytest.raises(InputError, match="there is a file already"):
        call("init", path)
    (tmp_path / "sub").mkdir()
    call("init", "sub/mine.yaml", "--potential", "own.safetensors")  # a file is seen from here
    written = yaml.safe_load(Path("sub/mine.yaml").read_text())
    assert written["potentials"] == {"own": "../own.safetensors"}
    for bad, sentence in (
        (["x.yaml", "--structure", "zif9"], "no such structure file"),
        (["x.yaml", "-p", "zif4-fst"], "no model is called"),
        (["x.yaml", "-p", "lost.pth"], "no such model file"),
        (["sub"], "ends in .yaml"),
    ):
        with pytest.raises(InputError, match=sentence):
            call("init", *bad)
    assert not Path("x.yaml").exists()
    call("init", path, "--force", "--structure", "zif8")
    assert "zif8" in yaml.safe_load(path.read_text())["structures"]


def _end_of(study: Path) -> dict[str, Any]:
    """What counts of a finished study: tables and structures to the byte, frames to the bit."""
    found: dict[str, Any] = {}
    for name in stages:
        folder = study / "stages" / name
        for path in [*folder.glob("*.csv"), *folder.glob("*.extxyz"), folder / "results.json"]:
            found[f"{name}/{path.name}"] = path.read_text()
        if (folder / "trajectory.h5").exists():
            frames = read(folder / "trajectory.h5")
            positions = np.stack([frame.structure.positions for frame in frames])
            found[f"{name}/positions"] = positions.tobytes()
    return found


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.long)])
def test_a_study_killed_at_random_comes_to_the_same_end(
    finished: tuple[Path, str], tmp_path: Path, kills: int
) -> None:
    folder, _ = finished
    command = [sys.executable, "-m", "zifglass.cli.main", "run", str(folder / "study.yaml")]
    command += ["-o", str(tmp_path), "--cores", "2"]
    rng = random.Random(kills)
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=job_environment(1)) as process:
            assert process.stdout is not None
            begins = 0
            for line in process.stdout:  # killed while one of the first stages works
                begins += b"begins" in line
                if begins > rng.randrange(3):
                    break
            time.sleep(rng.uniform(0.0, 2.0))
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, env=job_environment(1))
    assert done.returncode == 0, done.stderr
    assert _end_of(tmp_path) == _end_of(folder / "out")
    assert not any(is_locked(path) for path in tmp_path.glob("locks/**/*.lock"))


def test_how_far_a_running_stage_has_come(tmp_path: Path) -> None:
    from zifglass.studies.headway import headway

    def told(folder: Path, age: int, **status: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "status.json"
        path.write_text(
            json.dumps({"segment": "hold", "time_ps": 1.5, "duration_ps": 20, **status})
        )
        os.utime(path, (age, age))

    assert headway(tmp_path) == ""
    told(tmp_path / "preparation", 1, seconds_left=0.0)
    told(tmp_path / "expansion-1", 2, seconds_left=90.0)
    assert headway(tmp_path) == "expansion-1: hold, 1.5 of 20 ps, 1.5 min left"
    told(tmp_path, 3, seconds_left=36000.0)
    assert headway(tmp_path) == "hold, 1.5 of 20 ps, 10.0 h left"
    told(tmp_path, 4, seconds_left=None)
    assert headway(tmp_path) == "hold, 1.5 of 20 ps"
    (tmp_path / "status.json").write_text("{")
    assert headway(tmp_path) == ""
