"""The states the student must know, and the short runs that visit them.

Table S1's four strained liquids, crystals and glasses at 300 K and strains of ±6 %, and what lies
between: the crystal on the way up, the liquid on the way down. All with deuterium at 1 fs.
"""

from __future__ import annotations

from dataclasses import dataclass

from zifglass import read
from zifglass.core import InputError, Protocol, Segment, Structure
from zifglass.core.protocol import equal_lengths, hold
from zifglass.core.units import ps
from zifglass.io import structures
from zifglass.potentials.catalogue import data_folders

DEUTERIUM = {"H": 2.0141}
CRYSTAL = "crystal"
GLASSES = ("glass01", "glass02", "glass03", "glass04")


@dataclass(frozen=True)
class State:
    """start: crystal or one of GLASSES. strain: of the volume. temperature: (first, last), K, of
    the kept part; a hot state is heated to the first within 1.2 ps, which is kept too."""

    name: str
    start: str
    strain: float
    temperature: tuple[float, float]


def _liquids(glasses: tuple[str, ...]) -> list[State]:
    table_s1 = ((0.02, 1500.0), (0.0, 1500.0), (-0.02, 1750.0), (-0.04, 1750.0))
    return [
        State(f"liquid{100 * strain:+.0f}-{start}", start, strain, hold(temperature))
        for (strain, temperature), start in zip(table_s1, glasses, strict=True)
    ]


TEACHER = (
    *_liquids(GLASSES),
    State("melting", CRYSTAL, 0.0, (300.0, 1800.0)),
    State("crystal+0", CRYSTAL, 0.0, hold(300.0)),
    State("glass+0", "glass03", 0.0, hold(300.0)),
    State("glass+6", "glass01", 0.06, hold(300.0)),
    State("glass-6", "glass02", -0.06, hold(300.0)),
    State("crystal+6", CRYSTAL, 0.06, hold(300.0)),
    State("crystal-6", CRYSTAL, -0.06, hold(300.0)),
)
"""Where the teacher itself runs, ≥ 5 ps each."""

STUDENT = (
    *_liquids(GLASSES[2:] + GLASSES[:2]),
    State("melting", CRYSTAL, 0.0, (300.0, 1900.0)),
    State("superheated", CRYSTAL, 0.03, hold(1500.0)),
    State("quench-1", "glass01", 0.0, (1600.0, 300.0)),
    State("quench-2", "glass04", 0.03, (1750.0, 300.0)),
    State("glass+6", "glass04", 0.06, hold(300.0)),
    State("glass-6", "glass03", -0.06, hold(300.0)),
    State("glass+3", "glass02", 0.03, hold(300.0)),
    State("crystal+3", CRYSTAL, 0.03, hold(300.0)),
    State("crystal-3", CRYSTAL, -0.03, hold(300.0)),
    State("crystal-6", CRYSTAL, -0.06, hold(300.0)),
    State("crystal+6", CRYSTAL, 0.06, hold(300.0)),
)
"""Where the student runs and is asked."""

HELD_OUT = _liquids((GLASSES[1], GLASSES[3], GLASSES[0], GLASSES[2]))
"""Trajectories that no training frame comes from: liquids by the teacher from other starts."""


def structure_of(state: State) -> Structure:
    """The structure a state starts from, unstrained."""
    if state.start == CRYSTAL:
        return structures.load("zif4")
    name = f"citable-data/glasses/ZIF4_15{state.start}.cif"
    for folder in data_folders():
        if (folder / name).is_file():
            return read(folder / name)[0].structure
    raise InputError(
        f"the ab initio glass {name} is not here: set ZIFGLASS_DATA to a folder that has it "
        "(fxcoudert/citable-data, 129-Gaillac_ChemMater_2020)"
    )


def protocol_of(state: State, duration: float, *, frames_every: float) -> Protocol:
    """duration: ps of the kept part. frames_every: fs."""
    common = {
        "ensemble": "nvt-csvr",
        "timestep": 1.0,
        "thermostat_damping": 100.0,
        "frames_every": frames_every,
        "thermo_every": 10.0,
        "monitor_every": 50.0,
    }
    jump = equal_lengths(1.0 + state.strain) if state.strain else None
    first, last = state.temperature
    segments = [
        Segment(
            name="start", duration=0.2 * ps, temperature=hold(300.0), length_jump=jump, **common
        )
    ]
    if first > 300.0:
        segments.append(
            Segment(name="heat", duration=1.0 * ps, temperature=(300.0, first), **common)
        )
    segments.append(
        Segment(name="keep", duration=duration * ps, temperature=(first, last), **common)
    )
    return Protocol(
        name=state.name, segments=tuple(segments), masses=DEUTERIUM, outputs=("forces",)
    )
