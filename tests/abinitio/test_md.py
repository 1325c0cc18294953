"""AIMD that real CP2K runs here (ten steps, killed and restarted), and files made from it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import (
    Cp2k,
    Dynamics,
    LevelOfTheory,
    MdFiles,
    Stage,
    find_md_files,
    read_md,
    run_aimd,
    table_s1,
)
from zifglass.abinitio.md import DEUTERIUM_MASS
from zifglass.core import InputError, Stopped, Structure, ZifglassError
from zifglass.core.kinetics import kinetic_stress, temperature_of
from zifglass.core.units import GPa, bar, bohr, kB

plan = (
    Stage("cold", None, 1.0, 300.0, 3.0),
    Stage("hot", "cold", 0.98, 1500.0, 2.0),
)


@pytest.fixture(scope="session")
def run(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("aimd")
    run_aimd(plan, hydrogen, folder=folder, level=quick, cp2k=cp2k, cores=1)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> MdFiles:
    """The files of the first stage, free to be damaged."""
    shutil.copytree(run / "cold" / "leg_000", tmp_path / "leg")
    return find_md_files(tmp_path / "leg")


def printed_tensors(output: Path) -> np.ndarray:
    """The tensors after each SCF (GPa, sign of a pressure), by our own reading."""
    row = r"STRESS\|\s+[xyz](.*)\n "
    blocks = re.findall(r"Analytical stress tensor \[GPa\]\n.*\n " + row * 3, output.read_text())
    return np.array([[line.split() for line in block] for block in blocks], dtype=float)


def test_the_stress_of_md_is_the_virial_part(run: Path) -> None:
    """File minus kinetic part = the tensor printed after the SCF, shear and sign included.

    CP2K's constants are CODATA 2006, ours 2018: 1e-7 of a kinetic part of up to 1 GPa apart.
    """
    trajectory = read_md(run / "cold" / "leg_000")
    printed = printed_tensors(run / "cold" / "leg_000" / "output.out")
    assert len(trajectory) == len(printed) == 7
    for frame, tensor in zip(trajectory, printed, strict=True):
        assert frame.stress is not None
        assert np.abs(frame.stress / GPa + tensor).max() < 2e-7


def test_the_kinetic_part_was_in_the_file(run: Path) -> None:
    """P(file) − P(virial) = N k_B T / V, with CP2K's own temperature (3 (N − 1) of 3 N)."""
    files = find_md_files(run / "cold" / "leg_000")
    trajectory = read_md(files)
    assert files.stress is not None
    rows = np.loadtxt(files.stress)[:, 2:].reshape(-1, 3, 3)
    for frame, total in zip(trajectory, rows, strict=True):
        assert frame.stress is not None and frame.temperature is not None
        difference = np.trace(total) / 3 * bar + np.trace(frame.stress) / 3
        atoms, volume = len(frame.structure), frame.structure.volume
        expected = (atoms - 1) * kB * frame.temperature / volume
        assert difference == pytest.approx(expected, rel=1e-5)


def test_frames_carry_everything_in_our_units(run: Path) -> None:
    trajectory = read_md(run / "cold" / "leg_000")
    assert trajectory.times is not None
    assert np.allclose(trajectory.times, 0.5 * np.arange(7))
    frame = trajectory[3]
    files = find_md_files(run / "cold" / "leg_000")
    assert frame.velocities is not None and frame.temperature is not None
    temperature = temperature_of(trajectory.masses, frame.velocities, degrees_of_freedom=9)
    assert temperature == pytest.approx(frame.temperature, rel=1e-5)
    # Å/fs: positions three steps apart by central differences, of order dt² = 1e-3 relative
    moved = (trajectory[4].structure.positions - trajectory[2].structure.positions) / 1.0
    assert np.abs(moved - frame.velocities).max() < 0.02 * np.abs(frame.velocities).max()
    raw = np.array([line.split()[1:] for line in files.forces.read_text().splitlines()[2:6]])
    first = trajectory[0].forces
    assert first is not None
    assert np.allclose(first, raw.astype(float) * 27.211386245988 / bohr, rtol=1e-12)
    assert frame.unwrapped


def test_deuterium_is_found_from_the_kinetic_energy(run: Path, copy: MdFiles) -> None:
    assert np.allclose(read_md(copy).masses, DEUTERIUM_MASS)
    with pytest.raises(InputError, match="give the hydrogen_mass of the run"):
        read_md(copy, hydrogen_mass=1.5)
    with pytest.raises(InputError, match="hydrogen or deuterium"):
        read_md(replace(copy, energies=None))
    assert read_md(replace(copy, energies=None), hydrogen_mass=2.0141)[0].stress is not None


def test_without_velocities_the_total_is_marked_as_such(copy: MdFiles) -> None:
    whole, blind = read_md(copy)[2], read_md(replace(copy, velocities=None))[2]
    assert blind.stress is None
    assert whole.stress is not None and whole.velocities is not None
    kinetic = kinetic_stress(np.full(4, DEUTERIUM_MASS), whole.velocities, whole.structure.volume)
    assert np.allclose(blind.extras["stress_total"], whole.stress + kinetic, atol=1e-8)
    assert np.trace(kinetic) < 0  # tension positive: moving atoms push


def test_a_diagonal_stress_has_no_shear(copy: MdFiles) -> None:
    assert copy.input is not None
    text = copy.input.read_text().replace(
        "STRESS_TENSOR ANALYTICAL", "STRESS_TENSOR DIAGONAL_ANALYTICAL"
    )
    copy.input.write_text(text)
    stress = read_md(copy)[1].stress
    assert stress is not None
    assert np.isfinite(np.diag(stress)).all() and np.isnan(stress[0, 1])


def test_shear_that_is_kinetic_alone_is_absent(copy: MdFiles) -> None:
    """A stress file whose shear holds nothing but the kinetic part, as of a diagonal virial."""
    trajectory = read_md(copy)
    assert copy.stress is not None
    lines = copy.stress.read_text().splitlines()
    for row, frame in enumerate(trajectory):
        assert frame.velocities is not None and frame.stress is not None
        kinetic = kinetic_stress(trajectory.masses, frame.velocities, frame.structure.volume)
        tensor = -(np.diag(np.diag(frame.stress)) + kinetic) / bar
        words = lines[row + 1].split()
        lines[row + 1] = " ".join(words[:2] + [f"{x:.10f}" for x in tensor.ravel()])
    copy.stress.write_text("\n".join(lines) + "\n")
    stress = read_md(copy)[4].stress
    assert stress is not None and np.isnan(stress[1, 2]) and np.isfinite(stress[2, 2])


def test_a_run_cut_at_any_byte_keeps_its_whole_steps(copy: MdFiles) -> None:
    """Each file cut on its own, in the middle of a number: the last whole step stays right."""
    reference = read_md(copy)
    for path in (
        copy.positions,
        copy.velocities,
        copy.forces,
        copy.stress,
        copy.energies,
        copy.cell,
    ):
        assert path is not None
        whole = path.read_bytes()
        path.write_bytes(whole[:-4])
        cut = read_md(copy)
        assert list(cut.steps) == list(reference.steps[:-1]), path
        last, same = cut[-1], reference[5]
        assert last.energy == same.energy and np.array_equal(last.forces, same.forces)
        assert np.array_equal(last.stress, same.stress)
        path.write_bytes(whole)


def test_unconverged_steps_are_left_out_and_listed(copy: MdFiles) -> None:
    assert copy.output is not None
    text = copy.output.read_text()
    ends = [m.start() for m in re.finditer(r"\*\*\* SCF run converged", text)]
    at = ends[4]
    text = text[:at] + "*** WARNING in qs_scf.F :: SCF run NOT converged ***\n" + text[at + 24 :]
    copy.output.write_text(text)
    trajectory = read_md(copy)
    assert trajectory.rejected == (4,)
    assert list(trajectory.steps) == [0, 1, 2, 3, 5, 6]
    assert trajectory.times is not None and trajectory.times[4] == 2.5


def test_the_next_stage_begins_where_the_last_ended(run: Path) -> None:
    """Same scaled positions and velocities, volume less by 2 %, step 0 not yet thermostatted."""
    cold, hot = read_md(run / "cold" / "leg_000"), read_md(run / "hot" / "leg_000")
    end, begin = cold[-1], hot[0]
    assert begin.structure.volume / end.structure.volume == pytest.approx(0.98, abs=1e-9)
    scaled = [f.structure.positions @ np.linalg.inv(f.structure.cell) for f in (end, begin)]
    assert np.abs(scaled[0] - scaled[1]).max() < 1e-9
    assert np.abs(end.velocities - begin.velocities).max() < 1e-8


def test_a_killed_stage_goes_on(
    run: Path, cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, tmp_path: Path
) -> None:
    """CP2K killed after step 3, its newest restart cut: the whole run agrees with the unbroken
    one to what an SCF of 1e-5 from another first guess allows."""
    folder = tmp_path / "run"
    script = tmp_path / "mortal"
    script.write_text(
        "#!/bin/bash\n"
        f'[ "$1" = --version ] && exec {cp2k.command[0]} --version\n'
        f'{cp2k.command[0]} "$@" & pid=$!\n'
        "while ! grep -q '^ *3 ' aimd-1.ener 2>/dev/null; do sleep 0.02; done\n"
        "kill -9 $pid; wait $pid\n"
    )
    script.chmod(0o755)
    mortal = Cp2k((str(script),), cp2k.data, cp2k.version)
    arguments = {"folder": folder, "level": quick, "cores": 1}
    with pytest.raises(ZifglassError, match="ended with status 137"):
        run_aimd(plan[:1], hydrogen, cp2k=mortal, **arguments)
    restart = folder / "cold" / "leg_000" / "aimd-1.restart"
    restart.write_text(restart.read_text()[:2000])
    whole = run_aimd(plan[:1], hydrogen, cp2k=cp2k, **arguments)["cold"]
    assert len(list((folder / "cold").glob("leg_*"))) == 2
    reference = read_md(run / "cold" / "leg_000")
    assert list(whole.steps) == list(reference.steps)
    assert np.array_equal(whole.times, reference.times)
    for ours, theirs in zip(whole, reference, strict=True):
        assert ours.energy == pytest.approx(theirs.energy, abs=2e-4)
        assert np.abs(ours.structure.positions - theirs.structure.positions).max() < 1e-4
        assert ours.temperature == pytest.approx(theirs.temperature, rel=1e-3)


def test_a_finished_run_is_not_run_again(
    run: Path, hydrogen: Structure, quick: LevelOfTheory
) -> None:
    nothing = Cp2k((os.devnull,), None, "")
    again = run_aimd(plan, hydrogen, folder=run, level=quick, cp2k=nothing)
    assert [len(t) for t in again.values()] == [7, 5]


def test_a_folder_of_another_run_is_refused(run: Path, hydrogen: Structure) -> None:
    with pytest.raises(InputError, match="begun with another level of theory"):
        run_aimd(plan, hydrogen, folder=run)


def test_wall_time_stops_cleanly(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, tmp_path: Path
) -> None:
    long = (Stage("long", None, 1.0, 300.0, 500.0),)
    with pytest.raises(Stopped, match="run again to go on"):
        run_aimd(
            long,
            hydrogen,
            folder=tmp_path,
            level=quick,
            dynamics=Dynamics(walltime=5.0),
            cp2k=cp2k,
            cores=1,
        )
    assert 1 <= len(read_md(tmp_path / "long" / "leg_000")) < 1001


def test_the_plan_of_table_s1() -> None:
    """Final volumes +2, 0, −2, −4 % at 1500, 1500, 1750, 1750 K, each step of volume by 2 %."""
    stages = {stage.name: stage for stage in table_s1()}
    found = {}
    for stage in stages.values():
        factor, here = 1.0, stage
        while True:
            factor *= here.volume_factor
            if here.start is None:
                break
            here = stages[here.start]
        if stage.temperature > 300:
            found[round(100 * (factor - 1))] = stage.temperature
    assert found == {2: 1500.0, 0: 1500.0, -2: 1750.0, -4: 1750.0}
    with pytest.raises(InputError, match="no stage 'gas'"):
        run_aimd(
            table_s1(), Structure([1, 1], np.eye(3)[:2], 9 * np.eye(3)), folder=".", only=["gas"]
        )
