"""A small labelled set: liquid-like Cu–Ni from ASE's EMT, an independent potential."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.small import SMALL

from zifglass.core import Frame, Structure
from zifglass.io import write
from zifglass.training import TrainingRun, train


def labelled(count: int, seed: int) -> list[Frame]:
    from ase.build import bulk
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
        atoms.numbers[rng.choice(8, 3 + index % 2, replace=False)] = 28
        atoms.set_cell(atoms.cell * (1 + rng.normal(0, 0.01)), scale_atoms=True)
        atoms.positions += rng.normal(0, 0.12, atoms.positions.shape)
        order = np.argsort(atoms.numbers, kind="stable")
        atoms = atoms[order]
        atoms.calc = EMT()
        frames.append(
            Frame(
                Structure.from_ase(atoms),
                energy=atoms.get_potential_energy(),
                forces=atoms.get_forces(),
                stress=atoms.get_stress(voigt=False),
                index=index,
            )
        )
    return frames


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Paths of a training (24 frames) and a validation set (8 frames), extxyz."""
    from zifglass.core import ArrayTrajectory

    folder = tmp_path_factory.mktemp("data")
    for name, count, seed in (("train", 24, 1), ("validation", 8, 2)):
        # Compositions differ between frames; a trajectory of ours keeps one: even frames only.
        frames = [f for f in labelled(2 * count, seed) if f.index % 2 == 0]
        write(folder / f"{name}.extxyz", ArrayTrajectory(frames))
    return folder / "train.extxyz", folder / "validation.extxyz"


@pytest.fixture(scope="session")
def trained(
    data: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingRun, list[int]]:
    """A finished run of SMALL, and how many epochs there were at each report."""
    pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")
    seen: list[int] = []
    folder = tmp_path_factory.mktemp("trained") / "run"
    return train(SMALL, *data, folder, report=lambda curves: seen.append(len(curves))), seen
