"""What every format must pass: round trip, agreement with ASE, files that were cut."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
import pytest

from zifglass.core import ArrayTrajectory, Frame, InputError, Structure
from zifglass.core import cell as cells
from zifglass.io import InputWarning, read, write

numbers = np.array([30, 30, 7, 7, 7, 6, 1, 1, 6])
lower = np.array([[9.0, 0, 0], [1.25, 8.0, 0], [-0.75, -0.5, 7.0]])
skewed = np.array([[1.0, 9.0, 0.5], [-1.0, 1.0, 8.0], [7.5, 0.25, -1.0]])


def frames_of(n: int, cell: np.ndarray, seed: int = 0) -> list[Frame]:
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(n):
        stress = rng.normal(size=(3, 3))
        frames.append(
            Frame(
                Structure(numbers, rng.normal(scale=9, size=(9, 3)), cell * (1 + 0.003 * index)),
                time=0.5 * index,
                velocities=rng.normal(scale=1e-2, size=(9, 3)),
                energy=float(rng.normal(scale=1e4)),
                forces=rng.normal(size=(9, 3)),
                stress=(stress + stress.T) / 160,
                temperature=300.0 + index,
                unwrapped=True,
                index=index,
            )
        )
    return frames


everything = frozenset(
    ["time", "velocities", "energy", "forces", "stress", "temperature", "unwrapped", "index"]
)


@dataclass(frozen=True)
class Case:
    """How one format is held to the contract. carries: fields of a Frame beside the structure."""

    name: str
    carries: frozenset[str] = frozenset()
    frames: int = 5
    cell: np.ndarray = field(default_factory=lambda: skewed)
    ase: str | None = None
    periodic: bool = False  # positions may come back in another image and orientation


CASES = {
    case.name: case
    for case in (
        Case(
            "a.extxyz",
            everything,
            ase="extxyz",
        ),
        Case("a.cif", frames=1, ase="cif", periodic=True),
        Case("POSCAR", frozenset(["velocities"]), frames=1, ase="vasp"),
        Case("a.lmp", frozenset(["velocities"]), frames=1, cell=lower, ase="lammps-data"),
        Case(
            "a.lammpstrj",
            frozenset(["time", "velocities", "forces", "unwrapped", "index"]),
            cell=lower,
            ase="lammps-dump-text",
        ),
        Case(
            "general.lammpstrj", frozenset(["time", "velocities", "forces", "unwrapped", "index"])
        ),
        Case("a.npz", frozenset(["time", "energy", "forces", "stress", "index"])),
        Case(
            "a.traj",
            everything,
            ase="traj",
        ),
        Case(
            "a.h5",
            everything,
        ),
    )
}
every_format = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
text_formats = pytest.mark.parametrize("name", ["a.extxyz", "a.lammpstrj", "a.lmp", "POSCAR"])


def written(folder: Path, case: Case, seed: int = 0) -> tuple[Path, list[Frame]]:
    frames = frames_of(case.frames, case.cell, seed)
    write(folder / case.name, frames)
    return folder / case.name, frames


def same_structure(got: Structure, expected: Structure, case: Case) -> None:
    np.testing.assert_array_equal(got.numbers, expected.numbers)
    if not case.periodic:
        np.testing.assert_array_equal(got.cell, expected.cell)
        np.testing.assert_array_equal(got.positions, expected.positions)
        return
    np.testing.assert_allclose(
        cells.lengths_and_angles(got.cell), cells.lengths_and_angles(expected.cell), rtol=1e-12
    )
    s = got.positions @ np.linalg.inv(got.cell) - expected.positions @ np.linalg.inv(expected.cell)
    np.testing.assert_allclose(s, np.round(s), atol=1e-12)


def same_frame(got: Frame, expected: Frame, case: Case) -> None:
    same_structure(got.structure, expected.structure, case)
    for name in ("time", "velocities", "energy", "forces", "stress", "temperature", "unwrapped"):
        value, wanted = getattr(got, name), getattr(expected, name)
        if name not in case.carries:
            assert value is None or value is False, name
        else:  # units are multiplied and divided: two roundings
            np.testing.assert_allclose(value, wanted, rtol=4e-16, err_msg=name)
    if "index" in case.carries:
        assert got.index == expected.index


@every_format
def test_round_trip(tmp_path: Path, case: Case) -> None:
    path, frames = written(tmp_path, case)
    trajectory = read(path)
    assert len(trajectory) == len(frames)
    assert trajectory.notes == ()
    if "time" in case.carries:
        np.testing.assert_allclose(trajectory.times, [f.time for f in frames], rtol=4e-16)
    else:
        assert trajectory.times is None
    for index in (-1, 0, len(frames) // 2):
        same_frame(trajectory[index], frames[index], case)
    for got, expected in zip(pickle.loads(pickle.dumps(trajectory)), frames, strict=True):
        same_frame(got, expected, case)
    positions = np.concatenate([block for block, _ in trajectory.chunks(2)])
    assert positions.shape == (len(frames), 9, 3)


@every_format
def test_written_again_is_the_same_file(tmp_path: Path, case: Case) -> None:
    path, _ = written(tmp_path, case)
    (tmp_path / "again").mkdir()
    again = tmp_path / "again" / case.name
    write(again, read(path))
    first, second = read(path), read(again)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a.structure.positions, b.structure.positions, rtol=1e-14)
        np.testing.assert_array_equal(a.structure.numbers, b.structure.numbers)


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.ase], ids=lambda c: c.name)
def test_ase_reads_what_we_write(tmp_path: Path, case: Case) -> None:
    path, frames = written(tmp_path, case)
    images = ase.io.read(path, index=":", format=case.ase)
    assert len(images) == len(frames)
    for atoms, frame in zip(images, frames, strict=True):
        assert atoms.get_chemical_symbols() == frame.structure.symbols
        # ASE's cif and lammps readers rebuild cell and positions
        s = atoms.get_scaled_positions(wrap=False)
        t = frame.structure.positions @ np.linalg.inv(frame.structure.cell)
        np.testing.assert_allclose((s - t) - np.round(s - t), 0, atol=1e-9)
        np.testing.assert_allclose(
            atoms.cell.cellpar(), cells.lengths_and_angles(frame.structure.cell), rtol=1e-9
        )
        if "stress" in case.carries:
            np.testing.assert_allclose(atoms.get_stress(voigt=False), frame.stress, rtol=1e-14)
            assert atoms.get_potential_energy() == frame.energy
        if "forces" in case.carries:
            np.testing.assert_allclose(atoms.get_forces(), frame.forces, rtol=1e-14)
        if "velocities" in case.carries and case.name != "a.lammpstrj":
            kinetic = 0.5 * frame.structure.masses @ (frame.velocities**2).sum(axis=1)
            # ASE's own constants: eV per amu Å²/fs² to 1e-7
            assert atoms.get_kinetic_energy() == pytest.approx(kinetic * 103.642697, rel=1e-6)


def _ase_images() -> list[ase.Atoms]:
    from zifglass.io.ase_traj import to_atoms

    return [to_atoms(frame) for frame in frames_of(3, lower)]


@pytest.mark.parametrize(
    ("name", "format", "options"),
    [
        ("a.xyz", "extxyz", {}),
        ("a.cif", "cif", {}),
        ("a.vasp", "vasp", {"direct": True}),
        ("a.vasp", "vasp", {"direct": False}),
        ("a.traj", "traj", {}),
        ("a.data", "lammps-data", {"masses": True, "atom_style": "full"}),
        ("a.data", "lammps-data", {"masses": True, "velocities": True}),
    ],
)
def test_we_read_what_ase_writes(tmp_path: Path, name: str, format: str, options: dict) -> None:
    images = _ase_images()
    if format not in ("extxyz", "traj"):
        images = images[:1]
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ase.io.write(path, images if len(images) > 1 else images[0], format=format, **options)
        back = ase.io.read(path, index=":", format=format)
    got = read(path)
    assert len(got) == len(back)
    for frame, atoms in zip(got, back, strict=True):
        assert frame.structure.symbols == atoms.get_chemical_symbols()
        np.testing.assert_allclose(frame.structure.cell, atoms.cell, atol=1e-12)
        apart = (frame.structure.positions - atoms.positions) @ np.linalg.inv(frame.structure.cell)
        np.testing.assert_allclose(apart, np.round(apart), atol=1e-10)
        if atoms.calc is not None:
            assert frame.energy == atoms.get_potential_energy()
            np.testing.assert_array_equal(frame.forces, atoms.get_forces())
            np.testing.assert_array_equal(frame.stress, atoms.get_stress(voigt=False))


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.frames > 1], ids=lambda c: c.name)
def test_cut_at_any_byte(tmp_path: Path, case: Case) -> None:
    """A cut file gives the first frames exactly and says what is missing, or is refused."""
    path, frames = written(tmp_path, case)
    whole = path.read_bytes()
    rng = np.random.default_rng(7)
    line_ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    cuts = {*rng.integers(0, len(whole), size=60).tolist(), len(whole) - 1, *line_ends[-3:]}
    cuts |= set(range(len(whole) - len(whole) // 5 - 300, len(whole) - len(whole) // 5))  # headers
    write(tmp_path / f"first-{case.name}", frames[:1])
    first_frame = (tmp_path / f"first-{case.name}").stat().st_size
    outcomes = set()
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputWarning)
            try:
                trajectory = read(path)
                got = list(trajectory)
            except InputError as error:
                assert str(path) in str(error)
                assert "\n" not in str(error)
                if case.name.endswith(("xyz", "lammpstrj")):
                    assert cut < first_frame, str(error)
                outcomes.add("refused")
                continue
        assert [str(w.message) for w in caught] == list(trajectory.notes)
        if "if it was cut" in "".join(trajectory.notes):
            continue  # a single frame without its last line's end: said, not refused
        assert len(got) <= len(frames)
        for frame, expected in zip(got, frames, strict=False):
            same_frame(frame, expected, case)
        if cut < len(whole) and len(got) < len(frames) and cut not in line_ends:
            assert trajectory.notes, f"cut at {cut} of {len(whole)}: {len(got)} frames, no note"
        if len(got) < len(frames) and trajectory.notes:
            assert f"frame {len(got)}" in trajectory.notes[0]
            outcomes.add("left out")
    assert "refused" in outcomes
    if case.name.endswith(("xyz", "lammpstrj")):
        assert "left out" in outcomes


@pytest.mark.parametrize("name", ["a.extxyz", "a.lammpstrj"])
def test_cut_in_the_middle_is_an_error(tmp_path: Path, name: str) -> None:
    path, _ = written(tmp_path, CASES[name])
    lines = path.read_text().splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if line in ("9\n", "ITEM: TIME\n")]
    begin, end = starts[2], starts[3]
    for removed in (1, 3, end - begin - 1):
        path.write_text("".join(lines[: end - removed] + lines[end:]))
        with pytest.raises(InputError, match=rf"{name}:\d+, frame \d"):
            list(read(path))


@text_formats
def test_every_damaged_number_names_its_line(tmp_path: Path, name: str) -> None:
    path, _ = written(tmp_path, CASES[name])
    lines = path.read_text().splitlines()
    rows = [i for i, line in enumerate(lines) if len(line.split()) >= 3 and "." in line]
    row = rows[-1]
    for bad in ("1.2.3", "abc", "--1"):
        words = lines[row].split()
        words[-1] = bad
        path.write_text("\n".join([*lines[:row], " ".join(words), *lines[row + 1 :]]) + "\n")
        with pytest.raises(InputError, match=rf"{name}:{row + 1}"):
            list(read(path))


@every_format
def test_an_empty_file(tmp_path: Path, case: Case) -> None:
    for content in (b"", b"\n \n"):
        (tmp_path / case.name).write_bytes(content)
        with pytest.raises(InputError, match="empty"):
            read(tmp_path / case.name)


@every_format
def test_a_wrong_name_is_recognised_by_content(tmp_path: Path, case: Case) -> None:
    path, frames = written(tmp_path, case)
    for wrong in ("x.cif", "x.xyz", "x.h5", "x.traj", "x.npz", "x.lmp", "x.dat", "x"):
        other = tmp_path / wrong
        other.write_bytes(path.read_bytes())
        same_structure(read(other)[0].structure, frames[0].structure, case)
        other.unlink()


@every_format
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, case: Case) -> None:
    class Failing(ArrayTrajectory):
        def frame(self, index: int) -> Frame:
            if index == len(self) - 1:
                raise InputError("this frame is broken")
            return super().frame(index)

        def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
            return self.frame(index)

    path = tmp_path / case.name
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="is broken"):
        write(path, Failing(frames_of(case.frames, case.cell)))
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == [case.name]


@every_format
def test_a_folder_that_cannot_be_written(case: Case) -> None:
    with pytest.raises(InputError, match="cannot write here"):
        write(Path("/proc") / case.name, frames_of(1, lower))


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on file sizes stands in for it: both make write(2) fail. One process for all."""
    code = textwrap.dedent(
        """
        import resource, signal, sys
        import numpy as np
        from pathlib import Path
        from zifglass.core import Frame, Structure, ZifglassError
        from zifglass.io import write
        import ase.io, ase.io.trajectory, ase.calculators.singlepoint
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        rng = np.random.default_rng(0)
        frames = [Frame(Structure(np.full(400, 6), rng.normal(size=(400, 3)), np.eye(3) * 9))
                  for _ in range(9)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
        for name in sys.argv[2:]:
            one = name in ("POSCAR", "a.lmp", "a.cif")
            try:
                write(Path(sys.argv[1]) / name, frames[:1] if one else frames)
            except ZifglassError as error:
                assert error.exit_status == 2, error
                print(error)
            else:
                sys.exit(f"{name} did not fail")
        """
    )
    names = [name for name in CASES if name != "general.lammpstrj"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        f"could not write {tmp_path / name}" for name in names
    ]
    assert not list(tmp_path.iterdir())


def test_single_structure_formats_refuse_trajectories(tmp_path: Path) -> None:
    for name in ("a.lmp", "POSCAR"):
        with pytest.raises(InputError, match="holds one structure; choose one of the 4"):
            write(tmp_path / name, frames_of(4, lower))
    assert not list(tmp_path.iterdir())


def test_a_missing_file_and_an_unknown_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "a.xyz")
    (tmp_path / "a.dat").write_text("hello\nworld\n")
    with pytest.raises(InputError, match="neither name nor content"):
        read(tmp_path / "a.dat")
    with pytest.raises(InputError, match="does not tell the format to write"):
        write(tmp_path / "a.dat", frames_of(1, lower))
    with pytest.raises(InputError, match="no chunk-000000"):
        read(tmp_path)
