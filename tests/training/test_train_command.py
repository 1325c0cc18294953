"""`zifglass train` as a user runs it: sweeps, committees, kills, data that must not be used."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.training.small import SMALL

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, InputError
from zifglass.io import read, write
from zifglass.training import AllegroModel, NequipModel, TrainingRun, preset, read_curves
from zifglass.training.curves import LearningCurves
from zifglass.training.sweep import best_of, sweep_rows, training_settings, variants


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def _curves(force: float, *, seconds: float = 2.0) -> LearningCurves:
    """Three epochs, the second the best; validation forces twice those of training."""
    loss = np.array([3.0, 1.0, 2.0])
    same = dict.fromkeys(
        ("loss_train", "energy_mae_train", "energy_mae_validation", "learning_rate"), loss
    )
    nan = np.full(3, np.nan)
    return LearningCurves(
        epochs=np.arange(3), loss_validation=loss, force_mae_train=force * loss,
        force_mae_validation=2 * force * loss, stress_mae_train=nan, stress_mae_validation=nan,
        seconds=np.array([9.0, seconds, seconds]), **same,
    )  # fmt: skip


def test_settings_come_from_preset_file_and_changes_in_this_order(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model:\n  layers: 4\n  cutoff: 5.5\nbatch: 3\n")
    found = training_settings("castel2024-nequip", file, changes=["model.layers=2", "seed=7"])
    assert isinstance(found.model, NequipModel)
    assert (found.model.layers, found.model.cutoff, found.batch, found.seed) == (2, 5.5, 3, 7)
    assert found.model.features == preset("castel2024-nequip").model.features  # type: ignore[union-attr]
    other = training_settings("castel2024-nequip", changes=["model.kind=allegro"])
    assert other.model == AllegroModel() and other.learning_rate == 0.005
    file.write_text("model: {kind: allegro, layers: 3}\n")
    assert training_settings("fast", file).model == AllegroModel(layers=3)
    with pytest.raises(InputError, match="did you mean 'layers'"):
        training_settings("fast", changes=["model.layer=2"])
    with pytest.raises(InputError, match=r"not YAML: .*model.kind=\[1"):
        training_settings("fast", changes=["model.kind=[1"])
    with pytest.raises(InputError, match="no preset is called 'slow'; there are"):
        training_settings("slow")


def test_a_sweep_is_every_combination_with_every_seed() -> None:
    base = training_settings("fast", changes=["seed=3"])
    found = variants(base, ["loss.stress=0,1e2", "model.features=[8,8],[16]"], seeds=2)
    assert [v.name for v in found[:3]] == [
        "loss.stress=0,model.features=8-8,seed=3",
        "loss.stress=0,model.features=8-8,seed=4",
        "loss.stress=0,model.features=16,seed=3",
    ]
    assert len(found) == 8 and len({v.name for v in found}) == 8
    assert found[-1].settings.loss.stress == 100.0
    assert found[-1].settings.model.features == (16,)  # type: ignore[union-attr]
    assert found[-1].settings.seed == 4 and found[-1].settings.model.cutoff == 5.0
    kinds = variants(base, ["model.kind=nequip,allegro"])
    assert kinds[1].settings.model == AllegroModel() and kinds[0].settings == base
    for axes, message in (
        (["loss.stress"], "a sweep reads"),
        (["loss.stress="], "a sweep reads"),
        (["loss.stress=0", "loss.stress=1"], "varied twice"),
        (["loss.stres=0"], "did you mean 'stress'"),
        (["loss.stress=-1"], "greater than or equal to 0"),
    ):
        with pytest.raises(InputError, match=message):
            variants(base, axes)


def test_rows_are_means_over_seeds_at_the_best_epoch() -> None:
    plan = variants(training_settings("fast"), ["loss.stress=0,1"], seeds=2)
    runs = [(v, _curves(force)) for v, force in zip(plan, (10.0, 14.0, 20.0, 20.0), strict=True)]
    rows = sweep_rows(runs)
    assert [row.values for row in rows] == [{"loss.stress": 0}, {"loss.stress": 1}]
    first = rows[0].found
    assert first["force_mae_validation"].value == pytest.approx(24.0)
    assert first["force_mae_validation"].std == pytest.approx(np.std([20.0, 28.0], ddof=1))
    assert first["gap"].value == pytest.approx(12.0) and first["gap"].unit == "meV/Å"
    # The first epoch, which warms up, does not set the pace.
    assert first["time_per_epoch"].value == 2.0 and first["best_epoch"].value == 2
    assert "stress_mae_validation" not in first
    assert sweep_rows(runs[:1])[0].found["gap"].std is None
    assert best_of(_curves(1.0))["epochs"] == 3


def test_the_rate_is_read_and_a_cut_line_is_not(tmp_path: Path) -> None:
    part = tmp_path / "logs/part-000"
    part.mkdir(parents=True)
    header = "epoch,epoch_seconds,lr-Adam,step,val0_epoch/weighted_sum,val0_epoch/stress_mae\n"
    lines = [",,0.01,0,,", "0,,,23,0.5,0.001", "0,4.5,,23,,", ",,0.005,24,,", "1,,,47,0.4,0.002"]
    (part / "metrics.csv").write_text(header + "\n".join(lines) + "\n2,,,71,0.3")
    curves = read_curves(tmp_path)
    np.testing.assert_array_equal(curves.epochs, [0, 1])
    np.testing.assert_array_equal(curves.learning_rate, [0.01, 0.005])
    np.testing.assert_array_equal(curves.seconds, [4.5, np.nan])
    # 0.001 eV/Å³ is 160.2 MPa.
    np.testing.assert_allclose(curves.stress_mae_validation, [160.2177, 320.4353], rtol=1e-6)


def test_a_lint_error_stops_the_training_unless_named(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The same atoms in the same places with two energies, and no stress."""
    pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")
    bad, out = tmp_path / "bad.extxyz", tmp_path / "out"
    first, *rest = (replace(frame, stress=None) for frame in read(data[0]))
    write(bad, ArrayTrajectory([first, replace(first, energy=(first.energy or 0) + 1), *rest]))
    arguments = ["train", bad, data[1], "-o", out, "--set", "loss.stress=1"]
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert "or train all the same with --allow frames.contradiction" in error
    assert not out.exists()
    assert run(monkeypatch, *arguments, "--allow", "stress.kinetic") == 2
    assert "--allow stress.kinetic: lint finds no such thing" in capsys.readouterr().err
    # Past the lint the next thing is told: the loss wants the stress.
    assert run(monkeypatch, *arguments, "--allow", "frames.contradiction") == 2
    assert "the loss weighs the stress" in capsys.readouterr().err
    assert json.loads((out / "lint.json").read_text())["allowed"] == ["frames.contradiction"]
    assert run(monkeypatch, "train", bad, tmp_path / "none.extxyz", "-o", tmp_path / "other") == 2
    assert "no data file here" in capsys.readouterr().err


def test_without_nequip_one_sentence_says_how_to_get_it(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("zifglass.training.run.importlib.util.find_spec", lambda name: None)
    assert run(monkeypatch, "train", *data, "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install 'zifglass[train]'" in said
    assert not (tmp_path / "out").exists()


def _file(folder: Path, epochs: int) -> Path:
    settings = SMALL.model_copy(update={"epochs": epochs}).model_dump(mode="json")
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_committee_in_a_sweep_is_trained_tabulated_and_used(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "two"
    pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")
    arguments = ["train", *data, "-o", out, "--settings", _file(tmp_path, 1), "--seeds", 2]
    arguments += ["--sweep", "learning_rate=0.01"]
    assert run(monkeypatch, *arguments) == 0
    rows = list(csv.DictReader((out / "sweep.csv").read_text().splitlines()))
    assert len(rows) == 1 and rows[0]["runs"] == "2" and rows[0]["learning_rate"] == "0.01"
    assert float(rows[0]["time_per_epoch (s)"]) > 0
    assert float(rows[0]["force_mae_validation_std (meV/Å)"]) > 0
    table = json.loads((out / "sweep.json").read_text())
    assert table[0]["gap"]["unit"] == "meV/Å" and table[0]["runs"] == 2
    for name in ("sweep.png", "sweep.svg", "learning-curves.png"):
        assert (out / name).stat().st_size > 0
    (committee,) = json.loads((out / "committees.json").read_text())
    members = committee["members"]
    assert len(members) == 2 and all(Path(member).suffix == ".safetensors" for member in members)
    # Once more: all is there, nothing is trained, packaged or imported again.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.ckpt")}
    before |= {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    before |= {path: path.stat().st_mtime_ns for path in out.rglob("*.nequip.zip")}
    assert len(before) == 8 and run(monkeypatch, *arguments) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    capsys.readouterr()
    chosen = [word for member in members for word in ("--committee", member)]
    assert run(monkeypatch, "potential", "uncertainty", data[1], *chosen) == 0
    assert "8 frames; the worst is" in capsys.readouterr().out


def test_killed_twice_on_the_command_line_it_ends_where_an_unbroken_run_ends(
    data: tuple[Path, Path], trained: tuple[TrainingRun, list[int]], tmp_path: Path
) -> None:
    """First SIGKILL (nequip must go with it), then SIGTERM (status 75), then to the end."""
    whole, _ = trained
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "zifglass.cli.main", "train", *map(str, data)]
    command += ["-o", str(folder), "--settings", str(_file(tmp_path, SMALL.epochs))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    for epochs, number in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        while len(read_curves(folder)) < epochs:
            assert child.poll() is None, "training ended before it was killed"
            time.sleep(0.05)
        child.send_signal(number)
        _, said = child.communicate(timeout=600)
        if number == signal.SIGTERM:
            assert child.returncode == 75 and "the same command goes on" in said
    last = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    killed = read_curves(folder)
    np.testing.assert_array_equal(killed.epochs, whole.curves.epochs)
    np.testing.assert_allclose(killed.loss_validation, whole.curves.loss_validation, rtol=1e-5)
    assert len(list(folder.glob("logs/part-*"))) == 3
    assert (folder / "killed.safetensors").stat().st_size > 0
