"""Whatever happens to a run, going on gives the bits of the run that nothing happened to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.dynamics.toy_run import every_segment, go, start
from tests.dynamics.toys import LennardJones

from zifglass.core import InputError, Protocol, Segment, Stopped, ZifglassError
from zifglass.dynamics import RunSettings, driver, flexible_npt, read_thermo, run
from zifglass.dynamics import checkpoint as checkpoints
from zifglass.dynamics.folder import RunFolder
from zifglass.dynamics.state import State
from zifglass.dynamics.stops import StopRequests
from zifglass.io import ChunkFolder, read

_root = Path(__file__).resolve().parents[2]


def _spawn(folder: Path, steps: int = 40, threads: int = 1) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(_root), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.dynamics.toy_run", str(folder), str(steps)],
        cwd=_root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _same_runs(one: Path, other: Path) -> None:
    """Trajectory (every data set), thermo table and final state, to the bit."""
    with h5py.File(one / "trajectory.h5") as a, h5py.File(other / "trajectory.h5") as b:
        names: list[str] = []
        a.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        others: list[str] = []
        b.visititems(lambda name, item: others.append(name) if hasattr(item, "shape") else None)
        assert sorted(names) == sorted(others)
        assert {"positions", "velocities", "forces", "cells", "times", "stress"} <= set(names)
        for name in names:
            x, y = a[name][()], b[name][()]
            assert x.shape == y.shape, name
            assert x.tobytes() == y.tobytes(), name
    assert (one / "thermo.csv").read_bytes() == (other / "thermo.csv").read_bytes()
    (_, last), (_, same) = (
        next(iter(checkpoints.newest_first(folder / "checkpoints"))) for folder in (one, other)
    )
    assert isinstance(last, checkpoints.Checkpoint)
    assert isinstance(same, checkpoints.Checkpoint)
    assert last.data.tobytes() == same.data.tobytes()
    assert last.generator == same.generator
    assert checkpoints.encode(last) == checkpoints.encode(same)
    assert json.loads((other / "status.json").read_text())["status"] == "finished"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "run"
    go(str(folder))
    return folder


def _kill_repeatedly(reference: Path, folder: Path, kills: int, seed: int, steps: int) -> None:
    """SIGKILL at random instants after the imports, and start again, until `kills` have hit a
    living process. Each time the run gets through, it is compared and begun anew."""
    rng = np.random.default_rng(seed)
    length, hit, turn = 0.5, 0, 0
    while hit < kills or folder.exists():
        turn += 1
        assert turn < 20 * kills, f"only {hit} of {turn} starts could be killed"
        with _spawn(folder, steps, threads=1 + turn % 2) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            began = time.monotonic()
            if hit < kills:
                time.sleep(rng.uniform(0.0, 0.4 * length))
                if process.poll() is None:
                    process.kill()
                    hit += process.wait() == -signal.SIGKILL
                    continue
            output, _ = process.communicate()
        assert process.returncode == 0, output
        length = max(length, time.monotonic() - began)
        _same_runs(reference, folder)
        shutil.rmtree(folder)


def test_killed_at_random_instants_the_run_is_the_same(reference: Path, tmp_path: Path) -> None:
    _kill_repeatedly(reference, tmp_path / "run", 6, seed=1, steps=40)


@pytest.mark.long
def test_killed_a_hundred_times_the_run_is_the_same(tmp_path: Path) -> None:
    go(str(tmp_path / "reference"), 400)
    _kill_repeatedly(tmp_path / "reference", tmp_path / "run", 100, seed=2, steps=400)


class _StopAfter(StopRequests):
    """Asks to stop once the driver has looked `looks` times."""

    looks = 0
    _seen = 0

    @property
    def reason(self) -> str | None:
        self._seen += 1
        return "half way" if self._seen > self.looks else None


def _go_until(folder: Path, looks: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Go on with the run for about `looks` steps; whether it was stopped."""
    monkeypatch.setattr(_StopAfter, "looks", looks)
    monkeypatch.setattr(driver, "StopRequests", _StopAfter)
    try:
        go(str(folder))
    except Stopped as stopped:
        assert "half way" in str(stopped)
        return True
    finally:
        monkeypatch.undo()
    return False


def test_stopped_every_few_steps_the_run_is_the_same(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    stops = [_go_until(folder, looks, monkeypatch) for looks in (1, 2, 17, 18, 20, 40, 41, 80, 60)]
    assert all(stops)
    go(str(folder))
    _same_runs(reference, folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_signals_stop_with_a_checkpoint_and_status_75(
    number: signal.Signals, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with _spawn(folder, 4000) as process:
        while not any((folder / "checkpoints").glob("*.ckpt")):
            assert process.poll() is None, "the run ended before its first checkpoint"
            time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate()
    assert process.returncode == 75, output
    assert f"{number.name} received" in output
    status = json.loads((folder / "status.json").read_text())
    assert status["status"] == "stopped"
    _, newest = next(iter(checkpoints.newest_first(folder / "checkpoints")))
    assert isinstance(newest, checkpoints.Checkpoint)
    assert len(ChunkFolder(folder / "trajectory")) == newest.records["frames"]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run stopped half way, with two checkpoints and several chunks."""
    folder = tmp_path_factory.mktemp("half") / "run"
    assert _go_until(folder, 200, pytest.MonkeyPatch())
    assert len(list((folder / "checkpoints").glob("*.ckpt"))) == 2
    return folder


def _copy(half: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(half, tmp_path / "run"))


@pytest.mark.parametrize("which", ["newest checkpoint", "thermo", "last chunk"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_cut_files_fall_back_to_the_checkpoint_before(
    which: str, kept: float, half: Path, reference: Path, tmp_path: Path
) -> None:
    folder = _copy(half, tmp_path)
    path = {
        "newest checkpoint": max((folder / "checkpoints").glob("*.ckpt")),
        "thermo": folder / "thermo.csv",
        "last chunk": max((folder / "trajectory").glob("*.h5")),
    }[which]
    length = path.stat().st_size
    if which == "thermo":  # keep what the older checkpoint needs
        older = min((folder / "checkpoints").glob("*.ckpt"))
        found = checkpoints.decode(older.read_bytes(), older)
        base = found.records["thermo"]
        length = int(base + kept * (length - base))
    else:
        length = int(kept * length)
    with path.open("r+b") as file:
        file.truncate(length)
    go(str(folder))
    _same_runs(reference, folder)


def test_flipped_bits_in_a_checkpoint_are_noticed(half: Path, tmp_path: Path) -> None:
    folder = _copy(half, tmp_path)
    rng = np.random.default_rng(0)
    path = max((folder / "checkpoints").glob("*.ckpt"))
    whole = path.read_bytes()
    for position in rng.integers(0, len(whole), 20):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(InputError, match="checkpoint"):
            checkpoints.decode(bytes(damaged), path)


def test_without_any_whole_checkpoint_nothing_is_overwritten(half: Path, tmp_path: Path) -> None:
    folder = _copy(half, tmp_path)
    for path in (folder / "checkpoints").glob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:100])
    before = (folder / "thermo.csv").read_bytes()
    with pytest.raises(InputError, match="no checkpoint of this run can be used"):
        go(str(folder))
    assert (folder / "thermo.csv").read_bytes() == before


def test_longer_trajectory_and_table_are_cut_back(
    half: Path, reference: Path, tmp_path: Path
) -> None:
    folder = _copy(half, tmp_path)
    with (folder / "thermo.csv").open("a") as file:
        file.write("3,4,5\nhalf a li")
    chunks = sorted((folder / "trajectory").glob("*.h5"))
    extra = chunks[-1].with_name(f"chunk-{len(chunks):06d}.h5")
    shutil.copy(chunks[0], extra)
    go(str(folder))
    _same_runs(reference, folder)


def test_changed_input_is_refused_and_says_what(half: Path, tmp_path: Path) -> None:
    folder = _copy(half, tmp_path)

    def again(**changes: object) -> None:
        arguments: dict[str, object] = {
            "protocol": every_segment(),
            "structure": start(),
            "potential": LennardJones(),
            "seed": 3,
        }
        run(**(arguments | changes), folder=folder, settings=RunSettings(), melting=None)  # type: ignore[arg-type]

    shorter = every_segment(36)
    melting = pytest.MonkeyPatch()
    melting.setattr(type(shorter), "needs_melting", False)
    try:
        with pytest.raises(InputError, match=r"segments\[2\].duration was 80 fs and is now 72 fs"):
            again(protocol=shorter)
        with pytest.raises(InputError, match=r"potential.sha256 was .* --fork"):
            again(potential=LennardJones(epsilon=0.011))
        with pytest.raises(InputError, match="seed was 3 and is now 4"):
            again(seed=4)
        with pytest.raises(InputError, match=r"structure\.sha256"):
            again(structure=start().scaled_to(start().cell * 1.001))
        with pytest.raises(InputError, match="protocol"):
            again(protocol=flexible_npt())
    finally:
        melting.undo()


def test_what_cannot_start_claims_no_folder(tmp_path: Path) -> None:
    onward = Protocol(name="onward", segments=(every_segment().segments[2],))
    crystal = start()
    positions = crystal.positions.copy()
    positions[1] = positions[0] + 0.5
    with pytest.raises(InputError, match="atoms on top of each other"):
        run(onward, crystal.with_positions(positions), LennardJones(), folder=tmp_path / "run")
    with pytest.raises(InputError, match="no whole checkpoint to branch off from"):
        run(onward, crystal, LennardJones(), folder=tmp_path / "run", fork=tmp_path / "none")
    run(onward, crystal, LennardJones(), folder=tmp_path / "run")
    assert "forked_from" not in (tmp_path / "run" / "run.yaml").read_text()


def test_fork_starts_from_the_last_state(half: Path, tmp_path: Path) -> None:
    segment = Segment(
        name="nve",
        ensemble="nve",
        duration=8.0,
        timestep=2.0,
        frames_every=2.0,
        thermo_every=2.0,
        monitor_every=2.0,
    )
    onward = Protocol(name="onward", segments=(segment,), masses={"Ar": 36.0})
    run(onward, start(), LennardJones(), folder=tmp_path / "fork", fork=half)
    _, found = next(iter(checkpoints.newest_first(half / "checkpoints")))
    assert isinstance(found, checkpoints.Checkpoint)
    state = State(32, found.data)
    first = read(tmp_path / "fork" / "trajectory.h5")[0]
    np.testing.assert_allclose(first.structure.positions, state.positions, atol=1e-5)
    np.testing.assert_array_equal(first.structure.cell, state.cell)
    thermo = read_thermo(tmp_path / "fork")
    assert thermo["energy_potential_eV"][0] == pytest.approx(state.energy, rel=1e-9)


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "run"),
        pytest.raises(InputError, match=r"another process writes to this run \(process"),
    ):
        go(str(tmp_path / "run"))
    go(str(tmp_path / "run"), 10)  # the lock went with its holder


def test_full_disk_keeps_what_is_whole(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    real = Path.write_bytes
    writes = 0

    def full(self: Path, content: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > 9:
            with self.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ZifglassError, match="No space left on device"):
        go(str(folder))
    monkeypatch.undo()
    assert len(ChunkFolder(folder / "trajectory")) > 0
    go(str(folder))
    _same_runs(reference, folder)


def test_a_finished_run_is_left_as_it_is(reference: Path) -> None:
    before = (reference / "trajectory.h5").stat().st_mtime_ns
    result = go(str(reference))
    assert (reference / "trajectory.h5").stat().st_mtime_ns == before
    assert 0 <= result.time - read_thermo(reference)["time_ps"][-1] * 1000 < 4.0  # its interval
