"""From CP2K to a judged potential, every step as a user types it: AIMD and single points of
methane by real CP2K, the kinetic part of the stress found and taken out, a training, its model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import find_cp2k
from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, Structure, ZifglassError
from zifglass.core.units import GPa
from zifglass.io import read, write

Command = Callable[..., tuple[int, str, str]]
_level = ("--set", "cutoff=300", "--cores", 1)


@pytest.fixture
def zifglass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def _methane() -> Structure:
    t = 1.09 / 3**0.5
    positions = np.array([[0, 0, 0], [t, t, t], [t, -t, -t], [-t, t, -t], [-t, -t, t]])
    return Structure([6, 1, 1, 1, 1], positions + 3.0, 6.0 * np.eye(3))


def _as_cp2k_wrote_it(run: Path) -> ArrayTrajectory:
    """The frames with the stress of the run's .stress file: bar, sign of a pressure, total."""
    table = np.loadtxt(next(run.glob("leg_*/*.stress")))
    total = -table[:, 2:].reshape(-1, 3, 3) * 1e-4 * GPa
    good = read(run / "trajectory.h5")
    return ArrayTrajectory([replace(f, stress=s) for f, s in zip(good, total, strict=True)])


def test_from_cp2k_to_a_judged_potential(tmp_path: Path, zifglass: Command) -> None:
    pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")
    try:
        find_cp2k()
    except ZifglassError as error:
        pytest.skip(str(error))
    methane = tmp_path / "methane.extxyz"
    write(methane, ArrayTrajectory([Frame(_methane())]))

    # Ten steps of molecular dynamics. Steps of 1 fs, 2000 K and deuterium: the velocities change
    # within so few steps, and the kinetic part with them.
    assert zifglass(
        "aimd", methane, "-o", tmp_path / "md", "--plan", "single", "--temperature", 2000,
        "--duration", 0.010, "--set", "level.cutoff=300", "--set", "dynamics.timestep=1",
        "--cores", 1,
    )[0] == 0  # fmt: skip
    trajectory = read(tmp_path / "md/run/trajectory.h5")
    assert len(trajectory) == 11
    status, said, _ = zifglass("dataset", "lint", tmp_path / "md/run/trajectory.h5")
    assert status == 0 and "stress.kinetic" not in said

    # The stress file as it stands is total: found, refused by the training, taken out.
    raw, clean = tmp_path / "raw.extxyz", tmp_path / "clean.extxyz"
    write(raw, _as_cp2k_wrote_it(tmp_path / "md/run"))
    status, said, _ = zifglass("dataset", "lint", raw, "--fix", clean)
    assert status == 1
    assert "the stress labels hold 0.98" in said or "the stress labels hold 1.0" in said
    status, _, error = zifglass("train", raw, clean, "-o", tmp_path / "never", "--preset", "fast")
    assert status == 2 and "--allow stress.kinetic" in error
    assert not (tmp_path / "never").exists()
    for ours, theirs in zip(read(clean), trajectory, strict=True):
        assert ours.stress is not None and theirs.stress is not None
        np.testing.assert_allclose(ours.stress / GPa, theirs.stress / GPa, atol=1e-4)

    # Single points of stretched and strained methane: a test set from elsewhere.
    rng = np.random.default_rng(0)
    moved = [
        Frame(_methane().with_positions(_methane().positions + rng.normal(0, 0.05, (5, 3))))
        for _ in range(2)
    ]
    write(tmp_path / "moved.extxyz", ArrayTrajectory(moved))
    labels = tmp_path / "labels.extxyz"
    assert zifglass("label", tmp_path / "moved.extxyz", "-o", labels, *_level)[0] == 0

    parts = tmp_path / "parts"
    assert zifglass("dataset", "split", clean, "-o", parts, "--sizes", "7/2/2")[0] == 0
    run = tmp_path / "methane"
    status, said, _ = zifglass(
        "train", parts / "train.extxyz", parts / "validation.extxyz", "-o", run,
        "--set", "model.cutoff=4", "--set", "model.layers=2", "--set", "model.features=[4,4]",
        "--set", "model.radial_width=8", "--set", "epochs=3", "--set", "loss.stress=1",
    )  # fmt: skip
    assert status == 0 and "as its checkpoint to" in said
    logged = json.loads((run / "results.json").read_text())
    assert logged["epochs"]["value"] == 3
    for name in ("learning-curves.png", "learning-curves.svg", "learning-curves.csv"):
        assert (run / name).stat().st_size > 0

    # Our engine, our measures, on the validation part: what nequip logged of its network.
    out = tmp_path / "out"
    model = run / "methane.safetensors"
    assert zifglass("evaluate", model, parts / "validation.extxyz", labels, "-o", out)[0] == 0
    found = json.loads((out / "results.json").read_text())
    for ours_name, theirs_name in (
        ("energy_mae", "energy_mae_validation"),
        ("force_mae", "force_mae_validation"),
        ("stress_mae", "stress_mae_validation"),
    ):
        theirs = logged[theirs_name]
        assert found["validation"][ours_name]["unit"] == theirs["unit"]
        # float32 there: energies of −220 eV are good to 2e-5 eV, 3 µeV/atom.
        assert found["validation"][ours_name]["value"] == pytest.approx(
            theirs["value"], rel=2e-3, abs=5e-3
        )
    assert found["labels"]["force_mae"]["value"] > 0
