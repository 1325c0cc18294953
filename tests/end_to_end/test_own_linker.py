"""A linker of one's own from its file through analysis, dynamics, a study and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.io import write as ase_write
from click.testing import Result
from tests.analysis.zif90 import carbaldehyde, zif90
from tests.end_to_end.tethers import TORN, WHOLE
from tests.studies.toy_potentials import GAS
from typer.testing import CliRunner

from zifglass.analysis import LinkerSettings, read_linker
from zifglass.cli.main import app
from zifglass.core import ArrayTrajectory, Frame, InputError, Protocol, Segment, ZifglassError
from zifglass.dynamics import read_thermo
from zifglass.dynamics.protocol_file import write_protocol
from zifglass.io import write
from zifglass.mechanics import structural_state
from zifglass.report.folders.run import run_account
from zifglass.studies.expand import stages_of
from zifglass.studies.fingerprint import identities
from zifglass.studies.study_file import read_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "zif90.extxyz", zif90())
    ase_write(tmp_path / "ica.xyz", carbaldehyde())
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_analyse(folder: Path) -> None:
    crystal = zif90()
    oxygen = int(np.nonzero(crystal.numbers == 8)[0][0])
    moved = crystal.positions.copy()
    moved[oxygen] += [0.0, 0.0, 2.0]
    frames = [Frame(crystal, time=0.0), Frame(crystal.with_positions(moved), time=10.0)]
    write(folder / "run.extxyz", ArrayTrajectory(frames))
    common = ("analyse", folder / "run.extxyz", "--quantities", "coordination,linkers,rings")
    done = run(*common, "-o", folder / "out", "--linker", folder / "ica.xyz")
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "out" / "results.json").read_text())
    assert found["coordination"]["value"] == 4.0
    assert found["linkers_expected"]["value"] == 24
    assert found["linkers_intact_least"]["value"] == 23
    assert found["broken_linker_fraction"]["value"] == pytest.approx(1 / 48)
    # The torn one still bridges by its two nitrogens: no ring of the sodalite net is lost.
    assert [found[f"rings_of_{n}"]["value"] for n in (4, 6, 12)] == [6, 8, 32]
    written = yaml.safe_load((folder / "out" / "settings.yaml").read_text())["settings"]["linkers"]
    assert written["own"][0]["name"] == "ica"
    assert sum(written["own"][0]["hydrogens"]) == 3  # as in the framework, not as in the file
    for words, sentence in (
        (("--linker", folder / "nothing.xyz"), "No such file"),
        (("--linker", folder / "ica.xyz", "--linker", folder / "ica.xyz"), "the same molecule"),
        ((), "give the linker that is missing (--linker FILE"),
    ):
        refused = run(*common, "-o", folder / "none", *words)
        assert isinstance(refused.exception, InputError)
        assert sentence in str(refused.exception)
        assert not (folder / "none").exists()


def _protocol(folder: Path, until: str | None = "molten") -> Path:
    wait = Segment(
        name="wait", ensemble="nvt-csvr", duration=40.0, timestep=1.0, temperature=(10.0, 10.0),
        thermo_every=4.0, frames_every=8.0, monitor_every=4.0, until=until,
    )  # fmt: skip
    deuterated = Protocol(name="wait", segments=(wait,), masses={"H": 2.0141})
    write_protocol(folder / "wait.yaml", deuterated)
    return folder / "wait.yaml"


def test_a_run_is_watched_and_goes_on_only_with_the_same_linker(folder: Path) -> None:
    words = (
        "md", folder / "zif90.extxyz", "--potential", WHOLE, "--protocol", _protocol(folder),
        "-o", folder / "run",
    )  # fmt: skip
    linker = ("--linker", folder / "ica.xyz")
    # Without the linker the melting monitor cannot know the framework, nor the watchdog.
    blind = run(*words[:-1], folder / "blind")
    assert "give the linker that is missing" in str(blind.exception)
    first = run(*words, *linker, "--max-wall", "0")
    assert isinstance(first.exception, ZifglassError)
    assert first.exception.exit_status == 75
    refused = run(*words, "--linker", folder / "zif90.extxyz")
    assert isinstance(refused.exception, InputError)
    assert "linkers.own[0].name was ica and is now zif90" in str(refused.exception)
    (folder / "moved").mkdir()
    ase_write(folder / "moved" / "ica.xyz", carbaldehyde(acid=False))  # the same graph
    done = run(*words, "--linker", folder / "moved" / "ica.xyz")
    assert done.exit_code == 0, done.output
    assert len(read_thermo(folder / "run")["time_ps"]) == 11
    started = yaml.safe_load((folder / "run" / "run.yaml").read_text())
    assert started["linkers"]["own"][0]["name"] == "ica"


def test_a_framework_that_is_not_watched_is_said_so(folder: Path) -> None:
    words = ("md", folder / "zif90.extxyz", "--potential", WHOLE)
    words += ("--protocol", _protocol(folder, until=None), "-o", folder / "run")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "linkers are not watched: the composition" in done.output
    assert yaml.safe_load((folder / "run" / "run.yaml").read_text())["linkers"] is None
    refused = run(*words, "--linker", folder / "ica.xyz")
    assert "linkers was None and is now" in str(refused.exception)


def test_a_torn_linker_stops_a_run_and_is_marked_on_its_page(folder: Path) -> None:
    done = run(
        "md", folder / "zif90.extxyz", "--potential", TORN, "--protocol", _protocol(folder),
        "-o", folder / "run", "--linker", folder / "ica.xyz", "--run-set", "watch.linkers=stop",
        "--run-set", "watch.temperature=warn",
    )  # fmt: skip
    assert isinstance(done.exception, ZifglassError)
    assert "1 of 24 linkers are broken" in str(done.exception)
    (model,) = run_account(folder / "run", budget=1e6, room=1e5, alone=False).models
    torn = int(np.nonzero(zif90().numbers == 8)[0][3])
    assert torn in model.overlays[-1].broken
    assert len(model.overlays[0].broken) == 0


def test_a_study_keeps_the_graph(folder: Path) -> None:
    study = {
        "structures": {"mine": {"source": "zif90.extxyz"}, "zif8": {"source": "zif8"}},
        "potentials": {"gas": GAS},
        "protocols": {"hold": {"protocol": "flexible-npt", "settings": {"duration": 1}}},
        "analyses": {"structure": {"of": ["start", "hold"]}},
        "mechanics": {"bulk": {"of": ["start"]}},
    }

    def stages(**more: object) -> dict:
        (folder / "study.yaml").write_text(yaml.safe_dump(study | more))
        return {s.name: s for s in stages_of(read_study(folder / "study.yaml"), folder)}

    plain = stages()
    assert not any("'linkers'" in str(s.settings).replace("'linkers': 'harvest'", "")
                   for s in plain.values())  # fmt: skip
    given = stages(linkers={"ica": "ica.xyz"})
    before = identities(list(given.values()))
    for name, group in (
        ("mine/gas/hold/run-1", "run"), ("mine/start/structure", "survey"),
        ("mine/gas/start/bulk-1", "sweep"),
    ):  # fmt: skip
        assert given[name].settings[group]["linkers"]["own"][0]["symbols"].count("O") == 1
        assert before[name] != identities(list(plain.values()))[name]
    # Another file of the same molecule is the same study, another molecule is another one.
    ase_write(folder / "ica.xyz", carbaldehyde(acid=False), plain=True)
    assert identities(list(stages(linkers={"ica": "ica.xyz"}).values())) == before
    ase_write(folder / "ica.xyz", carbaldehyde(position=4))
    after = identities(list(stages(linkers={"ica": "ica.xyz"}).values()))
    assert after["mine/start/structure"] != before["mine/start/structure"]
    assert after["mine/prepare"] == before["mine/prepare"]
    with pytest.raises(InputError, match="No such file"):
        stages(linkers={"ica": "gone.xyz"})


def test_the_study_of_the_how_to_is_one(folder: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "another-linker.md"
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    (folder / "study.yaml").write_text(text)
    write(folder / "zif90.cif", zif90())
    stages = {s.name: s for s in stages_of(read_study(folder / "study.yaml"), folder)}
    run_of = stages["zif90/own/glass/run-1"].settings["run"]
    assert run_of["linkers"]["own"][0]["name"] == "ica"


def test_a_study_is_analysed_with_it(folder: Path) -> None:
    settings = {"quantities": ["linkers"]}
    study = {
        "structures": {"mine": {"source": "zif90.extxyz"}},
        "linkers": {"ica": "ica.xyz"},
        "analyses": {"structure": {"of": ["start"], "settings": settings}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    done = run("run", folder / "study.yaml", "-o", folder / "study", "--cores", "1")
    assert done.exit_code == 0, done.output
    results = folder / "study" / "stages" / "mine" / "start" / "structure" / "results.json"
    assert json.loads(results.read_text())["linkers_intact_least"]["value"] == 24


def test_lint_scorecard_and_sweep_know_it(folder: Path) -> None:
    crystal = zif90()
    torn = crystal.positions.copy()
    torn[np.nonzero(crystal.numbers == 8)[0][0], 2] += 2.0
    frames = ArrayTrajectory(
        [
            Frame(s, energy=-float(i), forces=np.zeros_like(torn))
            for i, s in enumerate((crystal, crystal.with_positions(torn)))
        ]
    )
    write(folder / "labelled.extxyz", frames)
    linker = ("--linker", folder / "ica.xyz")
    said = run("dataset", "lint", folder / "labelled.extxyz", *linker).output
    assert "1 of 2 frames hold broken linkers" in said
    assert "linkers not judged" in run("dataset", "lint", folder / "labelled.extxyz").output
    card = run(
        "evaluate", WHOLE, "--reference-trajectory", folder / "labelled.extxyz", "--trajectory",
        folder / "labelled.extxyz", "-o", folder / "card", "--threads", 1, "--set", "pore_frames=1",
        *linker,
    )  # fmt: skip
    assert card.exit_code == 0, card.output
    assert "broken linkers" in card.output
    ica = LinkerSettings(own=(read_linker(folder / "ica.xyz"),))
    assert structural_state(frames, linkers=ica).broken_fraction == pytest.approx(1 / 48)
    assert structural_state(frames).broken_fraction is None
