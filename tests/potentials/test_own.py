"""Potentials that a user's own code makes: ``python:FILE.py:FUNCTION``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.calculators.lj import LennardJones

from zifglass import load_potential
from zifglass.core import InputError, Structure
from zifglass.core.files import sha256_of

_code = """
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import SumCalculator

def soft():
    return LennardJones(sigma=2.5, epsilon=0.01, rc=6.0)

class Counted(LennardJones):
    calls = 0

    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.calls += 1
        self.results["energies"][0] = self.calls

def twice():
    return SumCalculator([soft(), soft()])

def counted():
    return Counted(sigma=2.5, epsilon=0.01, rc=4.0)

def nothing():
    return 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(_code)
    return path


def test_a_calculator_of_a_file_is_a_potential(file: Path) -> None:
    potential = load_potential(f"python:{file}:soft")
    assert (potential.name, potential.sha256) == ("soft", sha256_of(file))
    cube = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * 5.0
    argon = Structure(np.full(4, 18), cube + 0.1 * np.eye(4, 3), np.eye(3) * 5.0)
    said = potential(argon)
    atoms = argon.to_ase()
    atoms.calc = LennardJones(sigma=2.5, epsilon=0.01, rc=6.0)
    assert said.energy == atoms.get_potential_energy()
    np.testing.assert_array_equal(said.forces, atoms.get_forces())
    np.testing.assert_array_equal(said.stress, atoms.get_stress(voigt=False))


def test_every_call_computes(file: Path) -> None:
    """ASE keeps the last result; a potential that is timed, or goes on after a kill, must not."""
    potential = load_potential(f"python:{file}:counted")
    argon = Structure([18, 18], [[0.0, 0, 0], [2.6, 0, 0]], np.eye(3) * 8.0)
    first, second = potential(argon), potential(argon)
    assert first.energies is not None and second.energies is not None
    assert (first.energies[0], second.energies[0]) == (1.0, 2.0)


def test_a_sum_of_calculators_is_one(file: Path) -> None:
    argon = Structure([18, 18], [[0.0, 0, 0], [2.6, 0, 0]], np.eye(3) * 8.0)
    one, two = (load_potential(f"python:{file}:{name}")(argon) for name in ("soft", "twice"))
    np.testing.assert_allclose(two.forces, 2 * one.forces, rtol=1e-12)


def test_another_file_is_another_potential(file: Path) -> None:
    before = load_potential(f"python:{file}:soft").sha256
    file.write_text(_code + "# changed\n")
    assert load_potential(f"python:{file}:soft").sha256 == sha256_of(file) != before


def test_a_module_gives_its_potential() -> None:
    assert load_potential("python:tests.studies.toy_potentials:argon").species == (18,)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("python:{file}", "is written python:FILE.py:FUNCTION"),
        ("python::soft", "is written python:FILE.py:FUNCTION"),
        ("python:{file}:hard", "there is no function 'hard'"),
        ("python:{file}:nothing", "gives int, which is neither a potential nor an ASE calculator"),
        ("python:{file}.gone.py:soft", "no such file"),
        ("python:no_such_module:soft", "No module named 'no_such_module'"),
    ],
)
def test_what_is_no_potential_is_refused(file: Path, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_potential(name.format(file=file))


def test_code_that_fails_is_named(file: Path) -> None:
    file.write_text("import no_such_package\n")
    with pytest.raises(InputError, match=r"cannot run it: ModuleNotFoundError: .*no_such_package"):
        load_potential(f"python:{file}:soft")
