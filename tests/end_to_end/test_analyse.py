"""`zifglass analyse` as a user runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import yaml

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, Structure
from zifglass.io import structures, write

IMAGES = (".png", ".svg")


def by_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As a user runs it: a new interpreter, a second or two of imports."""
    command = [sys.executable, "-m", "zifglass.cli.main", "analyse", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same `main`, in this process."""
    command = ["zifglass", "analyse", *map(str, arguments)]
    out, err, status = StringIO(), StringIO(), 0
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", command),
        patch.object(warnings, "formatwarning", warnings.formatwarning),
    ):
        try:
            main()
        except SystemExit as exit:
            status = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())


def vibrating(frames: int, *, spacing: float = 100.0, seed: int = 0) -> ArrayTrajectory:
    """ZIF-8 with every atom shaking by 0.05 Å, `spacing` fs between frames."""
    crystal = structures.load("zif8")
    rng = np.random.default_rng(seed)
    return ArrayTrajectory(
        Frame(
            crystal.with_positions(crystal.positions + rng.normal(0, 0.05, (len(crystal), 3))),
            time=i * spacing,
            temperature=300.0,
            index=i,
        )
        for i in range(frames)
    )


@pytest.fixture(scope="module")
def glasses(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four published glasses, with the measured F(Q) and D(r) of one at 31 °C."""
    out = tmp_path_factory.mktemp("glasses") / "out"
    measured = published / "xray" / "ZIF4glassa_31"
    done = by_command(
        published / "glasses" / "*.cif", "-o", out, "--set", "size_frames=0",
        "--measured", f"{measured}.dofr", "--measured", f"{measured}.int01",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out: msd" in done.stderr  # one frame each: said, not hidden
    return out


def test_the_shared_glasses(glasses: Path) -> None:
    with (glasses / "trajectories.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["trajectory"])
    coordination = [float(row["coordination (neighbours per centre)"]) for row in rows]
    np.testing.assert_allclose(coordination, [4.0, 3.9375, 3.9375, 3.9375], atol=1e-9)
    volume = [float(row["porous_volume (cm³/kg)"]) for row in rows]
    np.testing.assert_allclose(volume, [54.6, 66.4, 64.7, 71.6], atol=0.5)
    assert [row["linkers_intact_least (linkers)"] for row in rows] == ["32"] * 4
    assert [float(row["broken_linker_fraction (1)"]) for row in rows] == [0.0] * 4


def test_every_quantity_has_its_table_and_figures(glasses: Path) -> None:
    quantities = ["rdf", "pmf", "angles", "coordination", "linkers", "rings", "pores", "scattering"]
    for name in quantities:
        for folder in (glasses, glasses / "ZIF4_15glass02"):
            for suffix in IMAGES:
                assert (folder / name).with_suffix(suffix).stat().st_size > 2000
        assert (glasses / "ZIF4_15glass02" / f"{name}.csv").stat().st_size > 20
    found = json.loads((glasses / "results.json").read_text())
    assert all(set(q) >= {"value", "std", "unit"} for q in found.values())
    assert found["coordination"]["value"] == pytest.approx(3.953125)
    settings = yaml.safe_load((glasses / "settings.yaml").read_text())
    assert settings["settings"]["rdf"]["r_max"] == 12.0
    assert len(settings["trajectories"]) == 4


def test_measured_curves_beside_the_mean_of_the_glasses(glasses: Path) -> None:
    found = json.loads((glasses / "results.json").read_text())
    with (glasses / "measured.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, unit in (("ZIF4glassa_31.dofr", " (1/Å²)"), ("ZIF4glassa_31.int01", "")):
        columns = [
            np.array([float(row[title]) for row in rows if row[title]])
            for title in (f"measured{unit} of {name}", f"scaled model{unit} of {name}")
        ]
        left = np.square(columns[0] - columns[1]).sum() / np.square(columns[0]).sum()
        residual = found[f"scattering_residual_{name}"]
        assert residual["value"] == pytest.approx(left**0.5, rel=1e-9)
        assert " to " in residual["note"]
        # The best scale leaves nothing of the model in what remains.
        overlap = abs(columns[1] @ (columns[0] - columns[1])) / (columns[1] @ columns[1])
        assert overlap < 1e-9
    assert found["scattering_scale_ZIF4glassa_31.int01"]["value"] == pytest.approx(1.0, abs=0.05)
    for suffix in IMAGES:
        assert (glasses / "measured").with_suffix(suffix).stat().st_size > 2000


def test_pore_sizes_of_one_frame_beside_volumes_of_three(tmp_path: Path) -> None:
    lone = Structure([6], [[1.0, 2.0, 3.0]], np.eye(3) * 12.0)
    write(tmp_path / "in.extxyz", ArrayTrajectory(Frame(lone, index=i) for i in range(3)))
    for count in (0, 1):
        out = tmp_path / f"out{count}"
        done = analyse(
            tmp_path / "in.extxyz", "-o", out, "--quantities", "pores", "--processes", 1,
            "--set", f"size_frames={count}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with (out / "pores.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["frame"] for row in rows] == ["0", "1", "2"]
        sizes = [row.get("largest included sphere Di (Å)") for row in rows]
        found = json.loads((out / "results.json").read_text())
        assert ("largest_included_sphere" in found) == bool(count)
        if count:
            # To the corner of the cube furthest from the atom: √3/2 · 12 Å, less its radius.
            assert float(sizes[0] or "nan") == pytest.approx(12 * 3**0.5 - 3.4, abs=0.02)
            assert sizes[1:] == ["", ""]
        else:
            assert sizes == [None] * 3


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("curve.txt", [], "cannot tell F(Q) from D(r)"),
        ("curve.dofr", ["--quantities", "rdf"], "add scattering to the quantities"),
        ("curve.int01", [], "no measured points between"),
    ],
)
def test_measured_files_that_cannot_be_compared(
    tmp_path: Path, name: str, options: list[str], sentence: str
) -> None:
    (tmp_path / name).write_text("# made\n30.0 1.0\n31.0 2.0\n")
    write(tmp_path / "in.extxyz", structures.load("zif8"))
    options = options or ["--quantities", "scattering"]
    done = analyse(
        tmp_path / "in.extxyz", "-o", tmp_path / "out", "--measured", tmp_path / name, *options
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_trajectory_in_time_is_the_same_on_any_number_of_processes(tmp_path: Path) -> None:
    write(tmp_path / "run.h5", vibrating(24))
    results = []
    for processes in (1, 2):
        out = tmp_path / f"out{processes}"
        done = analyse(
            tmp_path / "run.h5", "-o", out, "--processes", processes, "--quantities",
            "rdf,pmf,angles,coordination,linkers,rings,msd,bonds,melting",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results.append((out / "results.json").read_bytes())
        for name in ("msd", "bonds", "melting", "rdf"):
            assert (out / f"{name}.csv").exists()
    assert results[0] == results[1]
    found = json.loads(results[0])
    assert found["coordination"] == pytest.approx(found["coordination"]) and (
        found["coordination"]["value"] == 4.0
    )
    assert found["melting"]["value"] == "undecided"  # 2.4 ps of anything
    # Independent jitter of 0.05 Å per component: MSD = 2 · 3 · 0.05² at every lag.
    with (tmp_path / "out1" / "msd.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[3]["MSD Zn (Å²)"]) == pytest.approx(0.015, rel=0.2)


def test_another_metal_is_a_setting_of_every_quantity(tmp_path: Path) -> None:
    cobalt = [
        Frame(
            Structure(
                np.where(frame.structure.numbers == 30, 27, frame.structure.numbers),
                frame.structure.positions,
                frame.structure.cell,
            ),
            time=frame.time,
        )
        for frame in vibrating(2)
    ]
    write(tmp_path / "run.h5", cobalt)
    done = analyse(
        tmp_path / "run.h5", "-o", tmp_path / "out", "--set", "metal=Co", "--quantities",
        "pmf,angles,coordination,linkers,rings,bonds,melting",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["coordination"]["value"] == 4.0
    assert found["melting"]["value"] == "undecided"


def test_frames_are_chosen_by_time(tmp_path: Path) -> None:
    write(tmp_path / "run.h5", vibrating(21))
    done = analyse(
        tmp_path / "run.h5", "-o", tmp_path / "out", "--quantities", "coordination",
        "--from", 0.5, "--until", 1.5, "--every", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "coordination.csv").open() as file:
        times = [float(row["time (ps)"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(times, [0.5, 0.7, 0.9, 1.1, 1.3, 1.5])
    done = analyse(tmp_path / "run.h5", "-o", tmp_path / "none", "--from", 5)
    assert done.returncode == 2
    assert "no frame between 5 and inf ps; there are 0 to 2" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (lambda s: s, ["--quantities", "msd"], "motion needs at least two frames; got 1"),
        (lambda s: _without(s, 30), [], "no Zn"),
        (lambda s: _without(s, 7), [], "no N"),
        (lambda s: _moved(s, 0, 1), [], "atoms 0 and 1 overlap: they are 0.1 Å apart"),
        (lambda s: s, ["--quantities", "rdff"], "rdff"),
        (lambda s: s, ["--set", "rdf.rmax=3"], "r_max"),
        (lambda s: s, ["--set", "rdf.r_max=-3"], "greater than 0"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, make, options: list[str], sentence: str
) -> None:
    write(tmp_path / "in.extxyz", make(structures.load("zif8")))
    done = analyse(
        tmp_path / "in.extxyz", "-o", tmp_path / "out", "--set", "size_frames=0", *options
    )
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("zifglass: ")]) == 1
    assert not (tmp_path / "out").exists()


def test_bad_input_on_the_command_line(tmp_path: Path) -> None:
    done = by_command(tmp_path / "absent.cif", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        line for line in done.stderr.splitlines() if line.startswith("zifglass: ")
    ]
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "not a structure\n"])
def test_files_that_are_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "in.xyz").write_text(content)
    done = analyse(tmp_path / "in.xyz", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "in.xyz" in done.stderr
    done = analyse(tmp_path / "nothing*.cif", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "no such file, and no file matches" in done.stderr
    assert not (tmp_path / "out").exists()


def _without(structure: Structure, number: int) -> Structure:
    keep = structure.numbers != number
    return Structure(structure.numbers[keep], structure.positions[keep], structure.cell)


def _moved(structure: Structure, i: int, j: int) -> Structure:
    positions = structure.positions.copy()
    positions[j] = positions[i] + [0.1, 0, 0]
    return structure.with_positions(positions)
