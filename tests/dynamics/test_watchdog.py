"""Runs that go wrong are caught: what, when, where, and everything before is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.dynamics.toys import IdealGas, LennardJones, Springs, fcc

from zifglass.core import InputError, Prediction, Protocol, Segment, Structure
from zifglass.core.units import GPa, kB
from zifglass.dynamics import (
    RunSettings,
    WatchdogStop,
    WatchSettings,
    maxwell_boltzmann,
    read_thermo,
    rescaled,
    run,
)
from zifglass.dynamics.linker_check import IntactLinkers
from zifglass.dynamics.watchdog import ClosestApproach
from zifglass.io import ChunkFolder, read


def _protocol(ensemble: str = "nvt-csvr", **more: Any) -> Protocol:
    segment = Segment(
        name="only",
        ensemble=ensemble,  # type: ignore[arg-type]
        timestep=2.0,
        thermo_every=2.0,
        frames_every=4.0,
        monitor_every=4.0,
        **({"duration": 400.0, "temperature": (40.0, 40.0)} | more),
    )
    return Protocol(name="watched", segments=(segment,))


@dataclass(frozen=True)
class GoesWrong:
    """Lennard-Jones with perturbed weights: after `calls` it is something else."""

    wrong: str
    after: int
    calls: list[int]
    species: tuple[int, ...] = (18,)
    name: str = "goes-wrong"
    cutoff: float = 5.2
    sha256: str = "1" * 64

    def __call__(self, structure: Structure) -> Prediction:
        self.calls.append(0)
        found = LennardJones()(structure)
        if len(self.calls) < self.after:
            return found
        if self.wrong == "nan":
            return replace(found, energy=float("nan"))
        if self.wrong == "force":
            forces = found.forces.copy()
            forces[3, 0] += 50.0
            return replace(found, forces=forces)
        if self.wrong == "energy":
            return replace(found, energy=found.energy + 40.0)
        return replace(found, forces=-40 * found.forces)


@pytest.mark.parametrize(
    ("wrong", "message", "harvested"),
    [
        ("nan", "are not numbers any more", True),
        ("force", r"the force on Ar 3 is .* eV/Å, beyond the 30 eV/Å", True),
        ("energy", r"the potential energy changed by \+1\.25 eV/atom", False),
        ("repulsion", "the temperature is|apart|changed by", None),
    ],
)
def test_a_potential_that_goes_wrong_is_caught(
    wrong: str, message: str, harvested: bool | None, tmp_path: Path
) -> None:
    crystal = fcc(5.4, 2)
    potential = GoesWrong(wrong, 60, [])
    with pytest.raises(WatchdogStop, match=message) as caught:
        run(_protocol(), crystal, potential, folder=tmp_path, settings=RunSettings())
    assert caught.value.exit_status != 0
    assert "ps in segment 'only'" in str(caught.value)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["status"] == "stopped by the watchdog"
    assert status["events"][-1]["segment"] == "only"
    frames = ChunkFolder(tmp_path / "trajectory")
    assert len(frames) >= 25
    assert len(read_thermo(tmp_path)["step"]) >= 55
    if harvested is not None:
        assert (tmp_path / "harvest.extxyz").exists() == harvested
    if harvested:
        labelled = read(tmp_path / "harvest.extxyz")
        assert 1 <= len(labelled) <= 6
        assert labelled[0].energy is None
        assert labelled[0].structure.pbc.all()


def test_warnings_are_noted_and_the_run_goes_on(tmp_path: Path) -> None:
    watch = WatchSettings(forces="warn", force_limit=1e-6)
    told: list[str] = []
    result = run(
        _protocol(), fcc(5.4, 2), LennardJones(), folder=tmp_path, note=told.append,
        settings=RunSettings(watch=watch),
    )  # fmt: skip
    assert result.time == pytest.approx(400.0)
    assert [event["check"] for event in result.events] == ["forces"]
    assert told and "beyond the 1e-06 eV/Å" in told[0]


def test_a_cell_that_explodes_is_caught(tmp_path: Path) -> None:
    protocol = _protocol(
        "npt-iso", duration=40000.0, pressure_total=-0.5 * GPa, barostat_damping=100.0
    )
    settings = RunSettings(watch=WatchSettings(distances="off", temperature="off"))
    with pytest.raises(WatchdogStop, match="the cell has exploded"):
        run(protocol, fcc(5.4, 2), IdealGas(), folder=tmp_path, settings=settings)


def test_overlaps_and_unknown_species_are_refused(tmp_path: Path) -> None:
    crystal = fcc(5.4, 2)
    positions = crystal.positions.copy()
    positions[1] = positions[0] + 0.3
    with pytest.raises(InputError, match=r"on top of each other: Ar 0 and Ar 1 are 0\.52 Å"):
        run(_protocol(), crystal.with_positions(positions), LennardJones(), folder=tmp_path / "a")
    zinc = Structure(np.full(32, 30), crystal.positions, crystal.cell)
    with pytest.raises(InputError, match="lennard-jones knows Ar; the structure also holds Zn"):
        run(_protocol(), zinc, LennardJones(), folder=tmp_path / "b")


def test_closest_approach_remembers_its_verdict() -> None:
    check, other = ClosestApproach(0.55), ClosestApproach(0.55)
    from zifglass.core import Frame

    close = fcc(5.4, 2).with_positions(fcc(5.4, 2).positions * 0.25)
    check.update(Frame(close))
    assert check.verdict().word == "close"
    other.restore(check.state())
    assert other.verdict() == check.verdict()


def test_broken_linkers_alarm_only_when_they_stay_broken(published: Path) -> None:
    from zifglass.core import Frame

    glass = read(next((published / "glasses").glob("*.cif")))[0].structure
    carbon = int(np.nonzero(glass.numbers == 6)[0][0])
    moved = glass.positions.copy()
    moved[carbon] += 3.0
    broken = glass.with_positions(moved)
    from zifglass.dynamics.linker_check import linkers_of

    expected = linkers_of(glass)
    assert expected is not None
    assert sum(expected.values()) == 32
    assert linkers_of(fcc(5.4, 2)) is None
    check = IntactLinkers(expected, 3)
    words = []
    for structure in (broken, broken, glass, broken, broken, broken):
        check.update(Frame(structure))
        words.append(check.verdict().word)
    assert words == ["ok", "ok", "ok", "ok", "ok", "broken"]
    assert "1 of 32 linkers" in check.verdict().sentence


def test_starting_velocities() -> None:
    masses = np.repeat([1.008, 12.011, 65.38], 4000)
    velocities = maxwell_boltzmann(masses, 300.0, rng=np.random.default_rng(1))
    assert np.abs(masses @ velocities).max() < 1e-9
    from zifglass.core.units import kinetic_unit

    for mass in np.unique(masses):
        square = kinetic_unit * mass * (velocities[masses == mass] ** 2)
        # 12,000 squares of Gaussians: their mean has a standard error of √(2/12000) = 1.3 %.
        assert square.mean() == pytest.approx(kB * 300.0, rel=0.06)
    exact = rescaled(velocities, masses, 300.0)
    kinetic = kinetic_unit * np.einsum("i,ij,ij->", masses, exact, exact)
    assert kinetic == pytest.approx((3 * 12000 - 3) * kB * 300.0, rel=1e-12)


def test_minimisation_finds_the_crystal(tmp_path: Path) -> None:
    crystal = fcc(5.4, 2)
    rng = np.random.default_rng(0)
    strained = crystal.scaled_to(crystal.cell @ np.diag([1.04, 0.98, 1.01]))
    moved = strained.with_positions(strained.positions + rng.normal(0, 0.1, (32, 3)))
    protocol = Protocol(
        name="relax",
        segments=(
            Segment(
                name="both",
                ensemble="minimise-cell",
                pressure_total=0.0,
                force_tolerance=1e-4,
                stress_tolerance=1e-5,
            ),
        ),
    )
    result = run(protocol, moved, Springs.of(crystal), folder=tmp_path)
    assert not result.events
    assert result.structure.volume == pytest.approx(crystal.volume, rel=1e-3)
    assert len(read(tmp_path / "trajectory.h5")) == 1
