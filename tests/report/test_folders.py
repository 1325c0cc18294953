"""`zifglass report`: every kind of folder is recognised and told; wrong ones get one sentence."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from zifglass import mechanics
from zifglass.cli.main import app
from zifglass.core import ArrayTrajectory, InputError, Quantity, Structure
from zifglass.core.files import write_json
from zifglass.core.units import GPa
from zifglass.io import structures, write
from zifglass.mechanics import elasticity
from zifglass.report.folders import StageWord, account_of, folder_page, kind_of
from zifglass.report.folders.results import quantities_in
from zifglass.report.mechanics import write_comparison, write_fluctuations, write_sweep
from zifglass.report.page import page_html
from zifglass.report.page.tables import quantity_text

runner = CliRunner()
_packed = re.compile(r'<script type="application/gzip" id="[^"]*">(.*?)</script>')
_silent = re.compile(r"<script.*?</script>|<style.*?</style>", re.DOTALL)


def unfolded(text: str) -> str:
    """The page with every packed part in its place."""
    return _packed.sub(lambda found: gzip.decompress(base64.b64decode(found[1])).decode(), text)


def words(text: str) -> str:
    """What a reader reads, folded parts too."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", _silent.sub(" ", unfolded(text)))).split())


def told(folder: Path) -> str:
    return words(page_html(folder_page(folder)))


# --- a run ----------------------------------------------------------------------------------


def test_a_run(work: Path) -> None:
    page = folder_page(work / "melt-quench")
    assert kind_of(work / "melt-quench") == "run"
    titles = [section.title for section in page.sections]
    assert titles == [
        "Summary", "The structure in 3D", "Figures", "Numbers", "Settings", "Provenance",
    ]  # fmt: skip
    text = words(page_html(page))
    assert "0.1 of 0.1 ps were run in 100 steps" in text
    assert "the watchdog noted 1 event" in text
    assert "that the potential is trusted for" in text  # the event itself
    for name in ("pressure_total", "pressure_virial", "Temperature (K)", "glass"):
        assert name in text
    assert "0" * 64 in text  # the potential's checksum


def test_a_run_cut_short_says_so(work: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(work / "melt-quench", tmp_path / "run")
    status = json.loads((folder / "status.json").read_text())
    status |= {"status": "running", "time_ps": 0.045, "segments": status["segments"][:3]}
    status["segments"][-1].pop("end_fs")
    write_json(folder / "status.json", status)
    text = told(folder)
    assert "not finished 0.045 of 0.1 ps so far; the same command goes on" in text
    assert "not begun" in text
    status |= {"status": "stopped by the watchdog", "reason": "a linker broke"}
    write_json(folder / "status.json", status)
    assert "a linker broke. 0.045 of 0.1 ps were run" in told(folder)
    for name in ("status.json", "thermo.csv", "trajectory.h5"):  # just begun
        (folder / name).unlink()
    assert "0 of 0.1 ps so far" in told(folder)


# --- an analysis ----------------------------------------------------------------------------


def test_an_analysis_shows_every_figure_and_the_broken_linker(work: Path) -> None:
    account = account_of(work / "structure")
    assert [model.name for model in account.models] == ["whole", "broken"]
    assert len(account.models[0].overlays[-1].broken) == 0
    assert len(account.models[1].overlays[-1].broken) == 8  # C3N2H3
    text = page_html(folder_page(work / "structure"))
    assert text.count('class="enlarge"') == 3
    assert "±" in words(text)
    assert "Least number of intact linkers" in words(text)
    assert "angles.csv" in unfolded(text)


def test_a_trajectory_that_is_gone_is_named(work: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(work / "structure", tmp_path / "structure")
    settings = folder / "settings.yaml"
    settings.write_text(
        re.sub(r"source: .*broken", "source: /nowhere/broken", settings.read_text())
    )
    account = account_of(folder)
    assert [model.name for model in account.models] == ["whole"]
    assert "the file it was read from is gone or changed: broken" in " ".join(account.sentences)


# --- moduli ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moduli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fluctuations of two runs of one modelled crystal, and their comparison."""
    from zifglass import mechanics

    root = tmp_path_factory.mktemp("moduli")
    stiffness = np.diag([4.0, 5.0, 6.0, 2.0, 2.5, 3.0]) * GPa
    stiffness[:3, :3] += 2.0 * GPa
    cell = np.diag([15.4, 15.4, 18.4])
    covariance = 300.0 * 8.617333e-5 / np.linalg.det(cell) * np.linalg.inv(stiffness)
    estimates = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        xx, yy, zz, yz, xz, xy = rng.multivariate_normal(np.zeros(6), covariance, 2000).T
        strain = np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
        cells = cell @ (np.eye(3) + strain.transpose(2, 0, 1))
        frames = ArrayTrajectory.from_arrays(
            [30], np.zeros((2000, 1, 3)), cells, times=100.0 * np.arange(2000)
        )
        result = mechanics.strain_fluctuations(frames, temperature=300.0, generator=rng)
        write_fluctuations(root / f"run-{seed}", result, mass=3200.0)
        estimates += mechanics.estimates_of_fluctuations(result, run=f"run-{seed}", mass=3200.0)
    write_comparison(root, estimates)
    assert elasticity.averages(stiffness, np.linalg.inv(stiffness)).bulk_reuss > 0
    return root


def test_fluctuations_and_their_comparison(moduli: Path) -> None:
    assert kind_of(moduli / "run-1") == "fluctuations"
    assert kind_of(moduli) == "comparison"
    text = told(moduli / "run-1")
    found = json.loads((moduli / "run-1" / "results.json").read_text())
    stiffness = re.search(r"Stiffness; axes.*?quantity|Stiffness; axes.*", text)
    assert stiffness is not None
    c11, std = found["stiffness"]["value"][0][0], found["stiffness"]["std"][0][0]
    assert f"{c11:.{1 if std >= 1 else 2}f}" in stiffness[0]
    together = told(moduli)
    assert "agree" in together
    assert "Results side by side" in together  # of both runs
    assert "pair by pair" in together


def test_a_sweep_begun_and_a_sweep_done(work: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    shutil.copytree(work / "melt-quench", folder / "preparation")
    write_json(folder / "settings.json", {"step": 0.015})
    assert kind_of(folder) == "sweep"
    assert "The sweep has no result yet" in told(folder)
    hold = {
        "step": "start", "volume_A3": 4300.0, "pressure_total_GPa": 0.1, "pressure_std_GPa": 0.02,
        "independent_samples": 40.0, "drift_in_standard_errors": 0.3, "temperature_K": 300.0,
        "coordination": 4.0, "flags": ["it drifts"],
    }  # fmt: skip
    quantities = {
        "bulk_modulus": Quantity(1.69, 0.05, "GPa"),
        "volume_at_zero_pressure": Quantity(4400.0, 3.0, "Å³"),
        "density_at_zero_pressure": Quantity(1.16, 0.01, "g/cm³"),
    }
    about = {"window": "five points", "bracketed": False, "holds": [hold], "still_wanted": []}
    results = {name: q.as_dict() for name, q in quantities.items()}
    write_json(folder / "results.json", results | {"about": about})
    text = told(folder)
    assert "bulk modulus is 1.690 ± 0.050 GPa" in text
    assert "P = 0 lies outside the volumes" in text
    assert "it drifts" in text
    assert "Thermo log of preparation" in text


# --- many -----------------------------------------------------------------------------------


def test_a_folder_of_folders(work: Path) -> None:
    page = folder_page(work)
    titles = [section.title for section in page.sections]
    assert titles[-2:] == ["melt-quench", "structure"]
    assert "The structures in 3D" in titles


@pytest.fixture(scope="module")
def study(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine stages: seven runs, one failed, one waits; with records as `studies` leaves them."""
    root = tmp_path_factory.mktemp("study") / "my study"
    stages = [f"zif4/fast/run-{k}" for k in range(1, 8)] + ["broken/run", "later/run"]
    for k, name in enumerate(stages[:8]):
        place = root / "stages" / name
        if k < 7:
            shutil.copytree(work / "melt-quench", place)
            density = Quantity(1.2 + 0.01 * k, 0.005, "g/cm³")
            write_json(place / "results.json", {"density": density.as_dict()})
        record = {
            "format": 1, "name": name, "kind": "melt-quench", "fingerprint": f"f{k}",
            "status": "finished" if k < 7 else "failed", "sentence": "no such crystal" * (k == 7),
            "seconds": 3600.0, "host": "node7", "commit": "abc", "versions": {"numpy": "2"},
            "references": ["castel2024"],
            "results": {"results.json": {"sha256": "d" * 64, "bytes": 1, "mtime_ns": 1}},
        }  # fmt: skip
        write_json(place / "stage.json", record)
    plan = [
        {"name": name, "kind": "melt-quench", "fingerprint": f"f{k}"}
        for k, name in enumerate(stages)
    ]
    write_json(root / "plan.json", {"study": "abc123", "root": str(root), "stages": plan})
    return root


def test_a_study(study: Path) -> None:
    assert kind_of(study) == "study"
    text = told(study)
    assert "Of 9 stages: 7 finished, 1 failed, 1 waiting. broken/run: no such crystal" in text
    for k in range(1, 8):
        assert f"zif4/fast/run-{k}" in text
    assert "1.2000 ± 0.0050" in text
    assert "node7" in text
    assert "castel2024" in text
    assert "d" * 64 in text
    assert "Melt–quench of Zn₁₆N₆₄C₉₆H₉₆, 7 times: density 1.2000 ± 0.0050 g/cm³ to 1.2600" in text
    as_seen = {"later/run": StageWord("edited", "results.json was changed")}
    page = folder_page(study, states=as_seen)
    assert "results.json was changed" in words(page_html(page))


def test_a_study_says_its_verdicts_in_sentences(work: Path, moduli: Path, tmp_path: Path) -> None:
    root = tmp_path / "study"
    for name, folder in (("melt", work / "structure"), ("moduli", moduli / "run-1")):
        shutil.copytree(folder, root / name)
    settings = yaml.safe_load((root / "melt" / "settings.yaml").read_text())
    settings["trajectories"].pop("broken")
    (root / "melt" / "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    results = json.loads((root / "melt" / "results.json").read_text())
    note = "confidence 0.97. liquid since 12.0 ± 1.5 ps: coordination 3.60"
    results["melting"] = Quantity("liquid", None, "verdict", note).as_dict()
    results["coordination"] = Quantity(3.61, 0.02, "neighbours per centre").as_dict()
    write_json(root / "melt" / "results.json", results)
    text = told(root)
    assert "liquid melt: Liquid since 12.0 ± 1.5 ps: coordination 3.60 (confidence 0.97)." in text
    assert "melt: The coordination is 3.610 ± 0.020 neighbours per centre" in text
    modulus = quantities_in(json.loads((root / "moduli" / "results.json").read_text()))
    said = quantity_text(modulus["bulk_modulus_volume"])
    assert f"moduli: From the volume alone the bulk modulus is {said}; the strain" in text
    results["melting"] = Quantity("undecided", None, "verdict", "undecided: 2 ps seen").as_dict()
    write_json(root / "melt" / "results.json", results)
    assert "undecided 2 ps seen." in told(root / "melt")


def test_long_parts_are_packed_and_whole(study: Path) -> None:
    text = page_html(folder_page(study))
    assert len(_packed.findall(text)) == 7
    inside = unfolded(text)
    assert inside.count('class="charted"') == 7
    identifiers = re.findall(r'\bid="([^"]*)"', inside)
    assert len(identifiers) == len(set(identifiers))


# --- the command and wrong folders ------------------------------------------------------------


def test_the_command(work: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = runner.invoke(
        app, ["report", str(work), "-o", str(page), "--title", "My glass"], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "MB; open it in any browser" in result.output
    assert "<h1>My glass</h1>" in page.read_text()


def wrong(tmp_path: Path) -> Iterator[tuple[str, Path, str]]:
    empty = tmp_path / "empty"
    empty.mkdir()
    yield "empty", empty, "nothing of zifglass is in this folder"
    yield "missing", tmp_path / "nowhere", "there is no such folder"
    file = tmp_path / "glass.cif"
    file.write_text("data_x")
    yield "file", file, "this is a file"
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "results.json").write_text('{"density": {"value": 1.2, "st')
    yield "cut", cut, "this is not JSON"
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.yaml").write_text("name: something else\n")
    yield "other", other, "this does not describe a run"


@pytest.mark.parametrize("case", ["empty", "missing", "file", "cut", "other"])
def test_a_wrong_folder_gets_one_sentence(case: str, tmp_path: Path) -> None:
    folder, sentence = {name: (path, said) for name, path, said in wrong(tmp_path)}[case]
    with pytest.raises(InputError, match=sentence) as error:
        runner.invoke(app, ["report", str(folder), "-o", "p.html"], catch_exceptions=False)
    assert "\n" not in str(error.value)


def test_an_output_that_is_a_folder_is_refused(work: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder is there; give the name of an HTML file"):
        runner.invoke(app, ["report", str(work), "-o", str(tmp_path)], catch_exceptions=False)


def test_other_results_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "prepare"
    write_json(
        folder / "results.json", {"density": Quantity(1.21, None, "g/cm³", "exact").as_dict()}
    )
    crystal = structures.load("zif8")
    write(folder / "structure.extxyz", Structure(crystal.numbers, crystal.positions, crystal.cell))
    account = account_of(folder)
    assert account.models[0].numbers.shape == crystal.numbers.shape
    assert "1.21 g/cm³" in told(folder)


def test_a_sweep_without_a_third_order_is_written_all_the_same(tmp_path: Path) -> None:
    """Pressures far from zero, of a network trained on total stresses: K₀, but no K₀' beside it."""
    holds = [
        mechanics.Hold(
            "expansion" if k else "start", k, 4446.2 * 1.015**k, pressure * GPa, 0.012 * GPa,
            300.0, 0.5, 300.0, 4.0, (),
        )
        for k, pressure in enumerate((0.8874, 0.8354, 0.7895, 0.7296, 0.7139))
    ]  # fmt: skip
    settings = mechanics.StrainSweepSettings()
    result, found = write_sweep(tmp_path, holds, mass=3193.0, settings=settings)
    with pytest.raises(InputError, match="order 3"):
        result.third_order()
    assert not any(name.startswith("third_order") for name in found)
    written = json.loads((tmp_path / "results.json").read_text())
    assert "order 3" in written["about"]["third_order"]
    assert (tmp_path / "pressure_volume.png").stat().st_size > 5000
