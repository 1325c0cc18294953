"""A user's own trajectory, as other codes leave it: docs/own-trajectory.md."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from zifglass.cli.main import app
from zifglass.core import ArrayTrajectory, Frame, InputError
from zifglass.core.structure import symbols_of
from zifglass.io import read, structures, write

TYPES = {"C": 1, "H": 2, "N": 3, "Zn": 4}
FRAMES, STEP = 4, 10.0  # fs between them


@pytest.fixture(autouse=True)
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float64]:
    """Positions (frames, atoms, 3) Å of ZIF-4, moved a little; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    crystal = structures.load("zif4")
    noise = np.random.default_rng(1).normal(0, 0.02, (FRAMES, len(crystal), 3))
    return crystal.positions + noise


def _cell() -> NDArray[np.float64]:
    return structures.load("zif4").cell


def _symbols() -> list[str]:
    return list(symbols_of(structures.load("zif4").numbers))


def _dump(frames: NDArray[np.float64]) -> None:
    """As LAMMPS writes it with `id type x y z`: types only, wrapped, in no order."""
    lengths, symbols = np.diag(_cell()), _symbols()
    lines = []
    for step, positions in enumerate(frames):
        lines += ["ITEM: TIMESTEP", f"{step * 10}", "ITEM: NUMBER OF ATOMS", f"{len(symbols)}"]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"0 {length:.10f}" for length in lengths)]
        lines.append("ITEM: ATOMS id type x y z")
        for i in np.random.default_rng(step).permutation(len(symbols)):
            x, y, z = positions[i] % lengths
            lines.append(f"{i + 1} {TYPES[symbols[i]]} {x:.6f} {y:.6f} {z:.6f}")
    Path("dump.lammpstrj").write_text("\n".join(lines) + "\n")


def _xyz(frames: NDArray[np.float64], name: str, comment: str) -> None:
    rows = []
    for step, positions in enumerate(frames):
        rows += [f"{len(positions)}", comment.format(step=step, time=step * STEP)]
        pairs = zip(_symbols(), positions, strict=True)
        rows += [f"{symbol} {x:.6f} {y:.6f} {z:.6f}" for symbol, (x, y, z) in pairs]
    Path(name).write_text("\n".join(rows) + "\n")


def _analyse(*words: str) -> tuple[dict[str, float], str]:
    always = ["-o", "out", "--quantities", "linkers,coordination", "--processes", "1"]
    done = CliRunner().invoke(app, ["analyse", *words, *always], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    found = json.loads(Path("out/results.json").read_text())
    return {name: entry["value"] for name, entry in found.items() if "value" in entry}, done.output


def test_a_dump_with_types_only(frames: NDArray[np.float64]) -> None:
    _dump(frames)
    with pytest.raises(InputError, match=r"name its types with species_map \(--species-map 1="):
        _analyse("dump.lammpstrj")
    found, _ = _analyse("dump.lammpstrj", "--species-map", "1=C,2=H,3=N,4=Zn")
    assert (found["coordination"], found["linkers_intact_least"]) == (4.0, 32)
    found, said = _analyse("dump.lammpstrj", "--species-map", "H,C,N,Zn")
    assert found["broken_linker_fraction"] == 1.0
    assert "not one linker is whole in any frame: check the elements" in said
    trajectory = read("dump.lammpstrj", species_map="C,H,N,Zn", timestep=1.0)
    np.testing.assert_allclose(trajectory.times, STEP * np.arange(FRAMES))


def test_cp2k_without_its_cell(frames: NDArray[np.float64]) -> None:
    _xyz(frames, "ZIF4-pos-1.xyz", " i = {step}, time = {time:.3f}, E = -2208.0")
    with pytest.raises(InputError, match=r"there is no ZIF4-1\.cell beside this file.*--cell"):
        _analyse("ZIF4-pos-1.xyz")
    box = " ".join(f"{length:.6f}" for length in np.diag(_cell()))
    found, _ = _analyse("ZIF4-pos-1.xyz", "--cell", box)
    assert (found["coordination"], found["linkers_intact_least"]) == (4.0, 32)
    with pytest.raises(InputError, match="overlap"):
        _analyse("ZIF4-pos-1.xyz", "--cell", "10 10 10")


def test_frames_without_a_clock(frames: NDArray[np.float64]) -> None:
    lattice = " ".join(f"{x:.8f}" for x in _cell().ravel())
    _xyz(frames, "noclock.xyz", f'Lattice="{lattice}" Properties=species:S:1:pos:R:3')
    with pytest.raises(InputError, match=r"no frame number \(.*--timestep\) between 0.5 and 0.9"):
        _analyse("noclock.xyz", "--from", "0.5", "--until", "0.9")
    write("noclock.h5", read("noclock.xyz"))
    for name in ("noclock.xyz", "noclock.h5"):
        trajectory = read(name, timestep=STEP)
        assert trajectory.times is not None
        np.testing.assert_allclose(trajectory.times, STEP * np.arange(FRAMES))
        assert trajectory[2:][1].time == 3 * STEP


def test_a_clock_in_the_file_stays(frames: NDArray[np.float64]) -> None:
    crystal = structures.load("zif4")
    kept = [Frame(crystal, time=3.0 * i) for i in range(3)]
    write("clock.h5", ArrayTrajectory(kept))
    times = read("clock.h5", timestep=STEP).times
    assert times is not None
    np.testing.assert_array_equal(times, [0.0, 3.0, 6.0])
