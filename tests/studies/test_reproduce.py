"""The published numbers recomputed: what is run, where ours is found, what is said about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studies.toy_zif import (
    BULK_MODULUS,
    DENSITY,
    STIFFER,
    TETHERED,
    Tethered,
    stiffer,
    tethered,
)
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.core import Frame, InputError, Structure
from zifglass.core.units import MPa, meV
from zifglass.io import structures, write
from zifglass.studies import reproduce as study
from zifglass.studies import run_stages
from zifglass.studies.place import Place
from zifglass.studies.published import Comparison, castel2024
from zifglass.studies.record import read_record
from zifglass.studies.reproduce import kinds, rows
from zifglass.studies.reproduce import plan as plan_module
from zifglass.studies.reproduce.budgets import FULL, Budget
from zifglass.studies.reproduce.figures import draw_all
from zifglass.studies.reproduce.found import Found, Missing
from zifglass.studies.states import StageState

# --- budgets and plans -----------------------------------------------------------------------


def test_what_is_shortened_is_said_and_full_is_what_was_published() -> None:
    assert study.shortened(FULL) == []
    statements = castel2024().statements
    assert FULL.ramp == statements["ramp"].value and FULL.hold == statements["hold"].value
    assert FULL.large_ramp == FULL.large_hold == statements["hold-super"].value
    assert FULL.prepare == statements["prepare"].value
    assert FULL.npt_crystal == 1e3 * statements["npt-crystal"].value
    assert FULL.npt_glass == 1e3 * statements["npt-glass"].value
    assert FULL.glasses == 10 and (FULL.melt, FULL.melt_step) == (50.0, 20.0)
    for name in ("minutes", "hours"):
        budget = study.budget_called(name)
        said = {what for what, _, _ in study.shortened(budget)}
        changed = [k for k in Budget.model_fields if getattr(budget, k) != getattr(FULL, k)]
        assert said == {Budget.model_fields[k].description for k in changed}
    with pytest.raises(InputError, match="no budget 'days'; there are minutes, hours, full"):
        study.budget_called("days")


@pytest.fixture
def glasses(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"ZIF4_15glass{n:02d}.cif" for n in (1, 2)]
    for path in paths:
        write(path, structures.load("zif4"))
    return paths


def _aimd_folder(folder: Path) -> Path:
    crystal = structures.load("zif4")
    folder.mkdir()
    for name in ("crystal", "liquid-1500K", "glass-01", "glass-02", "volume-4", "volume+2"):
        write(folder / f"{name}.extxyz", [Frame(crystal, time=10.0 * i) for i in range(3)])
    (folder / "notes.txt").write_text("hello")
    (folder / "crystalline.xyz").write_text("not a crystal")
    return folder


def test_every_stage_a_table_or_figure_is_read_off_exists(
    tmp_path: Path, glasses: list[Path]
) -> None:
    folder = _aimd_folder(tmp_path / "aimd")
    (folder / "test.extxyz").write_bytes((folder / "crystal.extxyz").read_bytes())
    plan = study.make_plan(
        "full", potential=TETHERED, teacher=STIFFER, glasses=glasses,
        aimd=study.aimd_sources(folder), stress_trained={"1": TETHERED},
    )  # fmt: skip
    for patterns in plan_module.needs.values():
        for pattern in patterns:
            assert plan.names(pattern) or plan.why_not(pattern) != "no such run in this study"
    assert set(plan_module.needs) == {f"table-S{i}" for i in range(1, 9)} | {
        f"figure-S{i}" for i in range(1, 18)
    }
    assert len(plan.names("melt-quench/*/run")) == 10
    assert plan.names("sweep/l*") == ["sweep/l1"]  # and not the large cell
    short = study.make_plan("minutes", potential=TETHERED)
    for pattern in ("npt/crystal/moduli", "large-glass/glass", "aimd/*", "as-published/*"):
        assert not short.names(pattern) and len(short.why_not(pattern)) > 30
    assert "ZIFGLASS_DATA" in short.why_not("ab-initio-glass/*/structure")
    assert "minutes budget" in short.why_not("npt/glass-*/moduli")


def test_only(tmp_path: Path) -> None:
    def asked(*only: str) -> list[str]:
        return sorted(study.make_plan("minutes", potential=TETHERED, only=only).only)

    assert asked("S5") == ["figure-S5", "table-S5"]
    assert asked("table-S5", " S11") == ["figure-S11", "table-S5"]
    assert len(asked()) == 25
    plan = study.make_plan("minutes", potential=TETHERED, only=["table-S4"])
    assert plan.wanted() == ["sweep/single"]
    for wrong in ("S18", "table-S9", "page-S5", "5"):
        with pytest.raises(InputError, match=rf"no table or figure '{wrong}'"):
            asked(wrong)
    with pytest.raises(InputError, match="λσ is 1 or 100 in Table S4; got '10'"):
        study.make_plan("minutes", potential=TETHERED, stress_trained={"10": TETHERED})


def test_aimd_trajectories_are_known_by_their_names(tmp_path: Path) -> None:
    folder = _aimd_folder(tmp_path / "aimd")
    found = {source.name: source.role for source in study.aimd_sources(folder)}
    assert found == {
        "crystal": "crystal", "liquid-1500K": "liquid", "glass-01": "glass", "glass-02": "glass",
        "volume-4": "volume-4", "volumep2": "volume+2",
    }  # fmt: skip
    assert study.unused(folder) == ["crystalline.xyz", "notes.txt"]
    # A CP2K run with its cell beside it, as files and as a folder.
    for name in ("liquid-pos-1.xyz", "liquid-1.cell", "liquid-vel-1.xyz"):
        (folder / name).write_text("x")
    run = folder / "glass-03"
    run.mkdir()
    (run / "zif-pos-1.xyz").write_text("x")
    (run / "zif-1.cell").write_text("x")
    by_name = {source.name: source for source in study.aimd_sources(folder)}
    assert {p.name for p in by_name["liquid"].files} == {
        "liquid-pos-1.xyz", "liquid-1.cell", "liquid-vel-1.xyz",
    }  # fmt: skip
    assert by_name["glass-03"].path == run / "zif-pos-1.xyz"
    (folder / "crystal.cif").write_text("x")
    with pytest.raises(InputError, match="two trajectories are called crystal"):
        study.aimd_sources(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no AIMD trajectory here: the name of each begins with"):
        study.aimd_sources(tmp_path / "empty")
    with pytest.raises(InputError, match="given as a folder; this is none"):
        study.aimd_sources(tmp_path / "nothing")


# --- rows, off results made by hand ----------------------------------------------------------


def _found(plan: study.Plan, folder: Path, results: Mapping[str, Any]) -> Found:
    """As if the stages named in `results` had finished; a word in place of numbers is a state."""
    states = {}
    for name in plan.names("*"):
        entry = results.get(name, "waiting")
        place = folder / name
        if not isinstance(entry, str):
            place.mkdir(parents=True)
            numbers = {k: {"value": v, "std": s, "unit": ""} for k, (v, s) in entry.items()}
            (place / "results.json").write_text(json.dumps(numbers))
            entry = "finished"
        word, _, sentence = entry.partition(": ")
        states[name] = StageState(name, "", word, sentence, place, place, 0.0, "")  # type: ignore[arg-type]
    return Found(plan, states)


def _rows(found: Found) -> dict[str, Comparison]:
    return {
        f"{c.published.key}" + (f"/{c.ours.by}" if c.ours else ""): c
        for c in rows.comparisons(castel2024(), found)
    }


def test_temperature_of_melting_and_coordination_when_hot(tmp_path: Path) -> None:
    plan = study.make_plan("hours", potential=TETHERED)
    b = plan.budget
    begin = 2 * b.volume_equilibration + 1200.0 / b.heating_rate  # crystal, one jump, heating
    late = begin + b.heated + 20.0
    found = _found(plan, tmp_path, {
        "heated/p2/melting": {"melting": ("liquid", None), "melting_onset": (begin + 5.0, 1.0)},
        "heated/m2/melting": {"melting": ("liquid", None), "melting_onset": (late, 1.0)},
        "heated/p0/melting": {"melting": ("solid", None)},
        "heated/m4/melting": "failed: the watchdog stopped it",
        "heated/p2/last": {"coordination": (3.64, 0.03)},
    })  # fmt: skip
    table = _rows(found)
    assert table["S1/temperature/p2/MLP"].word == "agrees"
    assert table["S1/temperature/m2/MLP"].ours.value == 1750.0  # type: ignore[union-attr]
    assert table["S1/temperature/m2/MLP"].word == "agrees"
    assert table["S1/temperature/p0"].reason.startswith(
        f"solid after {b.heated:g} ps at 1500 K and {b.hotter:g} ps at 1750"
    )
    assert table["S1/temperature/m4"].reason.endswith("failed: the watchdog stopped it")
    row = table["S2/coordination/p2/MLP"]
    assert row.word == "agrees" and row.parts["published"] == pytest.approx(0.03)
    assert "published: AIMD, ours: MLP" in row.remarks
    assert any(f"last 10 of {b.heated:g} ps, liquid" in remark for remark in row.remarks)
    assert table["S2/coordination/m4"].word == "not run"
    at_once = study.make_plan("minutes", potential=TETHERED)
    short = _rows(_found(at_once, tmp_path / "s", {
        "heated/m4/melting": {"melting": ("undecided", None)},
    }))  # fmt: skip
    assert "1750 K is not in this budget" in short["S1/temperature/m4"].reason


def test_three_phases(tmp_path: Path, glasses: list[Path]) -> None:
    four = study.BUDGETS["hours"].model_copy(update={"glasses": 4})
    plan = study.make_plan("hours", potential=TETHERED, glasses=glasses, budget=four)
    found = _found(plan, tmp_path, {
        "crystal/structure": {"coordination": (4.0, 0.0), "porous_volume": (52.0, 0.5)},
        "melt-quench/01/liquid": {"coordination": (3.6, 0.03), "porous_volume": (60.0, 1.0)},
        "melt-quench/01/melting": {"melting": ("liquid", None)},
        "melt-quench/02/liquid": {"coordination": (3.9, 0.03), "porous_volume": (53.0, 1.0)},
        "melt-quench/02/melting": {"melting": ("undecided", None)},
        "melt-quench/03/liquid": {"coordination": (3.7, 0.04), "porous_volume": (62.0, 1.0)},
        "melt-quench/03/melting": {"melting": ("liquid", None)},
        "melt-quench/04/run": "failed: atoms came too close",
        "melt-quench/04/liquid": "blocked: needs melt-quench/04/run, which failed",
        "as-published/glass-01": {"coordination": (3.90, None), "porous_volume": (55.0, 0.5)},
        "as-published/glass-02": {"coordination": (3.96, None), "porous_volume": (71.0, 0.5)},
        "ab-initio-glass/01/structure": {"coordination": (3.92, 0.01)},
        "ab-initio-glass/02/structure": "waiting",
    })  # fmt: skip
    table = _rows(found)
    assert table["S5/MLP/crystal/MLP"].word == "agrees"
    liquid = table["S5/MLP/liquid/MLP"]
    assert liquid.ours is not None
    assert (liquid.ours.value, liquid.ours.std) == (pytest.approx(3.65), pytest.approx(0.025))
    assert "without melt-quench/02/liquid: it did not melt (undecided)" in liquid.ours.note
    glass = table["S5/AIMD/glass/AIMD"]
    assert glass.ours is not None and glass.ours.glasses is not None
    assert glass.parts["glasses"] == pytest.approx(0.06 / 2**0.5 * (1 / 2 - 1 / 10) ** 0.5)
    assert "2 of the 10 published glasses; which ones, counts as chance" in glass.remarks
    assert table["S6/AIMD/glass/AIMD"].parts["ours"] == pytest.approx(0.5 / 2**0.5)
    # One glass alone does not say how much glasses differ.
    alone = table["S5/MLP/glass/MLP"]
    assert alone.word == "no verdict" and "without ab-initio-glass/02/structure" in alone.remarks[0]
    assert (
        table["S6/MLP/glass"].reason == "stage ab-initio-glass/01/structure gave no porous_volume"
    )
    assert "--aimd DIR" in table["S5/AIMD/crystal"].reason


def test_nothing_that_is_molten_is_no_liquid(tmp_path: Path) -> None:
    plan = study.make_plan("minutes", potential=TETHERED)
    found = _found(plan, tmp_path, {
        "melt-quench/01/liquid": {"coordination": (3.98, 0.01)},
        "melt-quench/01/melting": {"melting": ("solid", None)},
    })  # fmt: skip
    row = _rows(found)["S5/MLP/liquid"]
    assert row.word == "not run" and row.reason == (
        "no liquid after 20 ps at 1500 K: without melt-quench/01/liquid: it did not melt (solid)"
    )
    # Nor is what is cooled from it a glass, in any figure.
    drawn = draw_all(castel2024().figures, found, tmp_path / "figures")
    reasons = {one.name: one.remark for one in drawn if one.path is None}
    assert "it did not melt (solid)" in reasons["S12"]


def test_moduli(tmp_path: Path, glasses: list[Path]) -> None:
    plan = study.make_plan("hours", potential=TETHERED, glasses=glasses)
    sweep = {"bulk_modulus": (1.6, 0.1), "density_at_zero_pressure": (1.15, 0.004)}
    found = _found(plan, tmp_path, {
        "sweep/single": sweep,
        "npt/crystal/moduli": {
            "bulk_modulus_volume": (1.55, 0.06), "bulk_modulus_hill": (1.9, 0.07),
            "density": (1.15, 0.001),
        },
        "npt/glass-01/moduli": {"bulk_modulus_volume": (2.0, 0.2)},
        "npt/glass-02/moduli": {"bulk_modulus_volume": (3.0, 0.3)},
    })  # fmt: skip
    table = _rows(found)
    for key in ("S4/K/l0/MLP", "S7/K/single/MLP"):  # the same run stands beside both
        expected = 0.1 * (plan.budget.hold / 100.0) ** 0.5
        assert table[key].parts["published"] == pytest.approx(expected)
        assert table[key].word == "agrees"
    assert "not deposited" in table["S4/K/l100"].reason
    assert "hours" not in table["S7/K/super"].reason
    crystal = table["S8/K-volume/crystal/MLP"]
    assert crystal.parts["published"] == pytest.approx(
        0.06 * (plan.budget.npt_crystal / 4500) ** 0.5
    )
    assert "Hill's average" in table["S8/K-elastic/crystal/MLP"].remarks
    assert table["S8/K-elastic/crystal/MLP"].word == "differs"
    glass = table["S8/K-volume/glass/MLP"]
    assert glass.ours is not None and glass.ours.value == 2.5
    assert glass.parts["glasses"] == pytest.approx(1.02 * (1 / 2 - 1 / 10) ** 0.5)
    assert glass.parts["ours"] == pytest.approx(np.hypot(0.2, 0.3) / 2)


def test_what_was_not_asked_for_is_said(tmp_path: Path) -> None:
    plan = study.make_plan("minutes", potential=TETHERED, only=["table-S4"])
    table = _rows(_found(plan, tmp_path, {}))
    assert len(table) == 45
    assert table["S5/MLP/crystal"].reason == "not asked for (--only)"
    assert table["S4/K/l0"].reason == "stage sweep/single has not begun"
    assert all(row.word == "not run" and row.reason for row in table.values())
    with pytest.raises(Missing, match="stage sweep/single has not begun"):
        _found(plan, tmp_path / "x", {}).quantity("sweep/single", "bulk_modulus")


# --- errors of potentials --------------------------------------------------------------------


def _shaken(count: int) -> list[Structure]:
    rng = np.random.default_rng(5)
    crystal = structures.load("zif4")
    return [
        crystal.with_positions(crystal.positions + rng.normal(0, 0.05, crystal.positions.shape))
        for _ in range(count)
    ]


def test_a_student_beside_its_teacher() -> None:
    """Forces of the two tethers are as 50 to 52, so their difference is known."""
    frames = _shaken(4)
    found = kinds.differences(tethered(), stiffer(), frames)
    forces = np.array([np.abs(tethered()(one).forces).mean() / meV for one in frames])
    assert found["forces"].value == pytest.approx(0.04 * forces.mean())
    assert found["forces"].std == pytest.approx(0.04 * forces.std(ddof=1) / 2)
    same = kinds.differences(tethered(), tethered(), frames)
    assert all(same[name].value == 0.0 for name in ("energy", "forces", "stress"))
    with pytest.raises(InputError, match="at least two structures"):
        kinds.differences(tethered(), stiffer(), frames[:1])


def test_errors_against_labels(tmp_path: Path) -> None:
    """Labels off by a known amount; the shear of the stress is absent and does not count."""
    model = Tethered()
    labelled = []
    for one in _shaken(3):
        right = model(one)
        stress = right.stress + 50.0 * MPa
        stress[~np.eye(3, dtype=bool)] = np.nan
        labelled.append(
            Frame(
                one, energy=right.energy + 2.0 * meV * len(one),
                forces=right.forces - 10.0 * meV, stress=stress,
            )
        )  # fmt: skip
    write(tmp_path / "test.h5", labelled)
    stage = kinds.label_errors_stage("label-errors", tmp_path / "test.h5", potential=TETHERED)
    report = run_stages([stage], tmp_path / "s")
    report.require()
    found = json.loads((report.stages["label-errors"].folder / "results.json").read_text())
    for name, value in (("energy", 2.0), ("forces", 10.0), ("stress", 50.0)):
        assert found[name]["value"] == pytest.approx(value, rel=1e-4)
        assert found[name]["std"] == pytest.approx(0.0, abs=1e-3)


# --- the whole way ---------------------------------------------------------------------------

_short = {
    "timestep": 1.0, "crystal_equilibration": 0.1, "crystal": 0.2, "prepare": 0.4, "ramp": 0.2,
    "hold": 0.5, "steps": 2, "frames_every": 0.1, "pore_frames": 2, "deuterium": 2.0141,
}  # fmt: skip


def test_from_nothing_to_the_page(tmp_path: Path) -> None:
    """A crystal whose K and ρ₀ are known exactly; then once more, which repeats nothing."""
    command = [
        "reproduce", "-o", str(tmp_path / "r"), "--potential", TETHERED, "--only",
        "table-S4,figure-S2,figure-S8,figure-S11", "--cores", "1", "--seed", "3",
    ]  # fmt: skip
    for key, value in _short.items():
        command += ["--set", f"{key}={value}"]
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    assert said.exit_code == 0
    found = json.loads((tmp_path / "r" / "results.json").read_text(encoding="utf-8"))
    for key, true, published in (
        ("S4/K/l0", BULK_MODULUS, 1.69), ("S4/density/l0", DENSITY, 1.16),
    ):  # fmt: skip
        entry = found[key]
        assert abs(entry["value"] - true) < 4 * entry["std"]
        assert entry["difference"] == pytest.approx(entry["value"] - published)
        assert entry["z"] == pytest.approx(entry["difference"] / entry["difference_std"])
        assert "DOI 10.1039/D3DD00236E" in entry["source"]
    assert found["S4/K/l1"]["verdict"] == "not run" and "not deposited" in found["S4/K/l1"]["note"]
    assert found["about"]["figures"]["S8"]["drawn"]
    assert "was deposited" in found["about"]["figures"]["S11"]["remark"]
    assert sum(found["about"]["verdicts"].values()) == 45
    assert len(found["about"]["shortened"]) > 10
    page = (tmp_path / "r" / "reproduce.html").read_text(encoding="utf-8")
    for text in ("Table S8", "Figure S17", "4.35 ± 0.32", "would show", "What was shortened"):
        assert text in page
    lines = (tmp_path / "r" / "numbers.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 46 and lines[0].startswith("key,value,std,unit")
    again = CliRunner().invoke(app, command, catch_exceptions=False)
    assert again.exit_code == 0
    place = Place(tmp_path / "r")
    record = read_record(place.record("sweep/single"))
    assert record is not None and record.sessions == 1
    assert json.loads((tmp_path / "r" / "results.json").read_text(encoding="utf-8")) == found


def test_ab_initio_trajectories_fill_their_columns(tmp_path: Path) -> None:
    folder = _aimd_folder(tmp_path / "aimd")
    plan = study.make_plan(
        "minutes", potential=TETHERED, aimd=study.aimd_sources(folder),
        only=["table-S2"], budget=Budget.model_validate(_short),
    )  # fmt: skip
    stages = [stage for stage in plan.stages if fnmatchcase(stage.name, "aimd/volume*")]
    run_stages(stages, tmp_path / "r").require()
    result = study.read_off(plan, tmp_path / "r")
    by_key = {(r.published.key, r.ours.by if r.ours else ""): r for r in result.rows}
    ours = by_key["S2/coordination/p2", "AIMD"]
    assert ours.ours is not None and ours.ours.value == 4.0
    assert ours.word == "differs"  # a crystal is no liquid
    assert by_key["S2/coordination/p2", ""].reason == "stage heated/p2/last has not begun"


def test_commands(tmp_path: Path) -> None:
    def said(*words: str) -> str:
        result = CliRunner().invoke(app, ["reproduce", "-o", str(tmp_path / "r"), *words])
        assert result.exit_code != 0
        return str(result.exception)

    assert "no budget 'days'" in said("--budget", "days")
    assert "did you mean 'hold'" in said("--set", "hodl=3", "--potential", TETHERED)
    assert "this is none" in said("--aimd", str(tmp_path / "no"), "--potential", TETHERED)
    assert "100=FILE; got 'x'" in said("--stress-trained", "x", "--potential", TETHERED)
    assert "no table or figure 'S20'" in said("--only", "S20", "--potential", TETHERED)
    assert not (tmp_path / "r").exists()
    plan = CliRunner().invoke(
        app,
        ["reproduce", "-o", str(tmp_path / "r"), "--potential", TETHERED, "--dry-run"],
        catch_exceptions=False,
    )
    assert plan.exit_code == 0 and not (tmp_path / "r").exists()
    for text in ("sweep/supercell", "shortened: heating, K/ps: 200 in place of 5", "not run: aimd"):
        assert text in plan.output


@pytest.mark.long
def test_every_table_and_figure_on_a_crystal_that_does_not_melt(tmp_path: Path) -> None:
    """All stages but those of glasses that are not there: nothing fails, a tethered crystal stays
    solid, and the page says why what is missing is missing."""
    budget = Budget.model_validate(
        _short | {
            "volume_equilibration": 0.2, "heating_rate": 600.0, "cooling_rate": 300.0,
            "heated": 10.5, "hotter": 0.0, "melt": 11.0, "melt_step": 0.0, "glasses": 1,
            "glass": 0.5, "large_melt": 0.0, "large_prepare": 0.3, "large_ramp": 0.1,
            "large_hold": 0.4, "npt_crystal": 0.0, "npt_glass": 0.0,
        }
    )  # fmt: skip
    plan = study.make_plan("minutes", potential=TETHERED, teacher=STIFFER, budget=budget)
    result = study.reproduce(plan, tmp_path)
    assert [s.name for s in result.unfinished] == []
    assert result.student["forces"].value > 0
    drawn = {figure.name for figure in result.figures if figure.path is not None}
    # No glass was made and none is here, no flexible run, no training.
    without = {"S3", "S7", "S9", "S10", "S11", "S12", "S15", "S16"}
    assert drawn == set(castel2024().figures) - without
    by_key = {row.published.key: row for row in result.rows}
    for column in ("single", "super"):
        ours = by_key[f"S7/K/{column}"].ours
        assert ours is not None and ours.std is not None
        assert abs(ours.value - BULK_MODULUS) < 4 * ours.std
    assert by_key["S5/MLP/liquid"].reason.endswith("it did not melt (solid)")
    assert by_key["S1/temperature/p0"].reason.startswith("solid after 10.5 ps at 1500 K")
    assert "ZIFGLASS_DATA" in by_key["S6/MLP/glass"].reason
