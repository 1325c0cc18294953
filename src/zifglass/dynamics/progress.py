"""How far a run is and how fast it goes: on the screen and in status.json."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zifglass.core.units import GPa, ns, ps

from .course import Course
from .folder import versions


@dataclass(frozen=True)
class Progress:
    """Where a run is. time fs of duration fs; ns_per_day and seconds_left None until known."""

    segment: str
    step: int
    time: float
    duration: float
    temperature: float
    pressure_total: float
    energy: float
    ns_per_day: float | None
    seconds_left: float | None


class Pace:
    """Measures the rate of `course` and tells `report` about every two seconds."""

    def __init__(self, course: Course, report: Callable[[Progress], None] | None) -> None:
        self.course, self.report = course, report
        self._reported_at = clock.monotonic()
        self._rate_from: tuple[float, float] | None = None

    def tell(self) -> None:
        """Report, if it is time to."""
        if self._rate_from is None:
            self._rate()
        if self.report is None or clock.monotonic() - self._reported_at < 2.0:
            return
        self._reported_at = clock.monotonic()
        self.report(self.progress())

    def progress(self) -> Progress:
        """Now."""
        course, state, system = self.course, self.course.state, self.course.system
        duration, rate = course.protocol.duration, self._rate()
        return Progress(
            segment="finished" if course.is_over else course.segment.name,
            step=int(state.step),
            time=course.time,
            duration=duration,
            temperature=system.temperature(state),
            pressure_total=system.pressure_total(state),
            energy=state.energy,
            ns_per_day=None if rate is None else rate * 86400.0 / ns,
            seconds_left=None if rate is None else (duration - course.time) / rate,
        )

    def status(self, word: str, events: list[dict[str, Any]]) -> dict[str, Any]:
        """What status.json holds."""
        progress = self.progress()
        return {
            "status": word,
            "protocol": self.course.protocol.name,
            "segment": progress.segment,
            "step": progress.step,
            "time_ps": progress.time / ps,
            "duration_ps": progress.duration / ps,
            "temperature_K": progress.temperature,
            "pressure_total_GPa": progress.pressure_total / GPa,
            "ns_per_day": progress.ns_per_day,
            "seconds_left": progress.seconds_left,
            "segments": self.course.history,
            "events": events,
            "versions": versions(),
        }

    def _rate(self) -> float | None:
        """fs of simulated time per second of wall time since this process started stepping."""
        now = (clock.monotonic(), self.course.time)
        if self._rate_from is None:
            self._rate_from = now
        elapsed, gone = now[0] - self._rate_from[0], now[1] - self._rate_from[1]
        return gone / elapsed if elapsed > 0.0 and gone > 0.0 else None
