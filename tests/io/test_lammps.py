from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError
from zifglass.core.units import kcal_per_mol
from zifglass.io import InputWarning, read
from zifglass.io.lammps_box import dump_bounds, from_dump_bounds, restricted
from zifglass.io.masses import element_of

cell = np.array([[9.0, 0, 0], [1.25, 8.0, 0], [-0.75, -0.5, 7.0]])
origin = np.array([1.0, -2.0, 3.0])
rng = np.random.default_rng(3)
scaled = rng.uniform(size=(4, 3))
images = rng.integers(-3, 4, size=(4, 3))
inside = origin + scaled @ cell
unwrapped = inside + images @ cell
types = [1, 2, 1, 3]
symbols = {1: "Zn", 2: "N", 3: "H"}


def box_lines(kind: str) -> str:
    flags = "pp pp ff"
    if kind == "general":
        rows = [
            f"{a[0]!r} {a[1]!r} {a[2]!r} {o!r}"
            for a, o in zip(cell.tolist(), origin.tolist(), strict=True)
        ]
        return f"ITEM: BOX BOUNDS abc origin {flags}\n" + "\n".join(rows) + "\n"
    tilts = np.array([cell[1, 0], cell[2, 0], cell[2, 1]])
    inner = np.stack([origin, origin + np.diag(cell)], axis=1)
    rows = np.column_stack([dump_bounds(inner, tilts), tilts]).tolist()
    return f"ITEM: BOX BOUNDS xy xz yz {flags}\n" + "\n".join(
        f"{a!r} {b!r} {c!r}" for a, b, c in rows
    ) + "\n"  # fmt: skip


def dump(columns: dict[str, list], *, box: str = "triclinic", steps=(0, 50), head="") -> str:
    """A dump whose atoms stand in another order in every frame."""
    text = head
    for step in steps:
        order = np.random.default_rng(step).permutation(4)
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n4\n{box_lines(box)}"
        text += f"ITEM: ATOMS {' '.join(columns)}\n"
        for k in order:
            text += " ".join(str(values[k]) for values in columns.values()) + " \n"
    return text


def triple(names: str, values: np.ndarray) -> dict[str, list]:
    return {
        name: [repr(x) for x in column]
        for name, column in zip(names.split(), values.T.tolist(), strict=True)
    }


base = {"id": [11, 7, 3, 20], "type": types, "element": [symbols[t] for t in types]}
by_id = np.argsort(base["id"])
numbers = np.array([{"Zn": 30, "N": 7, "H": 1}[symbols[t]] for t in types])[by_id]


@pytest.mark.parametrize("box", ["triclinic", "general"])
@pytest.mark.parametrize(
    ("columns", "expected", "is_unwrapped"),
    [
        (triple("x y z", inside), inside, False),
        (triple("xu yu zu", unwrapped), unwrapped, True),
        (triple("xs ys zs", scaled), inside, False),
        (triple("xsu ysu zsu", scaled + images), unwrapped, True),
        (triple("x y z", inside) | triple("ix iy iz", images), unwrapped, True),
        (triple("xs ys zs", scaled) | triple("ix iy iz", images), unwrapped, True),
        # where several are there, the unwrapped ones
        (triple("x y z", inside) | triple("xu yu zu", unwrapped), unwrapped, True),
        # two image flags do not unwrap
        (triple("x y z", inside) | triple("ix iy", images[:, :2]), inside, False),
    ],
)
def test_every_kind_of_position(
    tmp_path: Path, box: str, columns: dict, expected: np.ndarray, is_unwrapped: bool
) -> None:
    path = tmp_path / "a.lammpstrj"
    path.write_text(dump(base | columns, box=box))
    trajectory = read(path, timestep=0.5)
    assert trajectory.times.tolist() == [0.0, 25.0]
    for frame in trajectory:
        np.testing.assert_array_equal(frame.structure.numbers, numbers)
        np.testing.assert_allclose(frame.structure.positions, expected[by_id], atol=1e-12)
        np.testing.assert_allclose(frame.structure.cell, cell, atol=1e-14)
        assert frame.structure.pbc.tolist() == [True, True, False]
        assert frame.unwrapped is is_unwrapped
        assert frame.velocities is None
    assert trajectory[1].extras["step"] == 50


def test_units(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    columns = base | triple("x y z", inside) | triple("vx vy vz", inside)
    columns |= triple("fx fy fz", unwrapped) | {"q": [0.1, 0.2, 0.3, 0.4]}
    path.write_text(dump(columns))
    metal = read(path)[0]
    assert metal.time is None
    np.testing.assert_allclose(metal.velocities, inside[by_id] / 1000, rtol=1e-15)  # Å/ps
    np.testing.assert_array_equal(metal.forces, unwrapped[by_id])
    np.testing.assert_array_equal(metal.extras["q"], np.array([0.1, 0.2, 0.3, 0.4])[by_id])
    real = read(path, units="real")[0]
    np.testing.assert_array_equal(real.velocities, inside[by_id])
    np.testing.assert_allclose(real.forces, unwrapped[by_id] * kcal_per_mol, rtol=1e-15)
    path.write_text(dump(columns, head="ITEM: UNITS\nreal\nITEM: TIME\n12.5\n", steps=[3]))
    stated = read(path)
    assert stated.times.tolist() == [12.5]
    np.testing.assert_array_equal(stated[0].velocities, inside[by_id])
    with pytest.raises(InputError, match="units real, not metal"):
        read(path, units="metal")
    with pytest.raises(InputError, match="leave the timestep out"):
        read(path, timestep=1.0)
    path.write_text(dump(columns, head="ITEM: UNITS\nlj\n"))
    with pytest.raises(InputError, match="units lj are not read"):
        read(path)


def test_species(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    xyz = triple("x y z", inside)
    path.write_text(dump({k: base[k] for k in ("id", "type")} | xyz))
    with pytest.raises(InputError, match="names no elements"):
        read(path)
    for species_map in ({1: "Zn", 2: "N", 3: "H"}, ("Zn", "N", "H"), "1=Zn,2=N,3=D"):
        found = read(path, species_map=species_map)
        np.testing.assert_array_equal(found.numbers, numbers)
    with pytest.raises(InputError, match="no type 3"):
        read(path, species_map=["Zn", "N"])
    masses = {"mass": [{"Zn": 65.38, "N": 14.007, "H": 2.0141}[symbols[t]] for t in types]}
    path.write_text(dump({"id": base["id"]} | masses | xyz))
    np.testing.assert_array_equal(read(path).numbers, numbers)
    labels = {"element": ["ZnA", "N", "ZnA", "H"]}
    path.write_text(dump({"id": base["id"]} | labels | xyz))
    with pytest.raises(InputError, match="unknown element 'ZnA'"):
        read(path)
    np.testing.assert_array_equal(read(path, species_map={"ZnA": "Zn"}).numbers, numbers)


def test_dump_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    good = dump(base | triple("x y z", inside))
    second = len(good.splitlines()) // 2 + 1

    def refused(text: str, message: str) -> None:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            list(read(path))

    refused(
        good.replace("NUMBER OF ATOMS\n4", "NUMBER OF ATOMS\n4e9", 1), r"whole number.*a\.dump:4"
    )
    refused(good.replace("NUMBER OF ATOMS\n4", "NUMBER OF ATOMS\n-4", 1), r"no atoms.*a\.dump:4")
    refused(good.replace("\n4\n", "\n" + "9" * 25 + "\n", 1), r"whole number.*a\.dump:4, frame 0")
    refused(good.replace("\n4\n", "\n999999999999\n", 1), r"no whole frame.*a\.dump:1")
    refused(good.replace("ITEM: NUMBER", "ITEM: NUMBERS"), "unknown item")
    refused(good.replace(" x y z", " x y foo"), "no whole set of positions")
    refused(good.replace("BOX BOUNDS xy xz yz", "BOX BOUNDS", 1), "does not fit its three lines")
    refused(good.replace("11 1 Zn", "7 1 Zn", 1), "share one id.*frame 0")
    head, tail = good[: len(good) // 2], good[len(good) // 2 :]
    refused(head + tail.replace("11 1 Zn", "12 1 Zn"), "ids of the atoms.*frame 1")
    refused(head + tail.replace("11 1 Zn", "11 1 N"), "order of the atoms changed.*frame 1")
    refused(
        head + tail.replace("\n4\n", "\n3\n"), rf"4 atoms of the first.*a\.dump:{second}, frame 1"
    )
    refused(good.replace(repr(float(inside[0, 0])), "nan"), "not finite.*frame 0")
    path.write_text(
        dump({k: v for k, v in base.items() if k != "id"} | triple("x y z", inside), steps=[0])
    )
    with pytest.warns(match="no column id"):
        assert len(read(path)) == 1


def test_bounds_are_each_others_inverse() -> None:
    for _ in range(50):
        inner = np.sort(rng.normal(size=(3, 2)), axis=1)
        tilts = rng.normal(size=3)
        box = from_dump_bounds(dump_bounds(inner, tilts), tilts)
        same = restricted(inner, tilts)
        np.testing.assert_allclose(box.cell, same.cell, atol=1e-14)
        np.testing.assert_allclose(box.origin, same.origin, atol=1e-14)
        # a dump's bounds enclose the eight corners
        corners = same.origin + np.stack(np.meshgrid(*[[0, 1]] * 3), -1).reshape(-1, 3) @ same.cell
        outer = dump_bounds(inner, tilts)
        np.testing.assert_allclose(corners.min(axis=0), outer[:, 0], atol=1e-14)
        np.testing.assert_allclose(corners.max(axis=0), outer[:, 1], atol=1e-14)


def test_masses() -> None:
    for mass, number in ((1.008, 1), (2.0141, 1), (1, 1), (12, 6), (14, 7), (65.3, 30),
                         (65.4, 30), (58.93, 27), (58.69, 28), (16, 8), (35.45, 17)):  # fmt: skip
        assert element_of(mass) == number
    for mass in (0.0, 3.0, 65.0, 58.81, 100.0, 500.0):
        assert element_of(mass) is None


data = """LAMMPS data file via write_data, version 2 Aug 2023, timestep = 7, units = {units}

4 atoms
3 atom types

1.0 10.0 xlo xhi
-2.0 6.0 ylo yhi
3.0 10.0 zlo zhi
1.25 -0.75 -0.5 xy xz yz

Masses

1 65.38 # Zn
2 14.007
3 2.014 # anything

Pair Coeffs # lj/cut

1 0.1 3.0

Atoms # {style}

{atoms}

Velocities

11 1 2 3
7 4 5 6
3 7 8 9
20 -1 -2 -3

Bonds

1 1 1 2
"""
columns_of = {
    "atomic": "{id} {type} {r}",
    "charge": "{id} {type} 0.0 {r}",
    "molecular": "{id} 5 {type} {r}",
    "full": "{id} 5 {type} -0.25 {r}",
}


def data_file(style: str, *, units: str = "metal", flags: bool = True, stated: bool = True) -> str:
    rows = [
        columns_of[style].format(id=i, type=t, r=" ".join(map(repr, r)))
        + (" " + " ".join(map(str, n)) if flags else "")
        + " # a comment"
        for i, t, r, n in zip(base["id"], types, inside.tolist(), images.tolist(), strict=True)
    ]
    text = data.format(units=units, style=style, atoms="\n".join(rows))
    return text if stated else text.replace(f"Atoms # {style}", "Atoms")


@pytest.mark.parametrize("style", columns_of)
@pytest.mark.parametrize("flags", [True, False])
def test_data_file(tmp_path: Path, style: str, flags: bool) -> None:
    path = tmp_path / "a.data"
    path.write_text(data_file(style, flags=flags))
    frame = read(path)[0]
    np.testing.assert_array_equal(frame.structure.numbers, numbers)
    expected = unwrapped if flags else inside
    np.testing.assert_allclose(frame.structure.positions, expected[by_id], atol=1e-12)
    np.testing.assert_array_equal(frame.structure.cell, cell)
    assert frame.unwrapped is flags
    velocities = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -2, -3]])[by_id]
    np.testing.assert_allclose(frame.velocities, velocities / 1000, rtol=1e-15)
    path.write_text(data_file(style, units="real", flags=flags))
    np.testing.assert_array_equal(read(path)[0].velocities, velocities)
    path.write_text(data_file(style, flags=flags, stated=False))
    if style in ("atomic", "full") and not flags:
        np.testing.assert_array_equal(read(path).numbers, numbers)
    if style in ("charge", "molecular"):
        with pytest.raises(InputError, match="do not tell the atom style"):
            read(path)


def test_general_triclinic_data_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    text = data_file("atomic", flags=False)
    start, end = text.index("1.0 10.0 xlo"), text.index("Masses")
    vectors = "\n".join(
        " ".join(map(repr, row)) + f" {name}"
        for name, row in zip(("avec", "bvec", "cvec"), cell.tolist(), strict=True)
    )
    labels = "Atom Type Labels\n\n1 Zn\n2 N\n3 H\n\n"
    text = text[:start] + vectors + "\n1.0 -2.0 3.0 abc origin\n\n" + labels + text[end:]
    path.write_text(text)
    frame = read(path)[0]
    np.testing.assert_array_equal(frame.structure.cell, cell)
    named = [f"{i} {symbols[t]} " + " ".join(map(repr, r)) for i, t, r in
             zip(base["id"], types, inside.tolist(), strict=True)]  # fmt: skip
    start, end = text.index("Atoms # atomic"), text.index("Velocities")
    path.write_text(text[:start] + "Atoms # atomic\n\n" + "\n".join(named) + "\n\n" + text[end:])
    np.testing.assert_array_equal(read(path).numbers, numbers)


def test_data_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    good = data_file("atomic", flags=False)

    def refused(old: str, new: str, message: str) -> None:
        assert old in good
        path.write_text(good.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            read(path)

    refused("4 atoms", "5 atoms", r"says 5 atoms, the section Atoms holds 4.*a\.data:\d+")
    refused("65.38 # Zn", "58.8 # X", r"weighs 58\.8 amu, no element does.*species_map.*a\.data:13")
    refused("65.38 # Zn", "14.0 # Zn", r"type 1 is called Zn but weighs 14 amu.*a\.data:13")
    refused("Masses\n\n1 65.38 # Zn\n", "Masses\n\n", "type 1 has no mass")
    refused("1.0 10.0 xlo xhi", "10.0 1.0 xlo xhi", r"left-handed.*a\.data:6")
    refused("1.0 10.0 xlo xhi", "1.0 1.0 xlo xhi", r"no volume.*a\.data:6")
    refused("1.0 10.0 xlo xhi\n", "", "xlo xhi")
    refused("11 1 2 3", "12 1 2 3", "list different atoms")
    refused("units = metal", "units = si", "units si are not read")
    refused("Atoms # atomic", "Atoms # sphere", "'sphere' is not read")
    refused("Atoms # atomic", "Molecules", r"no section Atoms")
    refused("\n7 2", "\n11 2", "share one id")


def test_data_file_cut_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    whole = data_file("full")
    end = whole.index("Velocities") - 1
    for cut in range(10, end, 11):
        path.write_text(whole[:cut])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)
                trajectory = read(path, format="lammps_data")
        except InputError as error:
            assert "a.data" in str(error)
        else:  # all is there but what follows the last atom's last number
            assert cut > whole.rindex("20 5")
            assert "last line has no end" in trajectory.notes[0]
