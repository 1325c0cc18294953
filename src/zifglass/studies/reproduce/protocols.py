"""The runs of the paper as protocols; durations from a budget.

Sources: SI of Castel et al., Table S1 and the text (strained crystals, heating, plateaus). All at
constant volume but the flexible runs, CSVR thermostat, 300 K unless heated.
"""

from __future__ import annotations

from typing import Any, Final

from zifglass.core import Protocol, Segment
from zifglass.core.protocol import equal_lengths, hold
from zifglass.core.units import ps
from zifglass.dynamics.protocols import FlexibleNPT, MeltQuench, flexible_npt, melt_quench

from .budgets import Budget

COLD: Final = 300.0
HOT: Final = 1500.0
HOTTER: Final = 1750.0
volumes: Final = {"m4": -0.04, "m2": -0.02, "p0": 0.0, "p2": 0.02}


def at_300_kelvin(equilibration: float, kept: float, budget: Budget) -> Protocol:
    """Equilibrate and keep a structure at its cell; ps."""
    return _protocol(
        "300 K",
        budget,
        _nvt(budget, "equilibrate", equilibration, hold(COLD)),
        _nvt(budget, "keep", kept, hold(COLD)),
    )


def strained_and_heated(change: float, budget: Budget) -> Protocol:
    """A crystal brought to its volume in jumps of 2 %, heated to 1500 K and kept there; where it
    has not melted by then, and the budget has time for it, heated to 1750 K and kept there.

    change: of the volume, such as −0.04.
    """
    count = round(abs(change) / 0.02)
    factor = equal_lengths((1.0 + change) ** (1.0 / count)) if count else None
    jumps = [
        _nvt(budget, f"volume {i + 1} of {count}", budget.volume_equilibration, hold(COLD),
             length_jump=factor)
        for i in range(count)
    ]  # fmt: skip
    further = [
        _nvt(budget, name, time, temperature, when="not-molten")
        for name, time, temperature in (
            ("heat further", (HOTTER - HOT) / budget.heating_rate, (HOT, HOTTER)),
            ("hotter", budget.hotter, hold(HOTTER)),
        )
        if budget.hotter
    ]
    return _protocol(
        "strained and heated",
        budget,
        _nvt(budget, "crystal", budget.volume_equilibration, hold(COLD)),
        *jumps,
        _nvt(budget, "heat", (HOT - COLD) / budget.heating_rate, (COLD, HOT)),
        _nvt(budget, "plateau", budget.heated, hold(HOT)),
        *further,
    )


def quenched(melt: float, budget: Budget) -> Protocol:
    """The melt–quench with `melt` ps at 1500 K: crystal, heat, melt, quench, glass."""
    return melt_quench(
        MeltQuench(
            timestep=budget.timestep,
            deuterium=budget.deuterium,
            frames_every=budget.frames_every * ps,
            t_max=melt,
            heating_rate=budget.heating_rate,
            cooling_rate=budget.cooling_rate,
            before=budget.crystal_equilibration,
            equilibration=budget.glass,
        )
    )


def flexible(duration: float, budget: Budget) -> Protocol:
    """Flexible-cell NPT at 300 K and no pressure; ps."""
    return flexible_npt(
        FlexibleNPT(
            timestep=budget.timestep,
            deuterium=budget.deuterium,
            frames_every=budget.frames_every * ps,
            duration=duration,
            equilibration=min(50.0, 0.1 * duration),
        )
    )


def begins(protocol: Protocol, segment: str) -> float:
    """ps from the start of the protocol to the start of that segment."""
    names = [one.name for one in protocol.segments]
    return sum(s.duration for s in protocol.segments[: names.index(segment)]) / ps


def _protocol(name: str, budget: Budget, *segments: Segment) -> Protocol:
    masses = {} if budget.deuterium is None else {"H": budget.deuterium}
    return Protocol(name=name, segments=segments, masses=masses)


def _nvt(
    budget: Budget, name: str, time: float, temperature: tuple[float, float], **changes: Any
) -> Segment:
    every = budget.frames_every * ps
    steps = max(1, round(time * ps / budget.timestep))
    return Segment(
        name=name,
        ensemble="nvt-csvr",
        duration=steps * budget.timestep,
        timestep=budget.timestep,
        temperature=temperature,
        frames_every=every,
        thermo_every=max(1, round(10.0 / budget.timestep)) * budget.timestep,
        monitor_every=every,
        **changes,
    )
