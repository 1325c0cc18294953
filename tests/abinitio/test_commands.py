"""`zifglass label` and `zifglass aimd` as a user runs them, with real CP2K."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import Cp2k
from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, Structure
from zifglass.io import read, write

quick = ("--set", "cutoff=100")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def two_frames(hydrogen: Structure, tmp_path: Path) -> Path:
    path = tmp_path / "frames.extxyz"
    moved = hydrogen.with_positions(hydrogen.positions + [[0.02, 0, 0], [0, 0, 0]] * 2)
    write(path, ArrayTrajectory([Frame(hydrogen, time=0.0), Frame(moved, time=50.0)]))
    return path


def test_label_writes_frames_and_their_provenance(
    cp2k: Cp2k, two_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    output = tmp_path / "labels.extxyz"
    assert (
        run(monkeypatch, "label", two_frames, "-o", output, "--jobs", 2, "--cores", 2, *quick) == 0
    )
    assert "2 frames labelled with CP2K version" in capsys.readouterr().out
    labelled = read(output)
    assert [frame.time for frame in labelled] == [0.0, 50.0]
    for frame in labelled:
        assert frame.energy is not None and -70 < frame.energy < -50
        assert frame.forces is not None and np.abs(frame.forces).max() > 0.5
        assert frame.stress is not None and np.isfinite(frame.stress).all()
    report = json.loads((tmp_path / "labels.extxyz.json").read_text())
    assert report["labelled"] == 2 and report["rejected"] == []
    assert report["level_of_theory"]["cutoff"] == 100


def test_label_lists_what_fails_and_fails(
    cp2k: Cp2k, two_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    output = tmp_path / "labels.extxyz"
    status = run(
        monkeypatch, "label", two_frames, "-o", output, "--set", "max_scf=2", "--every", 2, *quick
    )
    assert status == 1
    said = capsys.readouterr().err
    assert "frame 0: the SCF did not converge" in said
    assert "1 of 1 frames have no label" in said and "Traceback" not in said
    assert not output.exists()
    assert json.loads((tmp_path / "labels.extxyz.json").read_text())["labelled"] == 0


def test_aimd_of_a_single_stage(
    cp2k: Cp2k, two_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "md"
    assert run(
        monkeypatch, "aimd", two_frames, "-o", output, "--plan", "single", "--duration", 0.001,
        "--set", "level.cutoff=100", "--cores", 1,
    ) == 0  # fmt: skip
    trajectory = read(output / "run" / "trajectory.h5")
    assert len(trajectory) == 3
    assert trajectory[2].stress is not None and trajectory[2].velocities is not None
    settings = json.loads((output / "settings.json").read_text())
    assert settings["level"]["cutoff"] == 100 and settings["dynamics"]["timestep"] == 0.5


def test_the_plan_is_printed(
    two_frames: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "aimd", two_frames, "-o", "unused", "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and "crystal_minus2" in lines[3] and "volume × 0.98" in lines[3]


@pytest.mark.parametrize("command", ["label", "aimd"])
def test_without_cp2k_one_sentence_says_how_to_get_it(
    two_frames: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ZIFGLASS_CP2K", raising=False)
    assert run(monkeypatch, command, two_frames, "-o", tmp_path / "out.extxyz") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "apt-get install cp2k" in said


def test_an_unknown_setting_is_named(
    two_frames: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "label", two_frames, "-o", "x.extxyz", "--set", "cutof=1") == 2
    assert "did you mean 'cutoff'?" in capsys.readouterr().err
