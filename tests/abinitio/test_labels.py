"""Single points that real CP2K computes here: two H2 molecules on a coarse grid, a second each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import Cp2k, LevelOfTheory, Rejected, label
from zifglass.abinitio.runner import Task, divide_cores, find_cp2k, run_all
from zifglass.core import Frame, InputError, Structure, ZifglassError
from zifglass.core.units import GPa


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


def strained(structure: Structure, strain: np.ndarray) -> Structure:
    return structure.scaled_to(structure.cell @ (np.eye(3) + strain))


def test_labels_agree_with_finite_differences_of_the_energy(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, work: Path
) -> None:
    """Forces by −dE/dx, stress by dE/dε/V with its shear and its sign.

    The bounds are the noise of energies on a grid of 200 Ry (the egg-box effect) and of an SCF
    stopped at 1e-6: 5e-3 eV/Å of forces up to 1.6, 0.02 GPa of stresses up to 0.5.
    """
    step, strain = 0.01, 0.01
    shear, stretch = np.zeros((3, 3)), np.zeros((3, 3))
    shear[0, 1] = shear[1, 0] = strain / 2
    stretch[2, 2] = strain
    shift = np.zeros((4, 3))
    shift[1, 0] = step
    frames = [
        hydrogen,
        strained(hydrogen, shear),
        strained(hydrogen, -shear),
        strained(hydrogen, stretch),
        strained(hydrogen, -stretch),
        hydrogen.with_positions(hydrogen.positions + shift),
        hydrogen.with_positions(hydrogen.positions - shift),
    ]
    calls: list[tuple[int, int]] = []
    level = quick.model_copy(update={"eps_scf": 1e-6, "cutoff": 200.0})
    result = label(
        frames,
        folder=work / "fd",
        level=level,
        cp2k=cp2k,
        cores=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert not result.rejected and calls[-1] == (7, 7)
    energy = [frame.energy for frame in result.frames]
    stress, forces = result.frames[0].stress, result.frames[0].forces
    assert stress is not None and forces is not None and None not in energy
    per_strain = hydrogen.volume * 2 * strain
    assert stress[0, 1] / GPa == pytest.approx((energy[1] - energy[2]) / per_strain / GPa, abs=0.02)
    assert stress[2, 2] / GPa == pytest.approx((energy[3] - energy[4]) / per_strain / GPa, abs=0.02)
    assert forces[1, 0] == pytest.approx(-(energy[5] - energy[6]) / (2 * step), abs=5e-3)
    assert abs(stress[0, 1]) > 0.3 * GPa and stress[2, 2] < -0.3 * GPa


def test_a_rerun_keeps_what_is_finished_and_lists_what_fails(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, work: Path
) -> None:
    moved = hydrogen.with_positions(hydrogen.positions + 0.1)
    starved = quick.model_copy(update={"max_scf": 2})
    first = label([hydrogen], folder=work / "a", level=quick, cp2k=cp2k, cores=1)
    again = label(
        [moved, Frame(hydrogen, time=7.0)], folder=work / "a", level=quick, cp2k=cp2k, cores=1
    )
    assert (first.reused, again.reused) == (0, 1)
    assert again.frames[1].energy == first.frames[0].energy
    assert again.frames[1].time == 7.0
    failed = label([hydrogen], folder=work / "a", level=starved, cp2k=cp2k, cores=1)
    assert failed.frames == () and failed.reused == 0
    assert isinstance(failed.rejected[0], Rejected) and failed.rejected[0].frame == 0
    assert "did not converge" in failed.rejected[0].reason
    # Finished but unconverged: not computed again, and rejected again.
    assert label([hydrogen], folder=work / "a", level=starved, cp2k=cp2k, cores=1).reused == 1


def test_a_cut_output_is_computed_again(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, work: Path
) -> None:
    first = label([hydrogen], folder=work / "a", level=quick, cp2k=cp2k, cores=1)
    output = first.folders[0] / "output.out"
    output.write_text(output.read_text()[:9000])
    again = label([hydrogen], folder=work / "a", level=quick, cp2k=cp2k, cores=1)
    assert again.reused == 0 and not again.rejected
    assert again.frames[0].energy == pytest.approx(first.frames[0].energy, abs=1e-9)


def test_cp2ks_error_is_the_reason(
    cp2k: Cp2k, hydrogen: Structure, quick: LevelOfTheory, work: Path
) -> None:
    wrong = quick.model_copy(update={"potential": {"H": "GTH-NOSUCH-q1"}})
    result = label([hydrogen], folder=work / "wrong", level=wrong, cp2k=cp2k, cores=1)
    assert "requested atomic potential <GTH-NOSUCH-q1>" in result.rejected[0].reason


def test_missing_cp2k_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("ZIFGLASS_CP2K", raising=False)
    with pytest.raises(ZifglassError, match="apt-get install cp2k"):
        find_cp2k()


def test_another_program_is_not_taken_for_cp2k() -> None:
    with pytest.raises(ZifglassError, match="does not answer --version as CP2K does"):
        find_cp2k("ls")
    with pytest.raises(ZifglassError, match="no program 'nosuchprogram'"):
        find_cp2k("nosuchprogram -x")


@pytest.mark.parametrize(
    ("tasks", "cores", "jobs", "threads"),
    [(9, 4, None, [1, 1, 1, 1]), (1, 4, None, [4]), (3, 8, None, [3, 3, 2]), (9, 5, 2, [3, 2])],
)
def test_cores_are_divided_and_never_oversubscribed(
    tasks: int, cores: int, jobs: int | None, threads: list[int]
) -> None:
    assert divide_cores(tasks, cores=cores, jobs=jobs) == threads


def test_more_jobs_than_cores_are_refused() -> None:
    with pytest.raises(InputError, match="8 jobs on 4 cores would oversubscribe"):
        divide_cores(9, cores=4, jobs=8)


def _fake(folder: Path, body: str) -> Cp2k:
    script = folder / "fake"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return Cp2k((str(script),), None, "fake")


def test_cores_in_use_never_exceed_those_given(tmp_path: Path) -> None:
    """Each process notes its threads while it runs; the sum at any instant is at most 3."""
    fake = _fake(tmp_path, f'n=$(mktemp -p {tmp_path} on.XXXX); echo $OMP_NUM_THREADS > $n; '
                 f'set -- $(cat {tmp_path}/on.*); echo $* >> {tmp_path}/seen; '  # one write
                 # The first waits until the one beside it has seen both.
                 f'[ $# -lt 2 ] || touch {tmp_path}/met; '
                 f'while [ ! -e {tmp_path}/met ]; do sleep 0.05; done; rm $n')  # fmt: skip
    ended: list[int] = []
    run_all(
        [Task("x", tmp_path / str(k)) for k in range(7)],
        fake,
        cores=3,
        jobs=2,
        finished=lambda index, status: ended.append(index),
    )
    assert sorted(ended) == list(range(7))
    groups = [
        [int(word) for word in line.split()]
        for line in (tmp_path / "seen").read_text().splitlines()
    ]
    assert max(sum(group) for group in groups) <= 3
    assert any(len(group) == 2 for group in groups)


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    _fake(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 3600")
    program = (
        "from pathlib import Path\n"
        "from zifglass.abinitio.runner import Cp2k, Task, run_all\n"
        f"here = Path({str(tmp_path)!r})\n"
        "run_all([Task('x', here / 'run')], Cp2k((str(here / 'fake'),), None, ''), cores=1)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    pid_file = tmp_path / "pid"
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert parent.poll() is None, "the parent ended before its child began"
        time.sleep(0.05)
    child = int(pid_file.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # Left alone it would live for the hour that it sleeps; how soon it dies is the machine's.
    deadline = time.monotonic() + 300
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.long
def test_the_crystals_label_is_the_reference(cp2k: Cp2k, data: Path, tmp_path: Path) -> None:
    """272 atoms at full cutoff, about half an hour: 1e-5 Ha and 1e-4 Ha/Bohr."""
    from zifglass.abinitio import read_single_point
    from zifglass.abinitio.inputs import structure_in
    from zifglass.abinitio.sections import read_input
    from zifglass.core.units import bohr, hartree

    reference = read_single_point(data / "dft" / "zif4_crystal.out")
    crystal = structure_in(read_input(data / "dft" / "zif4_crystal.inp"))
    cores = int(os.environ.get("ZIFGLASS_TEST_CORES", "2"))
    result = label([crystal], folder=tmp_path, cp2k=cp2k, cores=cores)
    assert not result.rejected
    ours = result.frames[0]
    assert ours.energy is not None and ours.forces is not None and ours.stress is not None
    assert reference.forces is not None and reference.stress is not None
    assert abs(ours.energy - reference.energy) < 1e-5 * hartree
    assert np.abs(ours.forces - reference.forces).max() < 1e-4 * hartree / bohr
    assert np.abs(ours.stress - reference.stress).max() < 0.01 * GPa
