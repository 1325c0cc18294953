"""Folders as zifglass leaves them, made once: a short run with a toy potential, an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from zifglass.analysis.survey import SurveySettings, survey
from zifglass.core import Prediction, Protocol, Segment, Structure, as_trajectory
from zifglass.core.settings import settings_from
from zifglass.dynamics import RunSettings, run
from zifglass.io import structures, write
from zifglass.report.structure import write_surveys


@dataclass(frozen=True, eq=False)
class Wells:
    """Every atom in a harmonic well around its place, 3 eV/Å²."""

    home: np.ndarray
    species: tuple[int, ...] = (1, 6, 7, 30)
    name: str = "wells"
    cutoff: float = 0.0
    sha256: str = "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        away = structure.positions - self.home
        return Prediction(1.5 * float((away**2).sum()), -3.0 * away, np.zeros((3, 3)))


def _segment(name: str, start: float, end: float) -> Segment:
    return Segment(
        name=name, ensemble="nvt-csvr", duration=20.0, timestep=1.0, temperature=(start, end),
        frames_every=5.0, thermo_every=1.0, monitor_every=5.0,
    )  # fmt: skip


SHORT = Protocol(
    name="melt-quench",
    masses={"H": 2.0141},
    segments=(
        _segment("crystal", 100.0, 100.0),
        _segment("heat", 100.0, 200.0),
        _segment("melt", 200.0, 200.0),
        _segment("quench", 200.0, 100.0),
        _segment("glass", 100.0, 100.0),
    ),
)


def short_run(folder: Path, *, seed: int = 0, event: bool = False) -> Path:
    """A run of ZIF-4 of 100 steps. event: its watchdog has something to note."""
    crystal = structures.load("zif4")
    settings = settings_from(
        RunSettings, {"watch": {"forces": "warn", "force_limit": 0.05}} if event else {}
    )
    run(SHORT, crystal, Wells(crystal.positions), folder=folder, seed=seed, settings=settings)
    return folder


def short_analysis(folder: Path) -> Path:
    """Two structures, the second with a broken linker; their files lie beside the folder."""
    crystal = structures.load("zif4")
    moved = crystal.positions.copy()
    moved[np.nonzero(crystal.numbers == 6)[0][0]] += 0.9
    broken = Structure(crystal.numbers, moved, crystal.cell)
    settings = SurveySettings(quantities=("coordination", "linkers", "angles"))
    trajectories = {}
    for name, structure in (("whole", crystal), ("broken", broken)):
        path = folder.parent / f".{name}.extxyz"
        write(path, structure)
        trajectories[name] = as_trajectory(structure)
        trajectories[name].source = str(path)
    write_surveys(survey(trajectories, settings=settings), settings, folder)
    return folder


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders: melt-quench, a run; structure, an analysis."""
    root = tmp_path_factory.mktemp("report") / "work"
    short_run(root / "melt-quench", event=True)
    short_analysis(root / "structure")
    return root
