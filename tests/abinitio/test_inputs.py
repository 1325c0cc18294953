from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import Dynamics, LevelOfTheory, aimd_input, single_point_input
from zifglass.abinitio.inputs import structure_in, velocities_in
from zifglass.abinitio.sections import differences, parse, read_input
from zifglass.core import InputError, Structure
from zifglass.core.settings import settings_from


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("zif4_crystal", "crystal"),
        ("zif4_crystal_volume_plus1", "crystal_p1"),
        ("zif4_crystal_volume_minus1", "crystal_m1"),
    ],
)
def test_the_crystals_input_is_the_one_behind_the_reference(
    data: Path, name: str, project: str
) -> None:
    """Equal section trees, so equal calculations: CP2K sees nothing else of ours."""
    reference = read_input(data / "dft" / f"{name}.inp")
    ours = single_point_input(structure_in(reference), project=project)
    assert differences(parse(ours.text()), reference) == []


def test_aimd_input_against_the_published_one(data: Path, published: Path) -> None:
    """What differs from the deposited input is listed here, line by line, and nothing else."""
    theirs = read_input(published / "cp2k_md.inp")
    crystal = structure_in(read_input(data / "dft" / "zif4_crystal.inp"))
    ours = aimd_input(
        crystal,
        LevelOfTheory(stress="diagonal_analytical"),
        temperature=300,
        steps=800000,
        project="ZIF4_1",
    )
    skipped = ("COORD", "/MOTION/PRINT", "FILE_NAME", "TOPOLOGY", "MULTIPLE_UNIT_CELL")
    left = [d for d in differences(ours, theirs) if not any(word in d for word in skipped)]
    assert left == [
        "only in the first: /FORCE_EVAL/PRINT",
        "only in the first: /FORCE_EVAL/PRINT/STRESS_TENSOR",
        "only in the first: /GLOBAL: SEED 1",
        # Mixing has no effect under the orbital transformation.
        "only in the second: /FORCE_EVAL/DFT/SCF/MIXING",
        "only in the second: /FORCE_EVAL/DFT/SCF/MIXING: ALPHA 0.5",
        "only in the second: /FORCE_EVAL/DFT/SCF/MIXING: METHOD PULAY_MIXING",
        "only in the second: /FORCE_EVAL/DFT/SCF/MIXING: NBUFFER 5",
    ]
    assert np.abs(structure_in(theirs).cell - crystal.cell).max() < 1e-12


def test_structure_and_velocities_go_in_and_come_back(hydrogen: Structure) -> None:
    velocities = np.random.default_rng(3).normal(0, 1e-2, (4, 3))
    tree = parse(aimd_input(hydrogen, temperature=300, steps=1, velocities=velocities).text())
    back = structure_in(tree)
    assert np.abs(back.positions - hydrogen.positions).max() < 1e-9
    assert np.abs(back.cell - hydrogen.cell).max() < 1e-9
    restored = velocities_in(tree)
    assert restored is not None
    assert np.abs(restored - velocities).max() < 1e-13


def test_deuterium_is_the_default_and_hydrogen_a_setting(hydrogen: Structure) -> None:
    def mass(dynamics: Dynamics) -> str | None:
        tree = aimd_input(hydrogen, dynamics=dynamics, temperature=300, steps=1)
        kind = tree.find("FORCE_EVAL", "SUBSYS", "KIND")
        return kind.value("MASS") if kind else None

    assert mass(Dynamics()) == "2.014101777"
    assert mass(Dynamics(hydrogen_mass=1.008)) == "1.008000000"


@pytest.mark.parametrize(
    ("numbers", "level", "words"),
    [
        ([27, 1], LevelOfTheory(), "no basis set is set for Co"),
        ([1], LevelOfTheory(), "1 electrons cannot have multiplicity 1"),
        ([1, 1], LevelOfTheory(multiplicity=2), "2 electrons cannot have multiplicity 2"),
        ([1, 1], LevelOfTheory(charge=2), "0 electrons"),
    ],
)
def test_bad_structures_are_refused(numbers: list[int], level: LevelOfTheory, words: str) -> None:
    positions = np.arange(3 * len(numbers), dtype=float).reshape(-1, 3)
    with pytest.raises(InputError, match=words):
        single_point_input(Structure(numbers, positions, 9 * np.eye(3)), level)


def test_a_molecule_without_a_periodic_box_is_refused() -> None:
    free = Structure([1, 1], [[0, 0, 0], [0.7, 0, 0]], 9 * np.eye(3), pbc=[True, True, False])
    with pytest.raises(InputError, match="put the molecule in a box"):
        single_point_input(free)


def test_unknown_settings_are_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"unknown setting 'cutof': did you mean 'cutoff'\?"):
        settings_from(LevelOfTheory, changes=["cutof=300"])
    with pytest.raises(InputError, match="setting 'cutoff': input should be greater than 0"):
        settings_from(LevelOfTheory, changes=["cutoff=-1"])
    assert settings_from(LevelOfTheory, changes=["eps_scf=1e-6"]).eps_scf == 1e-6
    merged = settings_from(LevelOfTheory, changes=["basis.Co=DZVP-MOLOPT-SR-GTH"])
    assert merged.basis["Co"] == "DZVP-MOLOPT-SR-GTH" and merged.basis["Zn"]
