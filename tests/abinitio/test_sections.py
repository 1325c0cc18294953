from __future__ import annotations

from pathlib import Path

import pytest

from zifglass.abinitio.sections import differences, parse, read_input
from zifglass.core import InputError

text = """
@SET NAME water
&GLOBAL
  PROJECT_NAME ${NAME} ! the project
&END GLOBAL
&FORCE_EVAL
  &SUBSYS
    &COORD
      H 0.0 0.0 1.0E0 # an atom
      h 0.0 0.0 2.0
    &END
  &END SUBSYS
&END FORCE_EVAL
"""


def test_tree_of_an_input() -> None:
    tree = parse(text)
    section = tree.find("GLOBAL")
    assert section is not None and section.value("project_name") == "water"
    atoms = tree.find("FORCE_EVAL", "SUBSYS", "COORD")
    assert atoms is not None and atoms.rows() == [
        ["H", "0.0", "0.0", "1.0E0"],
        ["h", *["0.0", "0.0", "2.0"]],
    ]


def test_what_is_written_reads_back_the_same() -> None:
    tree = parse(text)
    assert parse(tree.text()) == tree


def test_spelling_does_not_count_and_values_do() -> None:
    a = parse("&SCF\n EPS_SCF 1E-5\n OT ON\n MAX_SCF 9\n&END SCF\n")
    same = parse("&scf\n MAX_SCF 9\n ot .TRUE.\n EPS_SCF 1.0000000000000001D-05\n&END\n")
    assert differences(a, same) == []
    other = parse("&SCF\n EPS_SCF 2E-5\n OT ON\n MAX_SCF 9\n&END SCF\n")
    assert differences(a, other) == [
        "only in the first: /SCF: EPS_SCF 1E-05".replace("1E-05", "1e-05"),
        "only in the second: /SCF: EPS_SCF 2e-05",
    ]


def test_order_of_atoms_counts() -> None:
    a = parse("&COORD\nH 0 0 0\nO 1 0 0\n&END\n")
    b = parse("&COORD\nO 1 0 0\nH 0 0 0\n&END\n")
    assert len(differences(a, b)) == 4


@pytest.mark.parametrize(
    ("bad", "line", "words"),
    [
        ("&A\n&B\n&END B\n", 1, "never closed"),
        ("&A\n&END B\n", 2, "closes &A"),
        ("&END A\n", 1, "closes nothing"),
        ("&A\n X ${Y}\n&END A\n", 2, "never @SET"),
        ("@INCLUDE other.inp\n", 1, "preprocessor"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, bad: str, line: int, words: str) -> None:
    path = tmp_path / "bad.inp"
    path.write_text(bad)
    with pytest.raises(InputError, match=words) as caught:
        read_input(path)
    assert str(caught.value).endswith(f"({path}:{line})")


def test_published_input_is_read(published: Path) -> None:
    tree = read_input(published / "cp2k_md.inp")
    atoms = tree.find("FORCE_EVAL", "SUBSYS", "COORD")
    assert atoms is not None and len(atoms.rows()) == 273  # SCALED and 272 atoms
    project = tree.find("MOTION", "PRINT", "STRESS")
    assert project is not None and project.value("FILENAME") == "=ZIF4_300.stress"
