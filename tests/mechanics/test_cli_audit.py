"""`zifglass mechanics audit`: CP2K's pressures of ZIF-4, and sweeps of the curves of Table S4."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from zifglass import load_potential
from zifglass.abinitio import read_single_point
from zifglass.cli.main import app
from zifglass.core import ArrayTrajectory, Frame, InputError
from zifglass.core.units import GPa, g_per_cm3
from zifglass.io import write
from zifglass.mechanics import equation_of_state as eos

names = ("zif4_crystal_volume_plus1", "zif4_crystal", "zif4_crystal_volume_minus1")


@pytest.fixture
def labelled(data: Path) -> list[Frame]:
    """Out of order on purpose."""
    points = [read_single_point(data / "dft" / f"{name}.out") for name in names]
    return [
        Frame(p.structure, energy=p.energy, stress=p.stress, index=k) for k, p in enumerate(points)
    ]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["mechanics", "audit", *map(str, arguments)], catch_exceptions=False
    )
    return result.exit_code, result.output


def test_against_cp2k(labelled: list[Frame], tmp_path: Path) -> None:
    write(tmp_path / "cp2k.extxyz", ArrayTrajectory(labelled))
    code, printed = run(
        tmp_path / "cp2k.extxyz", "--potential", "zif4-fast", "-o", tmp_path / "out"
    )
    potential = load_potential("zif4-fast")
    offsets = [
        (potential(frame.structure).pressure_virial + np.trace(frame.stress) / 3.0) / GPa
        for frame in labelled
        if frame.stress is not None
    ]
    about = json.loads((tmp_path / "out" / "results.json").read_text())["about"]
    assert about["volumes"] == sorted(frame.structure.volume for frame in labelled)
    assert about["offsets_GPa"] == pytest.approx(offsets[::-1], abs=1e-4)
    assert about["pressure"] == "virial"
    assert code == 0 and "ok: the pressure is +0." in printed
    for suffix in ("png", "svg"):
        assert (tmp_path / "out" / f"audit.{suffix}").stat().st_size > 500


def test_labels_with_a_kinetic_part_are_caught(labelled: list[Frame], tmp_path: Path) -> None:
    """1.3 GPa, that of a 1500 K liquid."""
    total = [
        replace(f, stress=f.stress - 1.3 * GPa * np.eye(3))
        for f in labelled
        if f.stress is not None
    ]
    write(tmp_path / "total.extxyz", ArrayTrajectory(total))
    code, printed = run(
        tmp_path / "total.extxyz", "--potential", "zif4-fast", "-o", tmp_path / "out"
    )
    assert code == 1 and "shifted: the pressure is -1." in printed
    write(tmp_path / "bare.extxyz", ArrayTrajectory([replace(labelled[0], stress=None)]))
    with pytest.raises(InputError, match="diagonal of the stress; this frame has none"):
        run(tmp_path / "bare.extxyz", "--potential", "zif4-fast", "-o", tmp_path / "none")
    with pytest.raises(InputError, match="--potential and labelled frames, or --sweep"):
        run(tmp_path / "bare.extxyz", "-o", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_sweeps_of_table_s4(tmp_path: Path) -> None:
    """λσ = 100 against λσ = 0 at the volumes both have; fewer than three are refused."""
    mass = 1.2101 * g_per_cm3 * 4380.5
    volume = 4380.5 * 1.015 ** np.arange(-2, 4)
    for name, k0, rho0, there in (
        ("0", 1.69, 1.16, volume[:5]),
        ("100", 0.80, 0.75, volume[1:]),
        ("few", 1.0, 1.0, volume[:3]),
    ):
        curve = eos.curve_from_density(bulk_modulus=k0 * GPa, density0=rho0 * g_per_cm3, mass=mass)
        holds = [
            {"volume_A3": float(v), "pressure_total_GPa": float(p / GPa), "pressure_std_GPa": 0.02}
            for v, p in zip(there, curve.pressure_total(there), strict=True)
        ]
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps({"about": {"holds": holds}}))
    code, printed = run(tmp_path / "0", "--sweep", tmp_path / "100", "-o", tmp_path / "out")
    about = json.loads((tmp_path / "out" / "results.json").read_text())["about"]
    assert about["volumes"] == pytest.approx(volume[1:5].tolist())
    assert about["offsets_GPa"][1] == pytest.approx(1.00 - 0.08, abs=0.01)  # at the crystal's
    assert code == 1 and "shifted" in printed
    with pytest.raises(InputError, match="2 volumes are in both sweeps; an audit takes three"):
        run(tmp_path / "few", "--sweep", tmp_path / "100", "-o", tmp_path / "out")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "results.json").write_text("{}")
    with pytest.raises(InputError, match="no volumes of a strain sweep"):
        run(tmp_path / "none", "--sweep", tmp_path / "100", "-o", tmp_path / "out")
