"""Linkers that the package does not know: read from files, found, told apart, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.io import write as ase_write
from tests.analysis.test_linkers import (
    benzimidazolate_atoms,
    imidazolate_atoms,
    methylimidazolate_atoms,
    packed,
)
from tests.analysis.zif90 import carbaldehyde, zif90

from zifglass.analysis import (
    LinkerGraph,
    LinkerSettings,
    MeltingMonitor,
    OwnLinker,
    broken_linkers,
    coordination,
    imidazolate,
    known_linkers,
    linkers,
    network,
    read_linker,
    rings,
)
from zifglass.analysis.survey import SurveySettings, survey
from zifglass.core import ArrayTrajectory, Frame, InputError, Structure
from zifglass.core.settings import settings_from
from zifglass.io import structures, write


def purinate_atoms() -> Atoms:
    """C5H3N4: two CH of benzimidazolate's six-ring are N."""
    atoms = benzimidazolate_atoms()
    atoms.numbers[[5, 7]] = 7
    del atoms[[10, 12]]  # their H
    return atoms


@pytest.fixture(scope="module")
def framework() -> Structure:
    return zif90()


@pytest.fixture(scope="module")
def ica(tmp_path_factory: pytest.TempPathFactory) -> OwnLinker:
    path = tmp_path_factory.mktemp("linker") / "ica.xyz"
    ase_write(path, carbaldehyde())
    return read_linker(path)


def test_a_molecule_its_anion_and_the_crystal_give_one_graph(
    tmp_path: Path, framework: Structure
) -> None:
    said: list[str] = []
    ase_write(tmp_path / "acid.xyz", carbaldehyde())
    acid = read_linker(tmp_path / "acid.xyz", note=said.append).graph
    assert acid.formula == "C4H3N2O"
    assert len(said) == 1
    assert "C4H4N2O is the acid; its N–H is taken off" in said[0]
    ase_write(tmp_path / "anion.xyz", carbaldehyde(acid=False), plain=True)
    write(tmp_path / "whole.cif", framework)
    boxed = carbaldehyde(acid=False)
    boxed.set_cell([[9, 0, 0], [2, 9, 0], [0, 1, 9]])
    boxed.pbc = True
    boxed.wrap()  # cut by three faces of its cell
    write(tmp_path / "boxed.extxyz", boxed)
    for name in ("anion.xyz", "whole.cif", "boxed.extxyz"):
        graph = read_linker(tmp_path / name, note=said.append).graph
        assert graph.name == name.split(".")[0]
        assert graph.is_same_molecule(acid)
    assert len(said) == 1
    ase_write(tmp_path / "isomer.xyz", carbaldehyde(position=4))
    isomer = read_linker(tmp_path / "isomer.xyz", name="other").graph
    assert (isomer.formula, isomer.name) == (acid.formula, "other")
    assert not isomer.is_same_molecule(acid)


def test_an_amine_and_a_six_ring_keep_their_hydrogens(tmp_path: Path) -> None:
    amine = imidazolate_atoms()
    amine.numbers[5] = 7  # the H of C2 becomes NH2
    amine.positions[5] *= 1.1
    out = amine.positions[5] / np.linalg.norm(amine.positions[5])
    side = np.array([-out[1], out[0], 0])
    amine += Atoms("H2", [amine.positions[5] + 0.5 * out + s * 0.87 * side for s in (1, -1)])
    ase_write(tmp_path / "amine.xyz", amine)
    assert read_linker(tmp_path / "amine.xyz").graph.formula == "C3H4N3"
    six = purinate_atoms()
    six.numbers[6] = 7  # N–H in the six-ring
    ase_write(tmp_path / "six.xyz", six)
    assert sum(read_linker(tmp_path / "six.xyz").hydrogens) == 3


def test_rings_of_a_graph() -> None:
    purinate = LinkerGraph.from_molecule("purinate", purinate_atoms())
    sizes = [purinate.smallest_ring(atom) for atom in range(9)]
    assert sizes == [5, 5, 5, 5, 5, 6, 6, 6, 6]
    methyl = known_linkers[1]
    assert methyl.smallest_ring(5) is None
    assert [methyl.smallest_ring(atom) for atom in range(5)] == [5] * 5


@pytest.mark.parametrize("seed", range(3))
def test_molecules_are_the_same_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = benzimidazolate_atoms()
    mixed = LinkerGraph.from_molecule("mixed", atoms[rng.permutation(len(atoms))])
    assert [mixed.is_same_molecule(g) for g in known_linkers] == [False, False, True]
    fewer = LinkerGraph("fewer", mixed.numbers, mixed.bonds, tuple(0 for _ in mixed.numbers))
    assert not fewer.is_same_molecule(mixed)


def test_the_framework_is_whole_and_sodalite(framework: Structure, ica: OwnLinker) -> None:
    settings = LinkerSettings(own=(ica,))
    found = settings.find(framework)
    assert found.expected == found.counts() == {"ica": 24}
    assert (found.hydrogens == found.hydrogens_expected).all()
    assert coordination(framework).mean == 4.0
    net = network(framework, graphs=settings.graphs)
    assert net.bridging_counts() == {2: 24}
    counted = rings(framework, graphs=settings.graphs)
    sizes = dict(zip(counted.sizes.tolist(), counted.mean.tolist(), strict=True))
    assert {s: n for s, n in sizes.items() if n} == {4: 6, 6: 8, 12: 32}  # the sodalite net
    with pytest.raises(InputError, match="give the linker that is missing"):
        linkers(framework)


def test_broken_ones_are_counted(framework: Structure, ica: OwnLinker) -> None:
    oxygen = int(np.nonzero(framework.numbers == 8)[0][7])
    positions = np.repeat(framework.positions[None], 4, axis=0)
    positions[2:, oxygen, 1] += 2.0
    frames = ArrayTrajectory.from_arrays(
        framework.numbers, positions, framework.cell, times=100.0 * np.arange(4)
    )
    settings = SurveySettings(
        quantities=("linkers", "rings", "melting"), linkers=LinkerSettings(own=(ica,))
    )
    found = survey({"run": frames}, settings=settings)["run"]
    assert found.results["linkers"].intact.tolist() == [24, 24, 23, 23]
    assert oxygen in found.results["linkers"].atoms[3]
    assert found.results["rings"].broken.tolist() == [0, 0, 1, 1]
    assert found.results["melting"].verdict.word == "undecided"
    assert found.notes == ()


def test_carbon_hydrogen_and_nitrogen_alone_are_told_apart() -> None:
    """Three elements and four linkers: many solutions, one of them in whole numbers from 0."""
    own = LinkerGraph.from_molecule("purinate", purinate_atoms())
    graphs = LinkerSettings(own=(OwnLinker.of(own),)).graphs
    rng = np.random.default_rng(2)
    only = packed(purinate_atoms(), purinate_atoms(), rng=rng)
    assert linkers(only, graphs=graphs).counts() == {"purinate": 2}
    mixed = packed(purinate_atoms(), imidazolate_atoms(), benzimidazolate_atoms(), rng=rng)
    assert linkers(mixed, graphs=graphs).counts() == {
        "imidazolate": 1, "benzimidazolate": 1, "purinate": 1,
    }  # fmt: skip


def test_isomers_of_a_known_linker_are_those_that_are_there(tmp_path: Path) -> None:
    """4-methylimidazolate has the formula of 2-methylimidazolate: whole copies decide, in all
    frames as in the first."""
    isomer = methylimidazolate_atoms()
    turn = 2 * np.pi * 2 / 5
    c, s = np.cos(turn), np.sin(turn)
    methyl = [5 + 2, *range(8, 11)]  # C and its H; the ring's H are 5 and 6
    assert isomer.get_chemical_symbols()[7] == "C"
    isomer.positions[methyl] = isomer.positions[methyl] @ np.array(
        [[c, s, 0], [-s, c, 0], [0, 0, 1]]
    )
    isomer.positions[5] = 1.75 * imidazolate_atoms().positions[0]  # its H goes to C2
    own = OwnLinker.of(LinkerGraph.from_molecule("4-methylimidazolate", isomer))
    settings = LinkerSettings(own=(own,))
    structure = packed(isomer, isomer, rng=np.random.default_rng(0))
    assert settings.find(structure).counts() == {"4-methylimidazolate": 2}
    both = packed(isomer, methylimidazolate_atoms(), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="does not say how many"):
        settings.find(both)
    told = LinkerSettings(own=(own,), expected={"4-methylimidazolate": 1, "2-methylimidazolate": 1})
    assert told.find(both).broken == 0
    positions = np.repeat(structure.positions[None], 2, axis=0)
    positions[1, [0, len(isomer)]] += 5.0  # no copy is whole in the second frame
    frames = ArrayTrajectory.from_arrays(structure.numbers, positions, structure.cell)
    found = survey(
        {"run": frames}, settings=SurveySettings(quantities=("linkers",), linkers=settings)
    )["run"]
    assert found.results["linkers"].fraction.tolist() == [0.0, 1.0]


def test_guests_need_the_number(framework: Structure, ica: OwnLinker) -> None:
    guest = np.array([[0.0, 0.0, 0.0], [1.2, 0.0, 0.0]])  # O₂ in the cage
    filled = Structure(
        np.concatenate([framework.numbers, [8, 8]]),
        np.vstack([framework.positions, guest]),
        framework.cell,
    )
    with pytest.raises(InputError, match=r"linkers\.expected\.NAME"):
        LinkerSettings(own=(ica,)).find(filled)
    settings = settings_from(
        SurveySettings,
        {"linkers": {"own": [ica.model_dump()]}},
        changes=["linkers.expected.ica=24"],
    )
    found = settings.linkers.find(filled)
    assert (found.intact, found.broken) == (24, 0)


def test_a_known_linker_given_anew_takes_its_place(tmp_path: Path) -> None:
    ase_write(tmp_path / "mIm.xyz", methylimidazolate_atoms())
    settings = LinkerSettings(own=(read_linker(tmp_path / "mIm.xyz"),))
    assert len(settings.graphs) == len(known_linkers)
    assert settings.find(structures.load("zif8")).counts() == {"mIm": 24}


def test_settings_hold_the_graph_and_nothing_where_there_is_none(ica: OwnLinker) -> None:
    settings = SurveySettings(linkers=LinkerSettings(own=(ica,)))
    for text, load in ((settings.model_dump_json(), json.loads), (_yaml(settings), yaml.safe_load)):
        assert settings_from(SurveySettings, load(text)) == settings
    assert "linkers" not in SurveySettings().model_dump()


def _yaml(settings: SurveySettings) -> str:
    return yaml.safe_dump(settings.model_dump(mode="json"))


def test_the_melting_monitor_goes_on_with_it(framework: Structure, ica: OwnLinker) -> None:
    graphs = LinkerSettings(own=(ica,)).graphs
    first = MeltingMonitor(framework, graphs=graphs)
    for i in range(3):
        first.update(Frame(framework, time=500.0 * i))
    second = MeltingMonitor(graphs=graphs)
    second.restore(first.state())
    for monitor in (first, second):
        monitor.update(Frame(framework, time=1500.0))
    assert first.verdict() == second.verdict()
    with pytest.raises(InputError, match="give the linker that is missing"):
        MeltingMonitor(framework)


def _two_kinds(folder: Path) -> None:
    apart = imidazolate_atoms()
    apart.positions[:] += 20.0
    ase_write(folder / "bad.xyz", carbaldehyde() + apart)


def _both_acid(folder: Path) -> None:
    atoms = carbaldehyde()
    other = atoms.positions[4]
    ase_write(folder / "bad.xyz", atoms + Atoms("H", [other + other / np.linalg.norm(other)]))


bad: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: None, "cannot be read: No such file"),
    (lambda folder: (folder / "bad.xyz").write_text("2\n\nC 0 0 0\n"), "bad.xyz"),
    (_two_kinds, r"2 different molecules \(C4H4N2O, C3H3N2\): give each linker a file"),
    (lambda folder: ase_write(folder / "bad.xyz", Atoms("C6H6", _benzene())), "no N to bind"),
    (_both_acid, "2 nitrogens of five-membered rings carry H"),
    (lambda folder: ase_write(folder / "bad.xyz", Atoms("Zn")), "only metals"),
    (lambda folder: ase_write(folder / "bad.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 3]])), "than H"),
    (lambda folder: ase_write(folder / "bad.xyz", carbaldehyde() + Atoms("H", [[0, 0, 6]])),
     "hydrogen 11 is 1.5 Å or more from any other atom"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), bad)
def test_files_that_are_no_linker(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=sentence) as error:
        read_linker(tmp_path / "bad.xyz")
    assert "bad.xyz" in str(error.value)


def _benzene() -> np.ndarray:
    angles = np.pi / 3 * np.arange(6)
    spokes = np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    return np.vstack([1.39 * spokes, 2.48 * spokes])


def test_linkers_that_are_not_there(framework: Structure, ica: OwnLinker) -> None:
    zif8 = structures.load("zif8")
    settings = LinkerSettings(own=(ica,))
    settings.check_present({"a": zif8, "b": framework})
    with pytest.raises(InputError, match=r"'ica' \(C4H3N2O\) is not in this structure.*\(a\)"):
        settings.check_present({"a": zif8})
    isomer = OwnLinker.of(LinkerGraph.from_molecule("isomer", carbaldehyde(position=4, acid=False)))
    with pytest.raises(InputError, match=r"nowhere whole .* calls for 24: is it another isomer"):
        LinkerSettings(own=(isomer,)).check_present({"a": framework})
    found = survey(
        {"zif8": ArrayTrajectory([Frame(zif8)])},
        settings=SurveySettings(quantities=("linkers",), linkers=settings),
    )["zif8"]
    assert found.results["linkers"].intact.tolist() == [24]
    assert "'ica' (C4H3N2O) is not in this structure" in found.notes[0]


def test_linkers_that_are_no_set(ica: OwnLinker) -> None:
    with pytest.raises(InputError, match="are the same molecule"):
        LinkerSettings(own=(ica, ica.model_copy(update={"name": "again"})))
    named = OwnLinker.of(imidazolate).model_copy(update={"name": "ica"})
    with pytest.raises(InputError, match="two different linkers are called 'ica'"):
        LinkerSettings(own=(ica, named))
    with pytest.raises(InputError, match="is in pieces"):
        OwnLinker(name="two", symbols=("C", "N"), bonds=(), hydrogens=(0, 0))
    with pytest.raises(InputError, match="no linker is called 'icaa'"):
        broken_linkers(zif90(), graphs=[ica.graph], expected={"icaa": 24})
