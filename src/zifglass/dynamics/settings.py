"""What a run is told besides its protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zifglass.analysis.linker_settings import LinkerSettings, is_default
from zifglass.core.settings import Settings

Policy = Literal["off", "warn", "stop", "harvest"]


class WatchSettings(Settings):
    """The watchdog: limits of each check and what to do when one is passed.

    off: do not look. warn: note it and go on. stop: end the run with an error, keeping what is
    whole. harvest: write the frames around the event to ``harvest.extxyz`` and end like stop.
    """

    distances: Policy = Field(default="harvest", description="Atoms that come too close.")
    distance_fraction: float = Field(
        default=0.55, gt=0, lt=1, description="Closest approach, in sums of covalent radii."
    )
    temperature: Policy = Field(default="stop", description="Temperature far from its target.")
    temperature_factor: float = Field(
        default=2.0, gt=1, description="Highest temperature over target, beyond its natural spread."
    )
    energy: Policy = Field(
        default="stop", description="Potential energy that jumps between two looks."
    )
    energy_jump: float = Field(
        default=0.5,
        gt=0,
        description="Largest change of potential energy between two looks, eV/atom.",
    )
    conserved: Policy = Field(default="warn", description="Drift of the conserved quantity.")
    conserved_drift: float = Field(
        default=2.0, gt=0, description="Largest drift of the conserved quantity, meV/atom/ps."
    )
    forces: Policy = Field(default="harvest", description="Forces beyond those seen in training.")
    force_limit: float = Field(default=30.0, gt=0, description="Largest force on an atom, eV/Å.")
    volume: Policy = Field(default="stop", description="A cell that collapses or explodes.")
    volume_factor: float = Field(
        default=1.8,
        gt=1,
        description="Largest volume over that at the start of the run, or its inverse.",
    )
    linkers: Policy = Field(default="harvest", description="Broken linkers.")
    linker_persistence: int = Field(
        default=3, gt=0, description="Looks in a row at which a linker must be broken."
    )
    committee: Policy = Field(
        default="harvest", description="A committee that disagrees, where the run has one."
    )
    committee_limit: float = Field(
        default=0.5,
        gt=0,
        description="Largest standard deviation of an atom's force over the committee, eV/Å.",
    )
    frames_before: int = Field(
        default=5, ge=0, description="Looks before the event that are harvested."
    )


class RunSettings(Settings):
    """How a run is carried out; none of this changes its physics, but for the velocities, and
    the linkers where the protocol asks whether it has molten."""

    velocities: Literal["maxwell-boltzmann", "exact-temperature"] = Field(
        default="maxwell-boltzmann",
        description="Starting velocities: as drawn, or rescaled to the temperature exactly.",
    )
    precision: Literal["single", "double"] = Field(
        default="single",
        description="Precision of positions, velocities and forces in the trajectory.",
    )
    checkpoint_seconds: float = Field(
        default=60.0, gt=0, description="Wall time between checkpoints, s."
    )
    checkpoint_steps: int | None = Field(
        default=None, gt=0, description="Steps between checkpoints, in place of wall time."
    )
    linkers: LinkerSettings = Field(
        default=LinkerSettings(),
        exclude_if=is_default,
        description="Which linkers the watchdog and the melting monitor look for.",
    )
    watch: WatchSettings = Field(default=WatchSettings(), description="The watchdog.")
