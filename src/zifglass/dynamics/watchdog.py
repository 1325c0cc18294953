"""The watchdog: monitors that look for a run going wrong, and what happens when one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final

import numpy as np

from zifglass.core import Frame, Monitor, Structure, Verdict, ZifglassError
from zifglass.core.neighbors import neighbor_list
from zifglass.core.structure import symbols_of
from zifglass.core.units import meV, ps

from .settings import Policy, WatchSettings
from .state import Array

fine: Final = Verdict("ok", "nothing to report")
quiet_words: Final = ("ok", "undecided", "solid", "liquid")
"""Verdicts that raise no alarm."""


class WatchdogStop(ZifglassError):
    """The watchdog ended the run; what was written before is whole. Exit status 1."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunFrame(Frame):
    """A frame of a running simulation, with what only the run knows.

    conserved: eV. target: K. segment: its name. origin: time at which its segment started, fs.
    """

    conserved: float
    target: float
    segment: str
    origin: float


class LastLook:
    """What the checks share: the verdict of the last look, kept through a restart."""

    _verdict: Verdict = fine

    def verdict(self) -> Verdict:
        return self._verdict

    def state(self) -> dict[str, Any]:
        verdict = self._verdict
        return {"verdict": [verdict.word, verdict.sentence, verdict.confidence]}

    def restore(self, state: dict[str, Any]) -> None:
        self._verdict = Verdict(*state["verdict"])


@dataclass
class ClosestApproach(LastLook):
    """Atoms nearer than `fraction` of the sum of their covalent radii."""

    fraction: float
    name: str = "distances"

    def update(self, frame: Frame) -> None:
        from ase.data import covalent_radii

        structure = frame.structure
        radii = covalent_radii[structure.numbers]
        pairs = neighbor_list(structure, 2.0 * self.fraction * float(radii.max()))
        close = pairs.distances - self.fraction * (radii[pairs.i] + radii[pairs.j])
        if not len(close) or close.min() >= 0.0:
            self._verdict = fine
            return
        worst = int(np.argmin(close))
        i, j = int(pairs.i[worst]), int(pairs.j[worst])
        one, other = symbols_of(structure.numbers[[i, j]])
        self._verdict = Verdict(
            "close", f"{one} {i} and {other} {j} are {pairs.distances[worst]:.2f} Å apart"
        )


@dataclass
class TemperatureRange(LastLook):
    """Temperature above `factor` × target × (1 + 5 √(2/N_f)), five natural standard deviations
    on top. Without a target (NVE) there is nothing to compare with."""

    factor: float
    name: str = "temperature"

    def update(self, frame: Frame) -> None:
        assert isinstance(frame, RunFrame)
        self._verdict = fine
        if frame.target <= 0.0 or frame.temperature is None:
            return
        spread = 1.0 + 5.0 * sqrt(2.0 / (3 * len(frame.structure) - 3))
        limit = self.factor * frame.target * spread
        if frame.temperature > limit:
            self._verdict = Verdict(
                "hot",
                f"the temperature is {frame.temperature:.0f} K where {frame.target:.0f} K is asked "
                f"for (limit {limit:.0f} K)",
            )


@dataclass
class EnergyJump(LastLook):
    """Potential energy that changes by more than `limit` (eV/atom) between two looks."""

    limit: float
    name: str = "energy"
    _last: float | None = None

    def update(self, frame: Frame) -> None:
        assert frame.energy is not None
        energy = frame.energy / len(frame.structure)
        jump = 0.0 if self._last is None else energy - self._last
        self._last = energy
        self._verdict = fine
        if abs(jump) > self.limit:
            self._verdict = Verdict(
                "jump",
                f"the potential energy changed by {jump:+.3g} eV/atom between two looks (limit "
                f"{self.limit:g})",
            )

    def state(self) -> dict[str, Any]:
        return super().state() | {"last": self._last}

    def restore(self, state: dict[str, Any]) -> None:
        self._last = state["last"]
        super().restore(state)


@dataclass
class ConservedDrift(LastLook):
    """Drift of the conserved quantity since the segment's first look beyond `limit`
    (meV/atom/ps), judged after the first picosecond."""

    limit: float
    name: str = "conserved"
    _segment: str = ""
    _first: tuple[float, float] = (0.0, 0.0)

    def update(self, frame: Frame) -> None:
        assert isinstance(frame, RunFrame) and frame.time is not None
        self._verdict = fine
        if frame.segment != self._segment:
            self._segment, self._first = frame.segment, (frame.time, frame.conserved)
            return
        elapsed = (frame.time - self._first[0]) / ps
        change = (frame.conserved - self._first[1]) / len(frame.structure) / meV
        if elapsed >= 1.0 and abs(change) > self.limit * elapsed:
            self._verdict = Verdict(
                "drift",
                f"the conserved quantity drifts by {change / elapsed:+.3g} meV/atom/ps (limit "
                f"{self.limit:g}); the timestep may be too large or the forces not conservative",
            )

    def state(self) -> dict[str, Any]:
        return super().state() | {"segment": self._segment, "first": list(self._first)}

    def restore(self, state: dict[str, Any]) -> None:
        self._segment = state["segment"]
        self._first = (state["first"][0], state["first"][1])
        super().restore(state)


@dataclass
class LargeForces(LastLook):
    """A force (its length) above `limit` (eV/Å)."""

    limit: float
    name: str = "forces"

    def update(self, frame: Frame) -> None:
        assert frame.forces is not None
        sizes = np.sqrt(np.einsum("ij,ij->i", frame.forces, frame.forces))
        atom = int(np.argmax(sizes))
        self._verdict = fine
        if sizes[atom] > self.limit:
            symbol = symbols_of(frame.structure.numbers[[atom]])[0]
            self._verdict = Verdict(
                "large",
                f"the force on {symbol} {atom} is {sizes[atom]:.1f} eV/Å, beyond the "
                f"{self.limit:g} eV/Å that the potential is trusted for",
            )


@dataclass
class VolumeRange(LastLook):
    """A cell whose volume leaves (1/factor … factor) × its first one."""

    factor: float
    name: str = "volume"
    _first: float | None = None

    def update(self, frame: Frame) -> None:
        size = frame.structure.volume
        if self._first is None:
            self._first = size
        ratio = size / self._first
        self._verdict = fine
        if not 1.0 / self.factor <= ratio <= self.factor:
            word = "collapsed" if ratio < 1.0 else "exploded"
            self._verdict = Verdict(
                word,
                f"the cell has {word}: {size:.0f} Å³ where it started with {self._first:.0f} Å³",
            )

    def state(self) -> dict[str, Any]:
        return super().state() | {"first": self._first}

    def restore(self, state: dict[str, Any]) -> None:
        self._first = state["first"]
        super().restore(state)


@dataclass(frozen=True)
class Check:
    """A monitor and what its alarm does."""

    monitor: Monitor
    policy: Policy


@dataclass(frozen=True)
class Event:
    """An alarm: what (the monitor's sentence), when (fs), where (segment)."""

    check: str
    policy: Policy
    sentence: str
    time: float
    segment: str

    def __str__(self) -> str:
        return f"{self.sentence}, at {self.time / ps:.4f} ps in segment {self.segment!r}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "policy": self.policy,
            "sentence": self.sentence,
            "time_ps": self.time / ps,
            "segment": self.segment,
        }


@dataclass
class Watchdog:
    """Shows every frame to its checks and remembers the last looks for the harvest."""

    checks: Sequence[Check]
    frames_before: int
    _last_words: dict[str, str] = field(default_factory=dict)
    _recent: list[tuple[float, Array, Array]] = field(default_factory=list)

    def look(self, frame: RunFrame) -> list[Event]:
        """The alarms that this frame raises; one that lasts is raised once."""
        assert frame.time is not None
        self._recent.append((frame.time, frame.structure.positions, frame.structure.cell))
        del self._recent[: -(self.frames_before + 1)]
        events = []
        for check in self.checks:
            check.monitor.update(frame)
            verdict = check.monitor.verdict()
            before = self._last_words.get(check.monitor.name)
            self._last_words[check.monitor.name] = verdict.word
            if verdict.word not in quiet_words and verdict.word != before:
                events.append(
                    Event(
                        check.monitor.name,
                        check.policy,
                        verdict.sentence,
                        frame.time,
                        frame.segment,
                    )
                )
        return events

    def recent(self, numbers: Any) -> list[Frame]:
        """The last looks, oldest first, as frames ready for labelling: atoms and cell, wrapped,
        with no energy or forces of the potential that is in doubt."""
        return [
            Frame(Structure(numbers, positions, cell).wrapped(), time=time, index=i)
            for i, (time, positions, cell) in enumerate(self._recent)
        ]

    def state(self) -> dict[str, Any]:
        return {
            "words": dict(self._last_words),
            "recent": [list(look) for look in self._recent],
            "checks": {check.monitor.name: check.monitor.state() for check in self.checks},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._last_words = dict(state["words"])
        self._recent = [(time, positions, cell) for time, positions, cell in state["recent"]]
        for check in self.checks:
            if check.monitor.name in state["checks"]:
                check.monitor.restore(state["checks"][check.monitor.name])


def checks_of(settings: WatchSettings, extra: Sequence[Check] = ()) -> list[Check]:
    """The built-in checks that are not off, then `extra`."""
    built_in = (
        Check(ClosestApproach(settings.distance_fraction), settings.distances),
        Check(TemperatureRange(settings.temperature_factor), settings.temperature),
        Check(EnergyJump(settings.energy_jump), settings.energy),
        Check(ConservedDrift(settings.conserved_drift), settings.conserved),
        Check(LargeForces(settings.force_limit), settings.forces),
        Check(VolumeRange(settings.volume_factor), settings.volume),
    )
    return [check for check in (*built_in, *extra) if check.policy != "off"]
