"""`zifglass dataset` as a user runs it; and the loop from real CP2K to clean labels."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import LevelOfTheory, Stage, find_cp2k, run_aimd
from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Structure, ZifglassError
from zifglass.core.kinetics import kinetic_stress
from zifglass.io import read, write

from .conftest import DEUTERIUM, changed


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def good(liquid: ArrayTrajectory, tmp_path: Path) -> Path:
    path = tmp_path / "good.extxyz"
    write(path, liquid)
    return path


@pytest.fixture
def dirty(liquid: ArrayTrajectory, tmp_path: Path) -> Path:
    masses = np.where(liquid.numbers == 1, DEUTERIUM, 15.999)
    path = tmp_path / "dirty.extxyz"
    frames = changed(
        liquid,
        lambda f: {"stress": f.stress + kinetic_stress(masses, f.velocities, f.structure.volume)},
    )
    write(path, frames)
    return path


def test_lint_of_a_good_file(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "dataset", "lint", good) == 0


def test_lint_reports_and_fixes(
    dirty: Path, liquid: ArrayTrajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    report, mended = tmp_path / "report.json", tmp_path / "mended.extxyz"
    assert run(monkeypatch, "dataset", "lint", dirty, "-o", report, "--fix", mended) == 1
    captured = capsys.readouterr()
    assert "[stress.kinetic]" in captured.out and "1 errors" in captured.err
    content = json.loads(report.read_text())
    assert content["errors"] == 1 and content["findings"][0]["code"] == "stress.kinetic"
    for frame, right in zip(read(mended), liquid, strict=True):
        assert frame.stress is not None
        assert np.allclose(frame.stress, right.stress, atol=1e-12)
    assert run(monkeypatch, "dataset", "lint", mended) == 0
    # nothing to fix is said, not passed over
    assert run(monkeypatch, "dataset", "lint", mended, "--fix", tmp_path / "x.extxyz") == 2


def test_select_and_split(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, parts = tmp_path / "chosen.extxyz", tmp_path / "parts"
    select = ("dataset", "select", good, "-n", 60, "-o", chosen, "--seed", 3)
    assert run(monkeypatch, *select) == 0
    first = chosen.read_bytes()
    assert run(monkeypatch, *select) == 0 and chosen.read_bytes() == first
    assert len(read(chosen)) == 60
    assert run(monkeypatch, "dataset", "split", chosen, "-o", parts, "--sizes", "40/12/8") == 0
    sizes = [len(read(parts / f"{name}.extxyz")) for name in ("train", "validation", "test")]
    assert sizes == [40, 12, 8]
    lint = ["dataset", "lint"]
    for name in ("train", "validation", "test"):
        lint += [f"--{name}", parts / f"{name}.extxyz"]
    assert run(monkeypatch, *lint) == 0
    assert run(monkeypatch, "dataset", "split", chosen, "-o", parts) == 2  # 2700 of 60


def test_from_cp2k_to_clean_labels(tmp_path: Path) -> None:
    """Ten steps of two hot H₂ with CP2K: the run's own stress file is total, and lint says so;
    what `read_md` makes of it is virial, and lint says that too."""
    from zifglass.datasets import kinetic_share, labelled_set, lint

    try:
        cp2k = find_cp2k()
    except ZifglassError as error:
        pytest.skip(str(error))
    positions = np.array([[0, 0, 0], [0.5, 0.3, 0.4], [3, 3, 3], [3.5, 3.4, 3.4]])
    hydrogen = Structure(np.ones(4), positions, [[6, 0, 0], [0.5, 6, 0], [0.2, 0.1, 6]])
    plan = (Stage("hot", None, 1.0, 1500.0, 5.0),)
    clean = run_aimd(
        plan,
        hydrogen,
        folder=tmp_path,
        level=LevelOfTheory(cutoff=200.0),
        cp2k=cp2k,
        cores=1,
    )["hot"]
    assert len(clean) == 11
    from_file = np.loadtxt(tmp_path / "hot" / "leg_000" / "aimd-1.stress")[:, 2:]
    from zifglass.core.units import bar

    dirty = ArrayTrajectory(
        replace(frame, stress=-bar * row.reshape(3, 3))
        for frame, row in zip(clean, from_file, strict=True)
    )
    found = kinetic_share(labelled_set(dirty), frames=np.arange(3))
    none = kinetic_share(labelled_set(clean), frames=np.arange(3))
    assert found is not None and found.decided and found.share == pytest.approx(1.0, abs=0.25)
    assert none is not None and none.decided and none.share == pytest.approx(0.0, abs=0.25)
    assert "stress.kinetic" in lint(dirty).codes()
    assert "stress.kinetic" not in lint(clean).codes()
