"""What a run will take, before it starts: its timeline, and time and disk from measured steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from zifglass.core import Potential, Protocol, Segment, Structure
from zifglass.core.units import GPa, ps

from .system import check_timestep, masses_for


@dataclass(frozen=True)
class Stretch:
    """A segment on the protocol's clock. start, end: fs. temperatures: K, None in a minimisation
    and where NVE has none."""

    segment: Segment
    start: float
    end: float
    temperatures: tuple[float, float] | None


@dataclass(frozen=True)
class Estimate:
    """seconds_per_step: s, measured. steps: of dynamics; minimisations come on top. seconds: s.
    frames: of the trajectory. bytes: of it on disk."""

    seconds_per_step: float
    steps: int
    seconds: float
    frames: int
    bytes: int


def timeline(protocol: Protocol) -> list[Stretch]:
    """Every segment with its place in time; conditional ones as if they ran in full."""
    stretches = []
    now, reached = 0.0, None
    for segment in protocol.segments:
        temperatures = segment.temperature
        if temperatures is None and segment.has_thermostat:
            temperatures = None if reached is None else (reached, reached)
        if temperatures is not None:
            reached = temperatures[1]
        stretches.append(Stretch(segment, now, now + segment.duration, temperatures))
        now += segment.duration
    return stretches


def timeline_lines(protocol: Protocol) -> Iterator[str]:
    """The timeline as text, one line per segment."""
    yield (
        f"{'segment':<20} {'ensemble':<18} {'from':>9} {'to':>9} ps  {'K':<13} {'GPa':>6}  remarks"
    )
    for stretch in timeline(protocol):
        segment = stretch.segment
        low, high = stretch.temperatures or (None, None)
        kelvin = "" if low is None else f"{low:g}" if low == high else f"{low:g} → {high:g}"
        pressure = segment.pressure_total
        yield (
            f"{segment.name:<20} {segment.ensemble:<18} {stretch.start / ps:>9.3f} "
            f"{stretch.end / ps:>9.3f}     {kelvin:<13} "
            f"{'' if pressure is None else f'{pressure / GPa:g}':>6}  {_remarks(segment)}"
        ).rstrip()


def estimate(
    protocol: Protocol, structure: Structure, potential: Potential, *, calls: int = 5
) -> Estimate:
    """Evaluate the potential `calls` times after a first one and multiply.

    Raises InputError where the timestep does not suit the masses.
    """
    masses = masses_for(structure, protocol.masses)
    for segment in protocol.segments:
        if not segment.is_minimisation:
            check_timestep(structure, masses, segment.timestep)
    return cost(protocol, structure, seconds_per_step(structure, potential, calls=calls))


def seconds_per_step(structure: Structure, potential: Potential, *, calls: int = 5) -> float:
    """Wall time of one evaluation, s: the fastest of `calls` after a first one, since whatever else
    runs only ever adds to it."""
    potential(structure)
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        potential(structure)
        found.append(time.perf_counter() - began)
    return min(found)


def cost(protocol: Protocol, structure: Structure, each: float) -> Estimate:
    """What `protocol` takes at `each` seconds per step; conditional segments count in full."""
    dynamics = [segment for segment in protocol.segments if not segment.is_minimisation]
    steps = sum(segment.n_steps for segment in dynamics)
    frames = 1 + sum(x.segment.due("frames", x.start, x.end) for x in timeline(protocol))
    per_atom = 12 * (1 + len(protocol.outputs))  # three numbers in single precision
    return Estimate(each, steps, each * steps, frames, frames * (per_atom * len(structure) + 250))


def _remarks(segment: Segment) -> str:
    remarks = []
    if segment.when:
        remarks.append(f"only if {segment.when.replace('-', ' ')}")
    if segment.until:
        remarks.append(f"until {segment.until}, at the latest")
    for name, factors in (("jump", segment.length_jump), ("ramp", segment.length_ramp)):
        if factors is not None:
            a, b, c = factors
            remarks.append(f"box {name} × {a:.5g} {b:.5g} {c:.5g} (volume {a * b * c - 1:+.2%})")
    return ", ".join(remarks)
