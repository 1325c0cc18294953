"""The real kinds of work, on crystals of argon and a ZIF-4 whose atoms do not see each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.dynamics.toys import fcc
from tests.studies import toy_kinds
from tests.studies.toy_potentials import ARGON, GAS

from zifglass import dynamics, mechanics, read
from zifglass.analysis import coordination
from zifglass.analysis.survey import SurveySettings
from zifglass.core import InputError
from zifglass.core.settings import settings_from
from zifglass.dynamics import RunSettings, WatchSettings
from zifglass.io import structures, write
from zifglass.studies import Stage, StudyReport, kinds, run_stages
from zifglass.studies.kinds import kind_of
from zifglass.studies.place import Place
from zifglass.studies.record import read_record
from zifglass.studies.work.handover import frames_of

assert toy_kinds

names = [
    "prepare", "md", "melt-quench", "analyse", "strain-sweep", "fluctuations", "static", "compare",
    "ensemble",
]  # fmt: skip
calm = RunSettings(
    watch=WatchSettings(distances="off", linkers="off", temperature="off", energy="off")
)


def results(report: StudyReport, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (report.stages[name].folder / "results.json").read_text(encoding="utf-8")
    )
    return found


@pytest.fixture(scope="module")
def crystal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("argon") / "argon.extxyz"
    write(path, fcc(5.27, 2))
    return path


def short(**changes: Any) -> Any:
    values = {
        "t_max": 0.05, "heating_rate": 24000.0, "cooling_rate": 24000.0, "before": 0.05,
        "equilibration": 0.1, "frames_every": 10.0,
    } | changes  # fmt: skip
    return dynamics.melt_quench(settings_from(dynamics.protocols.MeltQuench, values))


def test_every_kind_is_known_and_has_a_method() -> None:
    for name in names:
        assert kind_of(name).method >= 1
        assert kind_of(name).module.startswith("zifglass.studies.work.")


def test_a_crystal_prepared_molten_quenched_and_analysed(tmp_path: Path) -> None:
    prepared = kinds.PrepareSettings(supercell=(1, 1, 1), volume_change=0.02)
    stages = [
        kinds.prepare_stage("zif4/prepare", "zif4", settings=prepared),
        *(
            kinds.md_stage(
                f"zif4/glass/{i}", short(), potential=GAS, structure="zif4/prepare",
                seed=i, run=calm, kind="melt-quench",
            )
            for i in (1, 2)
        ),
        kinds.analyse_stage(
            "zif4/structure",
            stages={"one": "zif4/glass/1", "two": "zif4/glass/2"},
            segment="glass",
            settings=SurveySettings(quantities=("rdf", "coordination"), overlap=1e-6),
        ),
        kinds.analyse_stage(
            "zif4/crystal",
            stages={"crystal": "zif4/prepare"},
            settings=SurveySettings(quantities=("coordination",)),
        ),
    ]  # fmt: skip
    report = run_stages(stages, tmp_path, cores=2)
    report.require()
    start = read(tmp_path / "stages/zif4/prepare/structure.extxyz")[0].structure
    assert start.volume == pytest.approx(1.02 * structures.load("zif4").volume, rel=1e-12)
    assert results(report, "zif4/crystal")["coordination"]["value"] == coordination(start).mean
    frames = read(tmp_path / "stages/zif4/glass/1/trajectory.h5")
    assert len(frames) == 1 + 30  # 3 × 0.05 + 0.05 + 0.1 ps, every 10 fs
    assert len(frames_of(tmp_path / "stages/zif4/glass/1", segment="glass")) == 10
    density = results(report, "zif4/glass/1")["density"]
    assert density["value"] == pytest.approx(start.density_g_per_cm3, rel=1e-6)
    one, two = (read(tmp_path / f"stages/zif4/glass/{i}/structure.extxyz")[0] for i in (1, 2))
    assert not np.allclose(one.structure.positions, two.structure.positions)
    record = read_record(Place(tmp_path).record("zif4/glass/1"))
    assert record is not None and {"castel2024", "bussi2007"} <= set(record.references)
    assert (tmp_path / "stages/zif4/glass/1/melt-quench.png").exists()


def test_dynamics_and_a_sweep_of_argon(tmp_path: Path, crystal: Path) -> None:
    protocol = dynamics.named_protocol(
        "flexible-npt", changes=["temperature=10", "duration=0.5", "equilibration=0.25",
                                 "timestep=5", "frames_every=25"],
    )  # fmt: skip
    sweep = mechanics.StrainSweepSettings(
        temperature=2.0, preparation=1.0, ramp=0.5, hold=3.0, timestep=5.0, step=0.01, min_steps=1,
        max_steps=2,
    )  # fmt: skip
    stages = [
        kinds.prepare_stage("start", crystal),
        kinds.md_stage("run", protocol, potential=ARGON, structure="start", seed=3),
        kinds.md_stage("on", protocol, potential=ARGON, structure="run", fork="run", seed=4),
        kinds.strain_sweep_stage("sweep", potential=ARGON, structure="start", settings=sweep),
    ]
    report = run_stages(stages, tmp_path, cores=2)
    report.require()
    assert results(report, "run")["temperature"]["std"] > 0
    segments = results(report, "run")["about"]["segments"]
    assert [s["name"] for s in segments] == ["equilibrate", "keep"]
    first = read(tmp_path / "stages/on/trajectory.h5")[0].structure
    last = read(tmp_path / "stages/run/trajectory.h5")[-1].structure
    np.testing.assert_allclose(first.positions, last.positions, atol=1e-5)
    found = results(report, "sweep")
    assert found["bulk_modulus"]["value"] > 0 and found["bulk_modulus"]["std"] > 0
    assert (tmp_path / "stages/sweep/compression-1/thermo.csv").exists()


def test_fluctuations_and_their_verdicts(tmp_path: Path) -> None:
    stages = [
        *(Stage(name=f"run/{i}", kind="toy-npt", settings={"seed": i}) for i in (1, 2)),
        *(
            kinds.fluctuations_stage(f"moduli/{i}", f"run/{i}", temperature=300.0, seed=i)
            for i in (1, 2)
        ),
        kinds.compare_stage("verdict", {"one": "moduli/1", "two": "moduli/2"}),
        kinds.ensemble_stage("ensemble", {"one": "moduli/1", "two": "moduli/2"}),
    ]
    report = run_stages(stages, tmp_path, cores=2)
    report.require()
    each = [results(report, f"moduli/{i}")["bulk_modulus_reuss"] for i in (1, 2)]
    whole = results(report, "ensemble")
    assert whole["bulk_modulus_reuss"]["value"] == pytest.approx(
        np.mean([e["value"] for e in each])
    )
    assert whole["bulk_modulus_reuss_spread"]["value"] == pytest.approx(
        np.std([e["value"] for e in each], ddof=1)
    )
    verdict = results(report, "verdict")
    assert 0.0 <= verdict["agreement_probability"]["value"] <= 1.0
    assert verdict["about"]["verdict"] in ("agree", "disagree")


def test_static_limit_and_relaxation_of_argon(tmp_path: Path, crystal: Path) -> None:
    relaxing = kinds.PrepareSettings(relax="cell")
    stages = [
        kinds.prepare_stage("start", crystal, settings=relaxing, potential=ARGON),
        kinds.static_stage("static", potential=ARGON, structure="start"),
    ]
    report = run_stages(stages, tmp_path, cores=1)
    report.require()
    found = results(report, "static")["bulk_modulus_hill"]
    assert found["value"] > 0 and found["std"] < 0.05 * found["value"]
    assert results(report, "start")["about"]["relaxation"]["converged"]["value"] is True


def test_what_a_kind_refuses(tmp_path: Path, crystal: Path) -> None:
    with pytest.raises(InputError, match="no potential to do it with"):
        kinds.prepare_stage("a", "zif4", settings=kinds.PrepareSettings(relax="atoms"))
    with pytest.raises(InputError, match="segments called quench and glass; 'flexible-npt' has"):
        kinds.md_stage(
            "a", dynamics.flexible_npt(), potential=GAS, structure="x", kind="melt-quench"
        )
    with pytest.raises(InputError, match="analyses nothing"):
        kinds.analyse_stage("a")
    stages = [
        kinds.prepare_stage("start", crystal),
        kinds.analyse_stage("a", stages={"x": "start"}, segment="glass"),
    ]
    report = run_stages(stages, tmp_path, cores=1)
    assert "no trajectory, so no segment 'glass' of it" in report.stages["a"].sentence
