"""A run in a process of its own, to be killed: python -m tests.dynamics.toy_run FOLDER [steps].

The protocol holds every kind of segment; the potential is Lennard-Jones argon.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.dynamics.toys import LennardJones, fcc

from zifglass.core import Frame, Protocol, Segment, Structure, Verdict
from zifglass.core.errors import ZifglassError
from zifglass.core.units import GPa
from zifglass.dynamics import RunSettings, WatchSettings, run


@dataclass
class LooksUntil:
    """A melting monitor that says liquid after so many looks."""

    looks: int
    name: str = "melting"
    _seen: int = 0

    def update(self, frame: Frame) -> None:
        self._seen += 1

    def verdict(self) -> Verdict:
        word = "liquid" if self._seen >= self.looks else "solid"
        return Verdict(word, f"{self._seen} looks")

    def state(self) -> dict[str, Any]:
        return {"seen": self._seen}

    def restore(self, state: dict[str, Any]) -> None:
        self._seen = state["seen"]


def start() -> Structure:
    """32 argon atoms a little off their places."""
    crystal = fcc(5.4, 2)
    rng = np.random.default_rng(5)
    return crystal.with_positions(crystal.positions + rng.normal(0, 0.05, (32, 3)))


def every_segment(steps: int = 40) -> Protocol:
    """Each ensemble, ramps of temperature and box, a jump, conditions, minimisations."""

    def segment(name: str, ensemble: Any, **more: Any) -> Segment:
        return Segment(
            name=name,
            ensemble=ensemble,
            duration=2.0 * steps,
            timestep=2.0,
            frames_every=12.0,  # segments end between two frames
            thermo_every=4.0,
            monitor_every=10.0,
            thermostat_damping=50.0,
            barostat_damping=200.0,
            **more,
        )

    hold = (40.0, 40.0)
    return Protocol(
        name="every segment",
        segments=(
            Segment(name="relax", ensemble="minimise", max_iterations=60),
            Segment(
                name="relax cell", ensemble="minimise-cell", pressure_total=0.0, max_iterations=60
            ),
            segment("nve", "nve", temperature=hold),
            segment("heat", "nvt-nhc", temperature=(40.0, 80.0)),
            segment("csvr", "nvt-csvr", temperature=None, length_jump=(1.01, 1.0, 1.0)),
            segment("ramp box", "nvt-csvr", temperature=hold, length_ramp=(1.02, 1.0, 0.99)),
            segment("wait", "nvt-nhc", temperature=hold, until="molten"),
            segment("not taken", "nve", when="not-molten"),
            segment("taken", "nve", when="molten", length_ramp=(1.0, 1.0, 1.01)),
            segment("iso", "npt-iso", temperature=hold, pressure_total=0.01 * GPa),
            segment("iso csvr", "npt-iso-csvr", temperature=hold, pressure_total=0.01 * GPa),
            segment("flexible", "npt-flexible", temperature=hold, pressure_total=0.0),
            segment("flexible csvr", "npt-flexible-csvr", temperature=hold, pressure_total=0.0),
        ),
        masses={"Ar": 36.0},
        outputs=("velocities", "forces"),
    )


def go(folder: str, steps: int = 40, max_wall: float | None = None) -> Any:
    """Run or go on, with a checkpoint every 23 steps."""
    return run(
        every_segment(steps),
        start(),
        LennardJones(),
        folder=folder,
        seed=3,
        settings=RunSettings(
            checkpoint_steps=23, precision="double", watch=WatchSettings(volume="warn")
        ),
        melting=LooksUntil(3 * steps // 5),
        max_wall=max_wall,
        note=print,
    )


if __name__ == "__main__":
    print("ready", flush=True)
    try:
        go(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40)
    except ZifglassError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
