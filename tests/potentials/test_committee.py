"""Committees: closed forms, a potential's contract, and the command line."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, InputError, Prediction, Structure
from zifglass.io import read, structures, write
from zifglass.potentials import load_potential
from zifglass.potentials.committee import Committee
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import save

_models = Path(__file__).with_name("models")


@dataclass(frozen=True)
class Tethers:
    """Atoms tethered to the origin: F = −k r, E = k r²/2, stress k/1000 everywhere."""

    stiffness: float
    species: tuple[int, ...] = (18,)
    cutoff: float = 1.0

    @property
    def name(self) -> str:
        return f"tethers {self.stiffness:g}"

    @property
    def sha256(self) -> str:
        return f"{self.stiffness:064.3f}"

    def __call__(self, structure: Structure) -> Prediction:
        r = structure.positions
        energy = 0.5 * self.stiffness * float((r**2).sum())
        return Prediction(energy, -self.stiffness * r, np.full((3, 3), self.stiffness / 1000))


@pytest.fixture
def atoms(rng: np.random.Generator) -> Structure:
    return Structure([18] * 5, rng.normal(size=(5, 3)), 10 * np.eye(3))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_disagreement_of_tethers_is_that_of_their_stiffness(atoms: Structure) -> None:
    stiff = np.array([1.0, 1.5, 4.0])
    committee = Committee([Tethers(k) for k in stiff])
    found = committee.disagreement(atoms)
    std = stiff.std(ddof=1)
    r = np.linalg.norm(atoms.positions, axis=1)
    np.testing.assert_allclose(found.forces, std * r)
    assert found.energy == pytest.approx(std * (r**2).sum() / 2 / len(r))
    assert found.stress == pytest.approx(std / 1000)
    mean = committee(atoms)
    expected = Tethers(stiff.mean())(atoms)
    assert mean.energy == pytest.approx(expected.energy) and mean.energies is None
    np.testing.assert_allclose(mean.forces, expected.forces)
    np.testing.assert_allclose(mean.stress, expected.stress)


def test_members_that_agree_do_not_disagree(atoms: Structure) -> None:
    found = Committee([Tethers(2.0)] * 3).disagreement(atoms)
    assert max(found.forces.max(), found.energy, found.stress) < 1e-14  # rounding of the mean


def test_what_is_no_committee_is_refused() -> None:
    with pytest.raises(InputError, match="two members at least; got 1"):
        Committee([Tethers(1.0)])
    with pytest.raises(InputError, match="know the same elements"):
        Committee([Tethers(1.0), Tethers(1.0, species=(36,))])
    one, other = Committee([Tethers(1.0), Tethers(2.0)]), Committee([Tethers(2.0), Tethers(1.0)])
    assert len(one.sha256) == 64 and one.sha256 != other.sha256


def test_the_command_finds_the_frame_that_was_pulled_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Frame 2 has one hydrogen out of its place; its neighbourhood is where two networks differ
    most beyond what they differ by everywhere."""
    members = []
    for name in ("so3_l1", "o3_l1"):
        members.append(tmp_path / f"{name}.safetensors")
        save(read_torchscript(_models / f"{name}.pth"), members[-1])
    crystal = structures.load("zif4")
    first = load_potential(members[0])
    frames = []
    for index in range(4):
        moved = crystal.positions + rng.normal(0, 0.01, crystal.positions.shape)
        hydrogen = int(np.nonzero(crystal.numbers == 1)[0][5])
        moved[hydrogen] += 0.5 * (index == 2)
        structure = crystal.with_positions(moved)
        frames.append(Frame(structure, time=10.0 * index, forces=first(structure).forces))
    write(tmp_path / "frames.extxyz", ArrayTrajectory(frames))
    argv = ["zifglass", "potential", "uncertainty", str(tmp_path / "frames.extxyz")]
    argv += ["--committee", str(members[0]), "--committee", str(members[1])]
    monkeypatch.setattr(sys, "argv", [*argv, "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    said = capsys.readouterr().out
    assert "the worst is 2:" in said
    found = json.loads((tmp_path / "out/uncertainty.json").read_text())
    # The labels are the first member's: error = half the difference, disagreement = 1/√2 of it.
    assert found["error_correlation"]["value"] == pytest.approx(1.0, abs=1e-6)
    rows = list(csv.DictReader((tmp_path / "out/uncertainty.csv").read_text().splitlines()))
    assert [float(row["time (fs)"]) for row in rows] == [0, 10, 20, 30]
    judges = Committee([load_potential(path) for path in members])
    kept = read(tmp_path / "out/frames.extxyz")
    spread = judges.disagreement(frames[2].structure)
    np.testing.assert_allclose(kept[2].extras["force_std"], spread.forces, rtol=1e-3, atol=1e-5)
    assert float(rows[2]["force_std_max (eV/Å)"]) == pytest.approx(spread.forces.max(), rel=1e-3)
    monkeypatch.setattr(sys, "argv", argv[:-2])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and "two members at least" in capsys.readouterr().err
