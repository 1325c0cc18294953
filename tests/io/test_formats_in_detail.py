"""What single formats promise beyond the contract that all of them pass."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import Frame, InputError, Structure
from zifglass.core.units import bohr, hartree
from zifglass.io import InputWarning, cell_from_text, read, species_map_from_text, write

cell = np.array([[9.0, 0, 0], [1.0, 8.0, 0], [0.5, -0.5, 7.0]])


def refused(path: Path, text: str, message: str, **options) -> None:
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        list(read(path, **options))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


# extended XYZ

head = 'Lattice="9 0 0 1 8 0 0.5 -0.5 7" Properties=species:S:1:pos:R:3'


def xyz(*comments: str, rows: str = "Zn 0 0 0\nN 1 2 3\n") -> str:
    return "".join(f"{rows.count(chr(10))}\n{comment}\n{rows}" for comment in comments)


def test_extxyz_info(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    comment = (
        f'{head} energy=-1.5e1 time="2.5" config_type=\'my melt\' flag note="a \\"b\\"" '
        'virial="1 2 3 2 4 5 3 5 6" pbc="T F T" n=3 v={1 2 3} m="_JSON [[1, 2], [3, 4]]"'
    )
    path.write_text(xyz(comment))
    frame = read(path)[0]
    np.testing.assert_array_equal(frame.structure.cell, cell)
    assert frame.structure.pbc.tolist() == [True, False, True]
    assert (frame.energy, frame.time) == (-15.0, 2.5)
    # the virial of a cell is −V σ
    virial = np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]])
    np.testing.assert_allclose(frame.stress, -virial / np.linalg.det(cell), rtol=1e-14)
    assert frame.extras["config_type"] == "my melt"
    assert frame.extras["flag"] is True
    assert frame.extras["n"] == 3
    assert frame.extras["v"].tolist() == [1, 2, 3]
    assert frame.extras["m"].tolist() == [[1, 2], [3, 4]]
    write(tmp_path / "b.extxyz", read(path))
    again = read(tmp_path / "b.extxyz")[0]
    assert set(again.extras) == set(frame.extras)
    assert again.extras["note"] == frame.extras["note"]
    np.testing.assert_array_equal(again.extras["m"], frame.extras["m"])
    assert again.extras["flag"] is True


def test_extxyz_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    columns = "Properties=id:I:1:Z:I:1:pos:R:3:velo:R:3:charge:R:1:fixed:L:1:tag:S:1"
    path.write_text(
        xyz(
            head.replace("Properties=species:S:1:pos:R:3", columns),
            rows="5 30 0 0 0 1 2 3 0.5 T left\n6 7 1 2 3 4 5 6 -0.5 F right\n",
        )
    )
    frame = read(path)[0]
    assert frame.structure.symbols == ["Zn", "N"]
    assert frame.velocities.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert frame.extras["charge"].tolist() == [0.5, -0.5]
    assert frame.extras["fixed"].tolist() == [True, False]
    assert frame.extras["tag"].tolist() == ["left", "right"]
    write(tmp_path / "b.xyz", [frame])
    again = read(tmp_path / "b.xyz")[0]
    for name, value in frame.extras.items():
        np.testing.assert_array_equal(again.extras[name], value)
    np.testing.assert_allclose(again.velocities, frame.velocities, rtol=4e-16)


def test_voigt_stress_and_unknown_components(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(xyz(f'{head} stress="1 2 3 nan nan nan"'))
    stress = read(path)[0].stress
    assert np.diag(stress).tolist() == [1, 2, 3]
    assert np.isnan(stress[0, 1])
    write(tmp_path / "b.xyz", read(path))
    np.testing.assert_array_equal(read(tmp_path / "b.xyz")[0].stress, stress)
    path.write_text(xyz(f'{head} stress="1 2 3 4 5 6"'))  # xx yy zz yz xz xy
    assert read(path)[0].stress.tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


def test_plain_xyz(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(xyz("made by hand", "made by hand"))
    with pytest.raises(InputError, match=r"no cell: give one with cell.*a\.xyz:2"):
        read(path)
    trajectory = read(path, cell=[9, 8, 7], timestep=0.5)
    assert trajectory.times.tolist() == [0.0, 0.5]
    assert trajectory[1].time == 0.5
    assert trajectory[1].structure.volume == pytest.approx(504)


def test_extxyz_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    good = xyz(head, head)
    refused(path, good.replace("9 0 0 1", "0 0 0 1", 1), r"no volume.*a\.xyz:2, frame 0")
    refused(path, good.replace("9 0 0 1", "-9 0 0 1", 1), r"left-handed.*a\.xyz:2, frame 0")
    refused(path, good.replace("9 0 0 1", "9 0 1", 1), r"nine numbers.*a\.xyz:2, frame 0")
    refused(path, good.replace("9 0 0 1", "nan 0 0 1", 1), r"not finite.*a\.xyz:2, frame 0")
    refused(path, good.replace("Zn", "Xx"), r"unknown element 'Xx'.*a\.xyz:3")
    refused(path, good.replace("N 1 2 3", "N 1 nan 3", 1), r"atom 1 is not finite.*frame 0")
    refused(path, good + xyz(head, rows="Zn 0 0 0\n"), r"2 atoms of the first.*a\.xyz:9, frame 2")
    refused(path, good + xyz(head, rows="N 0 0 0\nZn 0 0 0\n"), "order of the atoms.*frame 2")
    refused(path, good.replace("pos:R:3", "pos:R:2", 1), "no column pos:R:3|expected 3 columns")
    refused(path, good.replace("pos:R:3", "pos:R", 1), r"Properties cannot.*a\.xyz:2, frame 0")
    refused(path, good.replace("species:S", "name:S", 1), "neither a column species nor Z")
    refused(path, xyz(head + " energy=low"), r"energy is a number; got 'low'.*a\.xyz:2, frame 0")
    refused(path, xyz(head + ' stress="1 2"'), r"nine numbers.*a\.xyz:2, frame 0")
    refused(path, xyz(head + ' pbc="T T"'), r"pbc is three.*a\.xyz:2, frame 0")
    for count in ("-2", "2.5", "two", "0", "9" * 30):
        refused(path, good.replace("2\n", f"{count}\n", 1), r"number of atoms.*a\.xyz:1",
                format="extxyz")  # fmt: skip
    refused(path, good.replace("2\n", "999999999999999\n", 1), "no whole frame")
    refused(path, good, "has its own cell", cell=[9, 9, 9])
    refused(path, xyz(head + " time=1"), "leave the timestep out", timestep=1.0)
    path.write_text(good + "2\n" + head + "\nZn 0 0 0\n")
    with pytest.warns(InputWarning, match=r"1 of 2 atoms.*left out \(.*a\.xyz:9, frame 2\)"):
        trajectory = read(path)
    assert len(trajectory) == 2
    assert trajectory[:1].notes == trajectory.notes


def test_a_number_is_never_cut_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(xyz(head, head)[:-1])
    with pytest.warns(InputWarning, match=r"last line has no end.*frame 1"):
        assert len(read(path)) == 1
    path.write_text(xyz(head)[:-1])
    with pytest.warns(InputWarning, match="if it was cut, so is its number"):
        assert len(read(path)) == 1


# CP2K


def cp2k(folder: Path, steps: list[int], cells: dict[int, np.ndarray] | None) -> Path:
    rng = np.random.default_rng(0)
    texts = {"pos": "", "vel": "", "frc": ""}
    for step in steps:
        for kind in texts:
            texts[kind] += (
                f"       2\n i = {step:8d}, time = {0.5 * step:12.3f}, E = {-1.0 - step:20.10f}\n"
            )
            for symbol in ("Zn", "N"):
                texts[kind] += (
                    f"{symbol:>3s}" + "".join(f"{x:20.10f}" for x in rng.normal(size=3)) + "\n"
                )
    for kind, text in texts.items():
        (folder / f"zif-{kind}-1.xyz").write_text(text)
    if cells is not None:
        lines = ["#   Step   Time [fs]       Ax [Angstrom] ...   Volume [Angstrom^3]"]
        for step, vectors in cells.items():
            lines.append(
                f"{step} {0.5 * step} " + " ".join(f"{x:.10f}" for x in vectors.ravel()) + " 1.0"
            )
        (folder / "zif-1.cell").write_text("\n".join(lines) + "\n")
    return folder / "zif-pos-1.xyz"


def test_cp2k(tmp_path: Path) -> None:
    path = cp2k(tmp_path, [0, 10, 20], {0: cell, 5: cell * 1.5, 10: cell * 1.1, 20: cell * 1.2})
    trajectory = read(path)
    assert trajectory.times.tolist() == [0.0, 5.0, 10.0]
    frame = trajectory[2]
    np.testing.assert_allclose(frame.structure.cell, cell * 1.2, atol=1e-9)
    assert frame.energy == pytest.approx(-21.0 * hartree, rel=1e-15)
    rows = [line.split()[1:] for line in (tmp_path / "zif-vel-1.xyz").read_text().splitlines()[-2:]]
    # 1 bohr per atomic unit of time is 21.8769126 Å/fs (CODATA: 2.18769126e6 m/s)
    np.testing.assert_allclose(
        frame.velocities, np.array(rows, dtype=float) * 21.8769126364, rtol=1e-10
    )
    rows = [line.split()[1:] for line in (tmp_path / "zif-frc-1.xyz").read_text().splitlines()[-2:]]
    np.testing.assert_allclose(
        frame.forces, np.array(rows, dtype=float) * hartree / bohr, rtol=1e-14
    )
    assert frame.extras["step"] == 20
    (tmp_path / "zif-vel-1.xyz").unlink()
    assert read(path)[0].velocities is None


def test_cp2k_cells(tmp_path: Path) -> None:
    path = cp2k(tmp_path, [0, 10], {0: cell})
    np.testing.assert_allclose(read(path)[1].structure.cell, cell)  # a constant cell, written once
    path = cp2k(tmp_path, [0, 10], {0: cell, 20: cell * 1.1})
    with pytest.raises(InputError, match=r"no cell for step 10.*frame 1"):
        read(path)[1]
    with pytest.raises(InputError, match=r"lies beside.*zif-1\.cell"):
        read(path, cell=[9, 9, 9])
    (tmp_path / "zif-1.cell").unlink()
    with pytest.raises(InputError, match=r"no zif-1\.cell beside"):
        read(path)
    assert read(path, cell=[9, 8, 7])[0].structure.volume == pytest.approx(504)
    (tmp_path / "zif-1.cell").write_text("# Step\n0 0.0 1 2 3\n1 0.5 1 2 3\n")
    with pytest.raises(InputError, match=r"zif-1\.cell:2"):
        read(path)


# CIF, POSCAR, npz


def test_cif_symmetry_is_expanded(tmp_path: Path) -> None:
    """Zinc blende from two sites in F-43m: eight atoms, each with four neighbours at a√3/4."""
    path = tmp_path / "a.cif"
    path.write_text(
        textwrap.dedent(
            """\
            data_zns
            _cell_length_a 5.4093(2)
            _cell_length_b 5.4093
            _cell_length_c 5.4093
            _cell_angle_alpha 90
            _cell_angle_beta 90
            _cell_angle_gamma 90
            _symmetry_space_group_name_H-M 'F -4 3 m'
            loop_
            _atom_site_label
            _atom_site_fract_x
            _atom_site_fract_y
            _atom_site_fract_z
            _atom_site_occupancy
            Zn1 0 0 0 1.0
            S1 0.25 0.25 0.25 1.0
            """
        )
    )
    structure = read(path)[0].structure
    assert structure.formula == "Zn4S4"
    zn, s = (structure.positions[structure.numbers == z] for z in (30, 16))
    apart = zn[:, None] - s[None]
    apart -= 5.4093 * np.round(apart / 5.4093)
    d = np.linalg.norm(apart, axis=2)
    np.testing.assert_allclose(d.min(), 5.4093 * np.sqrt(3) / 4, rtol=1e-9)
    good = path.read_text()
    refused(path, good.replace("_cell_angle_beta 90\n", ""), "no _cell_angle_beta")
    refused(path, good.replace("beta 90", "beta ?"), r"positive number; got '\?'.*a\.cif:6")
    refused(path, good.replace("0.25 1.0", "0.25 0.5"), "shared or partly empty")
    refused(path, good.replace("S1 0.25", "Qq1 0.25"), r"a\.cif")
    refused(path, good.replace("beta 90", "beta 190"), r"positive number.*a\.cif:6")
    flat = good.replace("alpha 90", "alpha 10").replace("beta 90", "beta 20")
    refused(path, flat, r"understood|volume|not finite")
    refused(path, good[: good.index("Zn1")], r"a\.cif")


def test_poscar_variants(tmp_path: Path) -> None:
    path = tmp_path / "CONTCAR"
    text = "zif\n{scale}\n9 0 0\n1 8 0\n0.5 -0.5 7\nZn_pv/6a2f N\n1 1\n{mode}\n"
    text += "0 0 0 T T F\n0.5 0.5 0.5 F F F\n"
    path.write_text(text.format(scale="2.0", mode="Selective dynamics\nDirect"))
    structure = read(path)[0].structure
    np.testing.assert_allclose(structure.positions[1], cell.sum(axis=0))
    assert structure.symbols == ["Zn", "N"]
    path.write_text(text.format(scale="-63.0", mode="Cartesian"))
    structure = read(path)[0].structure
    assert structure.volume == pytest.approx(63.0)
    np.testing.assert_allclose(structure.positions[1], 0.5 * np.cbrt(63.0 / 504.0))
    path.write_text(text.format(scale="1.0", mode="Cartesian").replace("Zn_pv/6a2f N\n", ""))
    assert read(path, species_map=["Zn", "N"])[0].structure.symbols == ["Zn", "N"]
    refused(path, path.read_text(), "unknown element '1'.*CONTCAR:6")
    refused(path, text.format(scale="1 1", mode="Direct"), "expected one scale.*CONTCAR:2")
    refused(path, text.format(scale="1", mode="Elsewhere"), "Direct or Cartesian.*CONTCAR:8")
    refused(path, text.format(scale="1", mode="Direct").replace("1 1\n", "1 3\n"), "CONTCAR:10")
    refused(path, text.format(scale="1", mode="Direct").replace("1 1\n", "1 1 1\n"), "CONTCAR:7")


def test_npz_of_nequip(tmp_path: Path) -> None:
    """Shapes as nequip 0.5's own data sets have them."""
    path = tmp_path / "a.npz"
    rng = np.random.default_rng(0)
    arrays = {
        "R": rng.normal(size=(3, 2, 3)), "z": np.array([30, 7]), "E": rng.normal(size=(3, 1)),
        "F": rng.normal(size=(3, 2, 3)), "cell": cell, "pbc": np.array([True, True, False]),
        "stress": rng.normal(size=(3, 9)),
    }  # fmt: skip
    np.savez(path, **arrays)
    frame = read(path, timestep=2.0)[1]
    np.testing.assert_array_equal(frame.structure.positions, arrays["R"][1])
    assert frame.energy == arrays["E"][1, 0]
    assert frame.structure.pbc.tolist() == [True, True, False]
    assert frame.time == 2.0
    np.testing.assert_array_equal(frame.stress, arrays["stress"][1].reshape(3, 3))
    for change, message in (
        ({"F": np.zeros((3, 3, 3))}, "F has shape"), ({"z": np.zeros((2, 2))}, "z has shape"),
        ({"R": np.zeros((3, 6))}, "R is"), ({"cell": np.eye(2)}, "cell has shape"),
        ({"z": np.array([[30, 7], [7, 30], [30, 7]])}, "order of the atoms changed"),
        ({"z": np.array([30, 200])}, "between 1 and 118"),
        ({"E": np.array(["a", "b", "c"])}, "not all numbers"),
        ({"F": np.array([{}], dtype=object)}, "npz"),
    ):  # fmt: skip
        np.savez(path, **(arrays | change))
        with pytest.raises(InputError, match=message):
            list(read(path))
    del arrays["cell"]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="no cell"):
        read(path)
    assert read(path, cell=[9, 8, 7])[2].structure.volume == pytest.approx(504)


# options, names, memory, the command line


def test_texts_of_options() -> None:
    assert species_map_from_text("1=C, 2=H") == {"1": "C", "2": "H"}
    assert species_map_from_text("C H,N Zn") == {"1": "C", "2": "H", "3": "N", "4": "Zn"}
    for bad in ("", "1=C,H", "1=Qq"):
        with pytest.raises(InputError):
            species_map_from_text(bad)
    np.testing.assert_array_equal(cell_from_text("9 8 7"), np.diag([9, 8, 7]))
    np.testing.assert_array_equal(cell_from_text("9,0,0,1,8,0,0.5,-0.5,7"), cell)
    np.testing.assert_allclose(cell_from_text("9 8 7 90 90 90"), np.diag([9, 8, 7]))
    for bad in ("9 8", "9 8 x", "0 8 7", "9 8 7 10 10 170"):
        with pytest.raises(InputError):
            cell_from_text(bad)


def test_permission_and_wrong_arguments(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(xyz(head))
    with pytest.raises(InputError, match="positive number of femtoseconds"):
        read(path, timestep=-1.0)
    with pytest.raises(InputError, match="no format 'pdb'"):
        read(path, format="pdb")
    with pytest.raises(InputError, match="types mean nothing for extxyz"):
        write(tmp_path / "b.xyz", read(path), types=["Zn"])
    with pytest.raises(InputError, match="does not write"):
        write(tmp_path / "b.xyz", read(path), format="cp2k")
    with pytest.raises(InputError, match=r"no type for Zn in \['N'\]"):
        write(tmp_path / "b.lmp", read(path), types=["N"])
    if os.geteuid() != 0:
        path.chmod(0)
        with pytest.raises(InputError, match="Permission denied"):
            read(path)


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    """Streaming through 100 MB takes far less than 100 MB more than opening one frame."""
    frame = Frame(
        Structure(np.full(2000, 6), np.random.default_rng(0).normal(size=(2000, 3)), cell)
    )
    write(tmp_path / "one.xyz", [frame])
    block = (tmp_path / "one.xyz").read_bytes()
    with (tmp_path / "many.xyz").open("wb") as file:
        for _ in range(100_000_000 // len(block)):
            file.write(block)
    code = textwrap.dedent(
        """
        import resource, sys
        from zifglass import read
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        read(sys.argv[1])[0]
        before = peak()
        trajectory = read(sys.argv[2])
        for frame in trajectory[::7]:
            pass
        trajectory[-1], trajectory[3]
        print(len(trajectory), peak() - before)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one.xyz"), str(tmp_path / "many.xyz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    frames, kilobytes = map(int, done.stdout.split())
    assert frames == 100_000_000 // len(block)
    # two blocks of 4 MiB, their mask and newline offsets
    assert kilobytes < 40_000


def zifglass(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zifglass.cli.main", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_convert(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(xyz(*[f"{head} time={i}" for i in range(10)]) + "2\n")
    out = tmp_path / "b.h5"
    done = zifglass("convert", path, out, "--from", 1, "--until", 9, "--every", 3)
    assert done.returncode == 0, done.stderr
    assert read(out).times.tolist() == [1.0, 4.0, 7.0]
    # the cut frame is one sentence, and only that
    assert done.stderr.count("\n") == 1
    assert "left out" in done.stderr
    assert done.stdout == f"3 frame(s) of 2 atoms written to {out}\n"
    done = zifglass("convert", out, tmp_path / "c.lmp", "--from", -1, "--types", "C,H,N,Zn")
    assert done.returncode == 0, done.stderr
    assert "4 atom types" in (tmp_path / "c.lmp").read_text()
    assert read(tmp_path / "c.lmp")[0].structure.symbols == ["Zn", "N"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.xyz", "b.lmp"], "holds one structure"),
        (["a.xyz", "b.xyz", "--from", "5"], "leave none of the 2 frames"),
        (["missing.xyz", "b.xyz"], "No such file"),
        (["a.xyz", "b.xyz", "--cell", "9"], "a cell is 3 lengths"),
        (["a.xyz", "b.xyz", "--species-map", "Zn=Qq"], "unknown element 'Qq'"),
        (["a.xyz", "b.unknown"], "does not tell the format to write"),
        (["a.xyz", "/proc/none/b.xyz"], "cannot write here"),
    ],
)
def test_convert_refuses(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "a.xyz").write_text(xyz(head, head))
    done = zifglass(
        "convert", *(tmp_path / a if "." in a and a[0] != "/" else a for a in arguments)
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("zifglass: ")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.xyz"]
