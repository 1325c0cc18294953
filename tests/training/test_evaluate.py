"""Errors against labels, by potentials whose errors are known."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, InputError, Prediction, Structure
from zifglass.core.units import GPa
from zifglass.io import structures, write
from zifglass.potentials import load_potential
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import save
from zifglass.training import evaluate

_model = Path(__file__).parents[1] / "potentials" / "models" / "so3_l1.pth"


@dataclass
class Oracle:
    """Says what it was told for each structure, by the position of the first atom."""

    known: dict[float, Prediction]
    species: tuple[int, ...] = (1, 30)
    name: str = "oracle"
    cutoff: float = 0.0
    sha256: str = "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        return self.known[float(structure.positions[0, 0])]


def made(
    rng: np.random.Generator, frames: int
) -> tuple[list[Frame], Oracle, dict[str, np.ndarray]]:
    """Frames of 2 H and 3 Zn with random labels, an oracle off by known errors."""
    numbers, cell = [1, 1, 30, 30, 30], 9.0 * np.eye(3)
    errors = {
        "energy": rng.normal(0.3, 1.0, frames),
        "forces": rng.normal(0, 0.1, (frames, 5, 3)),
        "stress": rng.normal(0, 0.01, (frames, 3, 3)),
    }
    labels, known = [], {}
    for index in range(frames):
        structure = Structure(numbers, rng.uniform(0, 9, (5, 3)), cell)
        energy, forces = rng.normal(), rng.normal(size=(5, 3))
        stress = rng.normal(size=(3, 3))
        labels.append(Frame(structure, energy=energy, forces=forces, stress=stress, index=index))
        known[float(structure.positions[0, 0])] = Prediction(
            energy + errors["energy"][index],
            forces + errors["forces"][index],
            stress + errors["stress"][index],
        )
    return labels, Oracle(known), errors


def test_every_column_is_what_a_naive_sum_gives() -> None:
    labels, oracle, errors = made(np.random.default_rng(0), 30)
    found = evaluate(oracle, ArrayTrajectory(labels))
    flat = {
        "energy": errors["energy"] / 5 * 1e3,
        "forces": errors["forces"] * 1e3,
        "H": errors["forces"][:, :2] * 1e3,
        "Zn": errors["forces"][:, 2:] * 1e3,
        "stress": errors["stress"] / GPa * 1e3,
    }
    assert found.stress is not None
    ours = {"energy": found.energy, "forces": found.forces, **found.forces_of,
            "stress": found.stress}  # fmt: skip
    for name, off in flat.items():
        assert ours[name].mae == pytest.approx(np.abs(off).mean(), rel=1e-9), name
        assert ours[name].rmse == pytest.approx(np.sqrt((off**2).mean()), rel=1e-9), name
        assert ours[name].bias == pytest.approx(off.mean(), rel=1e-6, abs=1e-9), name
    pressure = -np.trace(errors["stress"], axis1=1, axis2=2) / 3 / GPa * 1e3
    assert found.pressure is not None and found.pressure.bias == pytest.approx(pressure.mean())
    assert found.shear and found.stress_frames == 30
    assert list(found.forces_of) == ["H", "Zn"]


def test_the_error_bar_is_the_spread_over_independent_sets() -> None:
    """200 sets of 25 frames: the std of their MAEs is the mean error bar within 15 % (each spread
    over 200 sets is known to 5 %, and an inefficiency above 1 found by chance adds some 10 %)."""
    rng = np.random.default_rng(1)
    maes, bars = [], []
    for _ in range(200):
        labels, oracle, _errors = made(rng, 25)
        found = evaluate(oracle, ArrayTrajectory(labels)).forces
        maes.append(found.mae)
        bars.append(found.mae_std)
    assert np.mean(bars) == pytest.approx(np.std(maes), rel=0.15)


def test_missing_shear_and_missing_stress_are_not_zero() -> None:
    labels, oracle, errors = made(np.random.default_rng(2), 6)
    diagonal = np.where(np.eye(3, dtype=bool), 0.0, np.nan)
    partly = [replace(f, stress=f.stress + diagonal) for f in labels[:4]]  # type: ignore[operator]
    partly += [replace(f, stress=None) for f in labels[4:]]
    found = evaluate(oracle, ArrayTrajectory(partly))
    off = np.diagonal(errors["stress"][:4], axis1=1, axis2=2) / GPa * 1e3
    assert found.stress is not None and found.stress.mae == pytest.approx(np.abs(off).mean())
    assert not found.shear and found.stress_frames == 4
    assert "shear is not labelled" in str(found.quantities()["pressure_virial_bias"].note)
    bare = evaluate(oracle, ArrayTrajectory([replace(f, stress=None) for f in labels]))
    assert bare.stress is None and bare.pressure is None
    assert not any("stress" in name for name in bare.quantities())


def test_one_frame_has_no_error_bar_and_no_label_no_evaluation() -> None:
    labels, oracle, _errors = made(np.random.default_rng(3), 3)
    found = evaluate(oracle, ArrayTrajectory(labels[:1])).quantities()["energy_mae"]
    assert found.std is None and found.note == "one frame: no error"
    labels[2] = replace(labels[2], forces=None)
    with pytest.raises(InputError, match=r"this one has no forces .*frame 2"):
        evaluate(oracle, ArrayTrajectory(labels))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "so3_l1.safetensors"
    save(read_torchscript(_model), path)
    return path


def test_the_command_evaluates_two_parts(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Labels are the network's own, the forces of one part 20 meV/Å off in every component."""
    rng = np.random.default_rng(4)
    crystal, model = structures.load("zif4"), load_potential(network)
    for part, off in (("validation", 0.0), ("test", 0.02)):
        frames = []
        for _ in range(2):
            shape = crystal.positions.shape
            structure = crystal.with_positions(crystal.positions + rng.normal(0, 0.05, shape))
            said = model(structure)
            frames.append(
                Frame(structure, energy=said.energy, forces=said.forces + off, stress=said.stress)
            )
        write(tmp_path / f"{part}.extxyz", ArrayTrajectory(frames))
    parts = [tmp_path / "validation.extxyz", tmp_path / "test.extxyz"]
    assert run(monkeypatch, "evaluate", network, *parts, "-o", tmp_path / "out") == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["test"]["force_mae"]["value"] == pytest.approx(20.0, rel=1e-4)
    assert results["test"]["force_Zn_rmse"]["value"] == pytest.approx(20.0, rel=1e-4)
    assert results["validation"]["force_mae"]["value"] < 1e-3  # float32 features, file digits
    assert results["validation"]["stress_mae"]["unit"] == "MPa"
    rows = list(csv.DictReader((tmp_path / "out/evaluation.csv").read_text().splitlines()))
    assert [row["part"] for row in rows] == ["validation", "test"]
    for name in ("parity.png", "parity.svg", "frames.csv"):
        assert (tmp_path / "out/test" / name).stat().st_size > 0
    said = capsys.readouterr().out
    assert "forces on Zn" in said and "MAE       20 ±" in said


def test_what_cannot_be_evaluated_is_one_sentence(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(tmp_path / "bare.extxyz", ArrayTrajectory([Frame(structures.load("zif4"))]))
    for arguments, message in (
        ((), "name labelled frames"),
        ((tmp_path / "none.extxyz",), "No such file"),
        ((tmp_path / "bare.extxyz",), "has no energy"),
        (("--trajectory", tmp_path / "bare.extxyz"), "needs both"),
    ):
        assert run(monkeypatch, "evaluate", network, *arguments, "-o", tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
