"""The study file: what it may say, what it becomes, what it refuses, and the template."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.studies.toy_potentials import GAS

from zifglass.core import InputError
from zifglass.io import structures
from zifglass.studies import Resources, Stage
from zifglass.studies.expand import seed_of, stages_of
from zifglass.studies.fingerprint import identities
from zifglass.studies.study_file import read_study, write_study
from zifglass.studies.template import template

glasses: dict[str, Any] = {
    "name": "glasses",
    "seed": 5,
    "structures": {"zif4": {"source": "zif4"}, "big": {"source": "zif4", "supercell": "2x1x1"}},
    "potentials": {"gas": GAS, "other": GAS},
    "protocols": {
        "glass": {
            "settings": {"t_max": 20},
            "vary": {"t_max": [70, 90]},
            "structures": ["zif4"],
        },
        "hold": {
            "protocol": "flexible-npt",
            "after": "glass",
            "settings": {"duration": 1},
            "potentials": ["gas"],
        },
    },
    "analyses": {"structure": {"of": ["start", "glass"], "segment": "glass"}},
    "mechanics": {
        "bulk": {"method": "strain-sweep", "of": ["glass"]},
        "soft": {"method": "fluctuations", "of": ["glass"], "dynamics": {"duration": 10}},
        "cold": {"method": "static", "of": ["start"]},
    },
}


def saved(folder: Path, value: Any) -> Path:
    path = folder / "study.yaml"
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value), encoding="utf-8")
    return path


def expanded(folder: Path, value: Any, **changes: Any) -> dict[str, Stage]:
    study = read_study(saved(folder, value), changes=[f"{k}={v}" for k, v in changes.items()])
    return {stage.name: stage for stage in stages_of(study, folder)}


def test_a_study_becomes_its_stages(tmp_path: Path) -> None:
    stages = expanded(tmp_path, glasses)
    runs = [f"zif4/{p}/glass/run-{i}" for p in ("gas", "other") for i in (1, 2)]
    holds = ["zif4/gas/hold/run-1", "zif4/gas/hold/run-2"]
    analyses = ["zif4/start/structure", "big/start/structure"]
    analyses += ["zif4/gas/glass/structure", "zif4/other/glass/structure"]
    mechanics = []
    for p in ("gas", "other"):
        group = f"zif4/{p}/glass"
        for i in (1, 2):
            mechanics += [f"{group}/bulk-{i}", f"{group}/soft-{i}/run", f"{group}/soft-{i}/moduli"]
            mechanics += [f"{group}/compare-{i}"]
        mechanics += [f"{group}/bulk-all", f"{group}/soft-all"]
        mechanics += [f"zif4/{p}/start/cold-1", f"big/{p}/start/cold-1"]
    names = {"zif4/prepare", "big/prepare", *runs, *holds, *analyses, *mechanics}
    assert set(stages) == names
    assert {stages[run].kind for run in runs} == {"melt-quench"}
    assert stages[holds[1]].needs == {"structure": "zif4/gas/glass/run-2"}
    assert stages["zif4/gas/glass/structure"].needs == {"run-1": runs[0], "run-2": runs[1]}
    assert stages["zif4/gas/glass/structure"].settings["segment"] == "glass"
    assert stages["zif4/start/structure"].settings["segment"] is None
    assert stages["zif4/gas/glass/compare-2"].needs == {
        "bulk": "zif4/gas/glass/bulk-2", "soft": "zif4/gas/glass/soft-2/moduli",
    }  # fmt: skip
    melts = [
        next(s for s in stages[run].settings["protocol"]["segments"] if s["name"] == "melt")
        for run in runs[:2]
    ]
    assert [melt["duration"] for melt in melts] == ["70 ps", "90 ps"]
    seeds = [stage.settings["seed"] for stage in stages.values() if "seed" in stage.settings]
    assert len(set(seeds)) >= len(runs) + len(holds)
    assert stages[runs[0]].settings["seed"] == seed_of(read_study(tmp_path / "study.yaml"), runs[0])
    identities(list(stages.values()))  # they fit together and can be fingerprinted


def test_more_of_it_leaves_the_rest_as_it_was(tmp_path: Path) -> None:
    before = identities(list(expanded(tmp_path, glasses).values()))
    more = yaml.safe_load(yaml.safe_dump(glasses))
    more["protocols"]["glass"]["vary"]["t_max"].append(110)
    more["structures"]["zif8"] = {"source": "zif8"}
    more["protocols"]["glass"]["run"] = {"checkpoint_seconds": 5}
    more["resources"] = {"melt-quench": {"threads": 2, "hours": 3}}
    stages = expanded(tmp_path, more)
    after = identities(list(stages.values()))
    same = [
        n for n in before if n not in ("zif4/gas/glass/structure", "zif4/other/glass/structure")
    ]
    for name in same:
        if not name.endswith("-all"):
            assert after[name].fingerprint == before[name].fingerprint, name
    assert after["zif4/gas/glass/structure"] != before["zif4/gas/glass/structure"]
    run = stages["zif4/gas/glass/run-1"]
    assert run.resources == Resources(threads=2, hours=3)
    assert run.aside["checkpoint_seconds"] == 5


def test_files_alone_need_nothing_else(tmp_path: Path) -> None:
    value = {"analyses": {"mine": {"files": ["a/run.xyz", "b.xyz"], "first": 10, "every": 2}}}
    (stage,) = expanded(tmp_path, value).values()
    assert stage.name == "files/mine"
    assert stage.inputs["trajectory:run"] == tmp_path.resolve() / "a" / "run.xyz"
    assert (stage.settings["first"], stage.settings["every"]) == (10, 2)


def test_a_relaxed_structure_is_one_per_potential(tmp_path: Path) -> None:
    value = {
        "structures": {"a": {"source": "zif4", "relax": "atoms"}},
        "potentials": {"one": GAS, "two": "models/own.pth"},
        "mechanics": {"cold": {"method": "static"}},
    }
    stages = expanded(tmp_path, value)
    assert set(stages) == {
        "a/one/prepare", "a/two/prepare", "a/one/start/cold-1", "a/two/start/cold-1",
    }  # fmt: skip
    assert stages["a/two/prepare"].potential == str(tmp_path.resolve() / "models" / "own.pth")
    assert stages["a/two/start/cold-1"].needs == {"structure": "a/two/prepare"}


def test_the_written_study_reads_back_equal(tmp_path: Path) -> None:
    study = read_study(saved(tmp_path, glasses))
    write_study(tmp_path / "again.yaml", study)
    assert read_study(tmp_path / "again.yaml") == study


bad: list[tuple[dict[str, Any], str]] = [
    ({"protocls": {}}, "unknown setting 'protocls': did you mean 'protocols'"),
    ({"structures": {"zif4": {"sorce": "zif4"}}}, "did you mean 'source'"),
    ({"protocols": {"glass": {"replica": 3}}}, "did you mean 'replicas'"),
    ({"protocols": {"glass": {"run": {"watch": {"linker": "off"}}}}}, "did you mean 'linkers'"),
    (
        {"protocols": {"glass": {"settings": {"t_mx": 5}}}},
        "protocol 'glass': .*did you mean 't_max'",
    ),
    ({"protocols": {"glass": {"protocol": "melt-qench"}}}, "did you mean 'melt-quench'"),
    ({"protocols": {"glass": {"protocol": "own.yaml"}}}, "own.yaml"),
    ({"protocols": {"glass": {"protocol": "own.yaml", "vary": {"t_max": [1]}}}}, "in the file"),
    ({"protocols": {"glass": {"potentials": ["fst"]}}}, "no potential is called 'fst'"),
    ({"protocols": {"a": {"after": "b"}, "b": {"after": "a"}}}, "in a circle: a → b → a"),
    (
        {"protocols": {"a": {}, "b": {"after": "aa"}}},
        "no protocol is called 'aa': did you mean 'a'",
    ),
    ({"protocols": {"a": {"replicas": 3}, "b": {"after": "a", "replicas": 2}}}, "follows 'a'"),
    ({"protocols": {"a": {"replicas": 3, "vary": {"t_max": [1, 2]}}}}, "t_max has 2 values"),
    ({"protocols": {"a": {"vary": {"t_max": []}}}}, "without values"),
    ({"protocols": {"start": {}}}, "meaning of its own"),
    ({"protocols": {"a b": {}}}, "a name is made of"),
    ({"analyses": {"x": {"of": ["glas"]}}}, "did you mean 'glass'"),
    ({"analyses": {"x": {"of": [], "files": []}}, "protocols": {}}, "nothing to analyse"),
    ({"analyses": {"x": {"files": ["a/1.xyz", "b/1.xyz"]}}}, "two files have the same name"),
    ({"analyses": {"x": {}}, "mechanics": {"x": {}}}, "an analysis and mechanics"),
    ({"mechanics": {"x": {"method": "static", "sweep": {"hold": 5}}}}, "no effect on static"),
    ({"mechanics": {"x": {"method": "strain"}}}, "mechanics.x.method"),
    ({"structures": {}}, "need structures"),
    ({"potentials": {}}, "need potentials"),
    ({"structures": {"a": {"source": "zif5"}}}, "structure 'a': no such file.*did you mean 'zif"),
    ({"structures": {"a": {"supercell": "2x2"}}}, "structures.a.supercell"),
    ({"structures": {"a": {"supercell": "2xx2"}}}, "written 2x2x2"),
    ({"resources": {"melt-qench": {}}}, "did you mean 'melt-quench'"),
    ({"resources": {"*": {"thread": 2}}}, "did you mean 'threads'"),
    ({"slurm": {"partitions": "x"}}, "did you mean 'partition'"),
    ({"seed": -1}, "setting 'seed'"),
]


@pytest.mark.parametrize(("change", "sentence"), bad)
def test_what_a_study_must_not_say(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    base = {
        "structures": {"zif4": {}}, "potentials": {"gas": GAS}, "protocols": {"glass": {}},
    }  # fmt: skip
    with pytest.raises(InputError, match=sentence) as caught:
        expanded(tmp_path, base | change)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zifglass init writes one to begin with"):
        read_study(tmp_path / "none.yaml")
    for text, sentence in (
        ("- a\n- b\n", "'key: value' lines"),
        ("a: [1\nb: 2\n", r"not YAML: .*study.yaml:2"),
        ("", "'key: value' lines"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_study(saved(tmp_path, text))
    (tmp_path / "study.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="no text"):
        read_study(tmp_path / "study.yaml")
    with pytest.raises(InputError, match="nothing to do"):
        expanded(tmp_path, {"name": "empty"})


argon = """\
name: argon
structures:
  010: {source: zif4, relax: no}
potentials: {gas: "python:tests.studies.toy_potentials:gas"}
protocols:
  hold:
    protocol: flexible-npt
    settings:
      duration: 1
      temperature: 300
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name", "nmae", r"unknown setting 'nmae': did you mean 'name'\? \(\S+study.yaml:1\)$"),
        ("duration", "duratoin", r"did you mean 'duration'\? \(\S+:9\)$"),
        ("temperature: 300", "temperature: warm", r"should be a number; got 'warm' \(\S+:10\)$"),
        ("duration: 1", "duration: .inf", r"should be a finite number; got inf \(\S+:9\)$"),
        ("duration: 1", "duration: yes", r"should be a number; got 'true' \(\S+:9\)$"),
        (
            "temperature",
            "duration",
            r"'duration' stands here and in line 9; remove one \(\S+:10\)$",
        ),
        ("flexible-npt", "flexible-ntp", r"did you mean 'flexible-npt'\? \(\S+:7\)$"),
        ("    protocol:", "    after: hold\n    protocol:", r"hold → hold \(\S+:7\)$"),
        ("{source: zif4, relax: no}", "zif4", r"'key: value' pairs; got 'zif4' \(\S+:3\)$"),
        ("{source: zif4, relax: no}", "{source: .}", r"this is a folder"),
        ("argon\n", "&a [*a]\n", r"holds itself \(\S+:1\)$"),
        ("argon\n", "2024-02-31\n", r"not YAML: day is out of range"),
        ("argon\n", "\x07\n", r"control character 0x07 \(\S+:1\)$"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in argon
    with pytest.raises(InputError, match=sentence):
        expanded(tmp_path, argon.replace(old, new, 1))


def test_names_are_as_they_are_written(tmp_path: Path) -> None:
    """YAML would read 010 as 8, yes as true, and an unquoted no as false."""
    assert "010/gas/hold/run-1" in expanded(tmp_path, argon)
    assert "yes/prepare" in expanded(tmp_path, argon.replace("010", "yes"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("sed=1", r"unknown setting 'sed': did you mean 'seed'\? \(in sed=1\)$"),
        ("seed=[1", r"the value is not YAML: .* \(in seed=\[1\)$"),
        (
            "protocols.hold.settings.duration=x",
            r"got 'x' \(in protocols.hold.settings.duration=x\)$",
        ),
        ("potentials.gsa=zif4-fast", r"potentials has no 'gsa': did you mean 'gas'\? \(in "),
    ],
)
def test_a_slip_in_a_change_is_not_blamed_on_the_file(
    tmp_path: Path, change: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_study(saved(tmp_path, argon), changes=[change])


def test_set_changes_what_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = saved(tmp_path, glasses)
    study = read_study(path, changes=["protocols.hold.settings.duration=7", "seed=9",
                                      "structures.zif4.relaxation.forces=1e-3"])  # fmt: skip
    assert study.protocols["hold"].settings == {"duration": 7}
    assert study.seed == 9
    assert study.structures["zif4"].relaxation.forces == 1e-3
    with pytest.raises(InputError, match="protocols has no 'glas': did you mean 'glass'"):
        read_study(path, changes=["protocols.glas.replicas=3"])
    with pytest.raises(InputError, match="'key=value'"):
        read_study(path, changes=["seed"])


def test_the_template_is_a_study(tmp_path: Path) -> None:
    stages = expanded(tmp_path, template(potential=GAS))
    kinds = {stage.kind for stage in stages.values()}
    assert kinds == {"prepare", "melt-quench", "analyse", "strain-sweep", "ensemble"}
    assert all(len(line) <= 100 for line in template().splitlines())
    assert structures.NAMES[0] in template()


def test_every_commented_setting_of_the_template_is_one(tmp_path: Path) -> None:
    """With every # that hides one taken away it is still a study, and the same one."""
    text = template(potential=GAS)
    shown = re.sub(r"^# ( *[\w-]+:(?: |$))", r"  \1", text, flags=re.M)
    shown = re.sub(r"^#(\w+:$)", r"\1", shown, flags=re.M)
    whole = identities(list(expanded(tmp_path, shown).values()))
    plain = identities(list(expanded(tmp_path, text).values()))
    own = "python-tests-studies"
    assert {name: whole[name] for name in plain} == plain
    assert {f"zif4/{own}/start/static-1", f"zif4/{own}/start/fluctuations-1/run"} <= set(whole)


def test_the_study_of_the_how_to_is_one(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "studies.md"
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    stages = expanded(tmp_path, text)
    assert {"zif4/fast/glass/run-3", "zif4/fast/glass/structure", "zif4/fast/glass/bulk-all",
            "zif4/fast/start/compare-1"} <= set(stages)  # fmt: skip
    identities(list(stages.values()))
