from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from zifglass.core import ArrayTrajectory, Frame, InputError, Structure, ZifglassError
from zifglass.io import ChunkFolder, ChunkWriter, NativeTrajectory, join, read, write

numbers = np.array([30, 7, 6, 1])
cell = np.array([[9.0, 0, 0], [1.0, 8.0, 0], [0.5, -0.5, 7.0]])


def a_frame(index: int) -> dict:
    """Arguments of ChunkWriter.append: velocities every third frame, an extra every second."""
    rng = np.random.default_rng(index)
    return {
        "positions": rng.normal(size=(4, 3)),
        "cell": cell * (1 + 0.01 * index),
        "time": 0.5 * index,
        "energy": float(rng.normal()),
        "stress": rng.normal(size=(3, 3)),
        "temperature": 300.0,
        "velocities": rng.normal(size=(4, 3)) if index % 3 == 0 else None,
        "extras": {"kinetic_stress": rng.normal(size=(3, 3)), "box": 1.0}
        if index % 2 == 0
        else {"box": 2.0},
    }


def append(writer: ChunkWriter, index: int) -> None:
    values = a_frame(index)
    writer.append(values.pop("positions"), values.pop("cell"), **values)


def check_frame(frame: Frame, index: int, *, rtol: float = 0.0) -> None:
    expected = a_frame(index)
    np.testing.assert_allclose(frame.structure.positions, expected["positions"], rtol=rtol)
    np.testing.assert_array_equal(frame.structure.cell, expected["cell"])
    assert frame.time == expected["time"]
    assert frame.energy == expected["energy"]
    np.testing.assert_array_equal(frame.stress, expected["stress"])
    if expected["velocities"] is None:
        assert frame.velocities is None
    else:
        np.testing.assert_allclose(frame.velocities, expected["velocities"], rtol=rtol)
    assert frame.forces is None
    assert set(frame.extras) == set(expected["extras"])
    assert frame.extras["box"] == expected["extras"]["box"]
    assert frame.index == index
    assert frame.unwrapped


def data_sets(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
        found |= {f"@{key}": np.asarray(value) for key, value in file.attrs.items()}
    return found


def same_data_sets(one: Path, other: Path) -> None:
    a, b = data_sets(one), data_sets(other)
    assert set(a) == set(b)
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert a[name].tobytes() == b[name].tobytes() or np.array_equal(a[name], b[name]), name


def run_of(folder: Path, cuts: list[int], **options) -> ChunkWriter:
    writer = ChunkWriter(folder, numbers, metadata={"seed": 3}, **options)
    for index in range(cuts[-1]):
        append(writer, index)
        if index + 1 in cuts:
            writer.flush()
    return writer


def test_a_run_reads_back_and_joins(tmp_path: Path) -> None:
    run_of(tmp_path / "run", [3, 4, 9])
    run = read(tmp_path / "run")
    assert isinstance(run, ChunkFolder)
    assert len(run) == 9
    assert run.times.tolist() == [0.5 * i for i in range(9)]
    assert join(tmp_path / "run", tmp_path / "out.h5") == 9
    joined = read(tmp_path / "out.h5")
    assert joined.metadata == {"seed": 3}
    for trajectory in (run, joined, pickle.loads(pickle.dumps(run))):
        for index in (8, 0, 3, 4, 2, 5):  # out of order: each has to find its chunk
            check_frame(trajectory[index], index)
    energies = [a_frame(i)["energy"] for i in range(9)]
    assert run.series("energy", slice(2, 8, 2)).tolist() == energies[2:8:2]
    assert np.isnan(run.series("velocities", slice(4, 6))).all()
    for positions, cells in run.chunks(4):
        assert positions.shape[1:] == (4, 3)
        assert len(positions) == len(cells)


def test_join_does_not_depend_on_the_chunks(tmp_path: Path) -> None:
    for name, cuts in {"a": [9], "b": [1, 2, 5, 9], "c": [4, 8, 9]}.items():
        run_of(tmp_path / name, cuts)
        join(tmp_path / name, tmp_path / f"{name}.h5")
    same_data_sets(tmp_path / "a.h5", tmp_path / "b.h5")
    same_data_sets(tmp_path / "a.h5", tmp_path / "c.h5")


def test_a_reader_follows(tmp_path: Path) -> None:
    writer = run_of(tmp_path, [2])
    reader = ChunkFolder(tmp_path)
    assert reader.refresh() == 0
    for index in (2, 3, 4):
        append(writer, index)
    assert (writer.frames, writer.pending) == (2, 3)
    assert reader.refresh() == 0  # pending frames are nobody's business
    assert writer.flush() == 5
    assert reader.refresh() == 3
    check_frame(reader[4], 4)
    (tmp_path / ".chunk-000002.x.h5").write_bytes(b"half")
    assert reader.refresh() == 0
    writer.truncate(3)
    assert reader.refresh() == -2
    check_frame(reader[2], 2)


@pytest.mark.parametrize("keep", range(10))
def test_truncate_then_go_on_is_the_same_run(tmp_path: Path, keep: int) -> None:
    run_of(tmp_path / "whole", [3, 6, 9])
    join(tmp_path / "whole", tmp_path / "whole.h5")
    run_of(tmp_path / "cut", [3, 6, 9])
    writer = ChunkWriter(tmp_path / "cut", numbers, metadata={"seed": 3})
    assert writer.frames == 9
    writer.truncate(keep)
    assert writer.frames == keep
    for index in range(keep, 9):
        append(writer, index)
    writer.flush()
    join(tmp_path / "cut", tmp_path / "cut.h5")
    same_data_sets(tmp_path / "whole.h5", tmp_path / "cut.h5")


def test_cut_chunks_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    run_of(tmp_path / "model", [3, 6, 9])
    whole = [(tmp_path / "model" / f"chunk-00000{i}.h5").read_bytes() for i in range(3)]
    for trial in range(30):
        folder = tmp_path / str(trial)
        folder.mkdir()
        for number, content in enumerate(whole):
            (folder / f"chunk-00000{number}.h5").write_bytes(content)
        victim = int(rng.integers(3))
        path = folder / f"chunk-00000{victim}.h5"
        path.write_bytes(whole[victim][: rng.integers(len(whole[victim]))])
        if victim == 2:
            reader = ChunkFolder(folder)
            assert len(reader) == 6
            assert "chunk-000002.h5" in reader.notes[0]
        else:
            with pytest.raises(InputError, match=f"chunk-00000{victim}"):
                ChunkFolder(folder)
        writer = ChunkWriter(folder, numbers)
        assert writer.frames == 3 * victim
        assert "put aside" in writer.notes[0]
        append(writer, writer.frames)
        writer.flush()
        check_frame(read(folder)[3 * victim], 3 * victim)


def test_damage_inside_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    writer = run_of(tmp_path / "run", [9])
    del writer
    join(tmp_path / "run", path)
    with h5py.File(path) as file:
        where = file["positions"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 20] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"'positions' is damaged.*a\.h5, frame 0"):
        read(path)[0]


def test_sigkill_leaves_whole_frames(tmp_path: Path) -> None:
    """Killed at many instants while it writes and cuts, the folder always opens and is exact."""
    code = textwrap.dedent(
        """
        import sys
        import numpy as np
        from zifglass.io import ChunkWriter
        writer = ChunkWriter(sys.argv[1], [30, 7, 6, 1])
        writer.truncate(max(0, writer.frames - 2))
        index = writer.frames
        while True:
            rng = np.random.default_rng(index)
            writer.append(rng.normal(size=(4, 3)), np.eye(3) * 9, time=float(index))
            index += 1
            if index % 3 == 0:
                writer.flush()
                print("go", flush=True)  # from here on there is something whole to find
        """
    )
    rng = np.random.default_rng(2)
    last = 0
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(timeout=rng.uniform(0.05, 0.25))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        run = read(tmp_path)
        assert run.notes == ()
        assert len(run) >= last - 3
        last = len(run)
        for index in (0, last // 2, last - 1):
            expected = np.random.default_rng(index).normal(size=(4, 3))
            np.testing.assert_array_equal(run[index].structure.positions, expected)
    assert last >= 3


def test_size_per_frame_of_272_atoms(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for precision, limit in (("double", 8000), ("single", 4000)):
        writer = ChunkWriter(tmp_path / precision, np.ones(272), precision=precision)
        for _ in range(200):
            writer.append(rng.uniform(0, 18, size=(272, 3)), np.eye(3) * 18)
        writer.flush()
        join(tmp_path / precision, tmp_path / f"{precision}.h5")
        assert (tmp_path / f"{precision}.h5").stat().st_size / 200 < limit


def test_single_precision_rounds_atoms_only(tmp_path: Path) -> None:
    run_of(tmp_path, [4], precision="single")
    for index, frame in enumerate(read(tmp_path)):
        check_frame(frame, index, rtol=2**-24)


def test_words_and_unknown_components(tmp_path: Path) -> None:
    stress = np.diag([1.0, 2.0, 3.0])
    stress[stress == 0] = np.nan
    frames = [
        Frame(Structure(numbers, np.zeros((4, 3)), cell), stress=stress, extras={"kind": "melt"}),
        Frame(Structure(numbers, np.zeros((4, 3)), cell), index=1),
    ]
    write(tmp_path / "a.h5", frames)
    back = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(back[0].stress, stress)
    assert back[0].extras == {"kind": "melt"}
    assert back[1].stress is None
    assert back[1].extras == {}
    assert back.times is None


def test_refusals(tmp_path: Path) -> None:
    writer = ChunkWriter(tmp_path / "run", numbers)
    with pytest.raises(InputError, match=r"\(4, 3\); got \(5, 3\)"):
        writer.append(np.zeros((5, 3)), cell)
    with pytest.raises(InputError, match=r"not finite.*frame 0"):
        writer.append(np.full((4, 3), np.nan), cell)
    with pytest.raises(InputError, match="it is taken"):
        writer.append(np.zeros((4, 3)), cell, extras={"energy": 1.0})
    with pytest.raises(InputError, match="no whole chunk"):
        ChunkFolder(tmp_path / "run")
    append(writer, 0)
    writer.flush()
    with pytest.raises(InputError, match="it is shorter"):
        writer.truncate(2)
    with pytest.raises(InputError, match="other atoms"):
        ChunkWriter(tmp_path / "run", numbers[::-1])
    with pytest.raises(InputError, match="no data set 'forces'; this run holds positions, cells"):
        read(tmp_path / "run").series("forces")
    (tmp_path / "run" / "chunk-000002.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"chunk-000001\.h5 is missing"):
        read(tmp_path / "run")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["a"] = 1
    with pytest.raises(InputError, match="not a zifglass trajectory"):
        read(other)


def test_disk_full_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk: both fail in write(2)."""
    code = textwrap.dedent(
        """
        import resource, signal, sys
        import numpy as np
        from zifglass.core import ZifglassError
        from zifglass.io import ChunkWriter, join, read, write
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = ChunkWriter(sys.argv[1] + "/run", np.ones(272))
        rng = np.random.default_rng(0)
        def some(n):
            for _ in range(n):
                writer.append(rng.normal(size=(272, 3)), np.eye(3) * 9)
        whole = ChunkWriter(sys.argv[1] + "/whole", np.ones(272))
        for _ in range(99):
            whole.append(rng.normal(size=(272, 3)), np.eye(3) * 9)
        whole.flush()
        some(2)
        writer.flush()
        some(200)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        for action in (writer.flush,
                       lambda: write(sys.argv[1] + "/out.h5", read(sys.argv[1] + "/whole")),
                       lambda: write(sys.argv[1] + "/o.xyz", read(sys.argv[1] + "/whole"))):
            try:
                action()
            except ZifglassError as error:
                print(error)
            else:
                sys.exit("did not fail")
        assert (writer.frames, writer.pending) == (2, 200)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert writer.flush() == 202
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("could not write") == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "whole"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "chunk-000000.h5",
        "chunk-000001.h5",
    ]


def test_atoms_that_change_are_refused(tmp_path: Path) -> None:
    class Changing(ArrayTrajectory):
        def frame(self, index: int) -> Frame:
            frame = super().frame(index)
            if index == 1:
                return Frame(Structure(numbers[::-1], frame.structure.positions, cell))
            return frame

    good = Frame(Structure(numbers, np.zeros((4, 3)), cell))
    with pytest.raises(InputError, match=r"order of the atoms changed.*frame 1"):
        write(tmp_path / "a.h5", Changing([good, good, good]))
    assert not list(tmp_path.iterdir())


def test_error_types() -> None:
    assert issubclass(InputError, ZifglassError)
    assert NativeTrajectory.__doc__
