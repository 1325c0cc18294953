from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.core import ArrayTrajectory, InputError, Structure
from zifglass.core.units import GPa
from zifglass.io import write
from zifglass.mechanics import elasticity
from zifglass.mechanics import equation_of_state as eos

runner = CliRunner()


def run(*arguments: object) -> str:
    result = runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def npt_run(path: Path, draw: Callable, stiffness: np.ndarray, cell: np.ndarray, seed: int) -> Path:
    cells = draw(stiffness, cell, 3000, np.random.default_rng(seed), 0.3)
    trajectory = ArrayTrajectory.from_arrays(
        [30], np.zeros((3000, 1, 3)), cells, times=100.0 * np.arange(3000)
    )
    write(path, trajectory)
    return path


def test_fluctuations_of_two_runs(
    tmp_path: Path, draw: Callable, triclinic: np.ndarray, triclinic_cell: np.ndarray
) -> None:
    runs = [npt_run(tmp_path / f"{n}.h5", draw, triclinic, triclinic_cell, n) for n in (1, 2)]
    output = tmp_path / "out"
    printed = run("mechanics", "fluctuations", *runs, "-o", output, "--temperature", 300)
    assert "agree: independent estimates" in printed
    assert "stable; the lowest eigenvalue" in printed
    assert "of 3000 frames left out as equilibration" in printed
    truth = elasticity.averages(triclinic, np.linalg.inv(triclinic))
    for path in runs:
        results = json.loads((output / path.name / "results.json").read_text())
        k = results["bulk_modulus_reuss"]
        assert k["unit"] == "GPa"
        assert abs(k["value"] - truth.bulk_reuss / GPa) < 4 * k["std"]
        least, largest = results["young_least"], results["young_largest"]
        assert 0 < least["value"] < largest["value"]
        assert least["std"] > 0
        assert np.array(results["stiffness"]["value"]).shape == (6, 6)
        for suffix in ("csv", "png", "svg"):
            assert (output / path.name / f"running.{suffix}").stat().st_size > 500
    verdict = json.loads((output / "verdict.json").read_text())
    assert verdict["verdict"] == "agree"
    folders = [output / path.name for path in runs]
    printed = run("mechanics", "compare", *folders, "-o", tmp_path / "both")
    assert "agree" in printed
    again = json.loads((tmp_path / "both" / "verdict.json").read_text())
    assert again["probability"] == pytest.approx(verdict["probability"], rel=1e-6)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "results.json").write_bytes((folders[0] / "results.json").read_bytes())
    for command in ("compare", "ensemble"):
        with pytest.raises(InputError, match="same run under two names"):
            run("mechanics", command, folders[0], copy, "-o", tmp_path / "twice")
    printed = run("mechanics", "ensemble", *folders, "-o", tmp_path / "glasses")
    rows = (tmp_path / "glasses" / "ensemble.csv").read_text(encoding="utf-8").splitlines()
    assert len(list(csv.DictReader(rows))) == 2 * printed.count("s.d. of 2")
    whole = json.loads((tmp_path / "glasses" / "ensemble.json").read_text())
    each = [json.loads((f / "results.json").read_text())["bulk_modulus_reuss"] for f in folders]
    assert whole["bulk_modulus_reuss"]["mean"] == pytest.approx(np.mean([e["value"] for e in each]))
    assert whole["bulk_modulus_reuss"]["stds"] == [e["std"] for e in each]
    assert whole["density"]["unit"] == "g/cm³"
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "results.json").write_text('{"rdf": {"value": 1.0, "std": 0.1}}')
    with pytest.raises(InputError, match="no results of a strain sweep"):
        run("mechanics", "compare", folders[0], tmp_path / "empty", "-o", tmp_path)
    with pytest.raises(InputError, match="no modulus or density in common"):
        run("mechanics", "ensemble", folders[0], tmp_path / "empty", "-o", tmp_path)
    with pytest.raises(InputError, match="cannot read these results"):
        run("mechanics", "compare", folders[0], tmp_path / "nothing", "-o", tmp_path)
    settings = json.loads((output / "settings.json").read_text())
    assert settings["temperature"] == 300.0
    with pytest.raises(InputError, match="given twice"):
        run("mechanics", "fluctuations", runs[0], runs[0], "-o", output, "--temperature", 300)
    with pytest.raises(InputError, match="did you mean 'discard'"):
        run(
            "mechanics", "fluctuations", runs[0], "-o", output, "--temperature", 300,
            "--set", "discrad=3",
        )  # fmt: skip


def write_thermo(folder: Path, volume: float, generator: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    noise = lfilter([1.0], [1.0, -0.8], 0.15 * np.sqrt(1 - 0.8**2) * generator.normal(size=4000))
    mean = float(eos.birch_murnaghan_pressure(volume, bulk_modulus=1.69, volume0=4569.0))
    with (folder / "thermo.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["segment", "time_ps", "temperature_K", "pressure_total_GPa", "volume_A3"])
        for k in range(200):
            writer.writerow([0, 0.01 * k, 300.0, 7.0, volume * (1.015 - 0.015 * k / 200)])
        for k, p in enumerate(mean + noise):
            t = 300 + 8 * generator.normal()
            writer.writerow([1, 2 + 0.01 * k, t, p, volume])


def test_strain_sweep_of_finished_runs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    structure = Structure([30] * 16, np.random.default_rng(1).random((16, 3)) * 15,
                          np.diag([15.4231, 15.4042, 18.4379]))  # fmt: skip
    write(tmp_path / "start.extxyz", structure)
    sweep = tmp_path / "sweep"
    write_thermo(sweep / "preparation", structure.volume, generator)
    for direction, factor, count in (("compression", 0.985, 2), ("expansion", 1.015, 5)):
        for k in range(1, count + 1):
            write_thermo(sweep / f"{direction}-{k}", structure.volume * factor**k, generator)
    output = tmp_path / "out"
    printed = run(
        "mechanics", "strain-sweep", tmp_path / "start.extxyz", "--analyse", sweep, "-o", output
    )
    assert "K₀ = " in printed
    results = json.loads((output / "results.json").read_text())
    k = results["bulk_modulus"]
    assert abs(k["value"] - 1.69) < 3.5 * k["std"]
    assert "holds P = 0" in k["note"]
    assert results["about"]["still_wanted"] == []
    holds = results["about"]["holds"]
    assert [h["step"] for h in holds][:3] == ["compression-2", "compression-1", "start"]
    assert holds[2]["pressure_total_GPa"] == pytest.approx(0.074, abs=0.03)
    assert results["third_order_bulk_modulus"]["std"] > 0
    rows = list(csv.DictReader((output / "pressure_volume.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert sum(int(row["fitted"]) for row in rows) == 5
    assert (output / "pressure_volume.png").stat().st_size > 1000
    write(tmp_path / "other.extxyz", structure.scaled_to(1.02 * structure.cell))
    before = (output / "settings.json").read_bytes()
    with pytest.raises(InputError, match="give the structure it began with"):
        run(
            "mechanics", "strain-sweep", tmp_path / "other.extxyz", "--analyse", sweep,
            "-o", output, "--set", "max_steps=9",
        )  # fmt: skip
    assert (output / "settings.json").read_bytes() == before  # of the results that lie there
    with pytest.raises(InputError, match="no finished preparation"):
        run(
            "mechanics", "strain-sweep", tmp_path / "start.extxyz", "--analyse", tmp_path,
            "-o", output,
        )  # fmt: skip
    table = sweep / "expansion-5" / "thermo.csv"
    table.write_text(table.read_text().replace("pressure_total_GPa", "press"))
    with pytest.raises(InputError, match="'press' is a pressure of unknown kind"):
        run(
            "mechanics", "strain-sweep", tmp_path / "start.extxyz", "--analyse", sweep,
            "-o", output,
        )  # fmt: skip
