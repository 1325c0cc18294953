"""Finite strain differences: what to run, and what the runs say.

Mechanics runs nothing itself. It hands out a protocol for the preparation and one for each step
(`preparation_protocol`, `step_protocol`), takes the pressure of each hold (`hold_from_series`),
says which steps are still wanted (`next_steps`) and fits the equation of state
(`analyse_sweep`). Two branches leave the prepared structure, compression and expansion; within
a branch every step starts where the one before it ended. Source: SI of Castel et al., finite
strain difference method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zifglass.core.errors import InputError
from zifglass.core.protocol import Protocol, Segment, equal_lengths, hold
from zifglass.core.units import fs, kelvin, ps

from .equation_of_state import BirchMurnaghan, fit_third_order
from .holds import Hold, StrainSweepSettings
from .window import Point, WindowFit, fit_window, mark_phase_changes


@dataclass(frozen=True)
class Step:
    """One wanted step: direction, and its number counted from the prepared structure (1…)."""

    direction: Literal["compression", "expansion"]
    number: int

    @property
    def name(self) -> str:
        """compression-1, expansion-3, …"""
        return f"{self.direction}-{self.number}"

    @property
    def start(self) -> str:
        """The name of the step it starts from."""
        return f"{self.direction}-{self.number - 1}" if self.number > 1 else "preparation"


@dataclass(frozen=True, eq=False)
class StrainSweep:
    """K₀, V₀ and ρ₀ of a sweep. Isotropic steps at fixed shape: a Voigt-like bulk modulus.

    holds: by volume, with all flags. window: the fit and its choice. bulk_modulus eV/Å³,
    volume0 Å³, density0 amu/Å³; *_std include the choice of window. temperature: K.
    bracketed: whether P = 0 lies between good holds.
    """

    holds: tuple[Hold, ...]
    window: WindowFit
    bulk_modulus: float
    bulk_modulus_std: float
    volume0: float
    volume0_std: float
    density0: float
    density0_std: float
    temperature: float
    bracketed: bool

    def third_order(self) -> BirchMurnaghan:
        """The same points with K₀' free; InputError with fewer than four of them."""
        points = [self.window.points[i] for i in self.window.chosen]
        return fit_third_order(
            np.array([p.volume for p in points]),
            np.array([p.pressure_total for p in points]),
            pressure_std=np.array([p.pressure_std for p in points]),
        )


def preparation_protocol(settings: StrainSweepSettings | None = None) -> Protocol:
    """Minimise the atoms, NVT at the sweep's temperature, and the hold at the first volume."""
    s = settings or StrainSweepSettings()
    segments = (
        Segment(name="minimise", ensemble="minimise"),
        _nvt(s, "prepare", s.preparation),
        _nvt(s, "hold", s.hold),
    )
    return _protocol("strain-sweep preparation", s, segments)


def step_protocol(
    direction: Literal["compression", "expansion"], settings: StrainSweepSettings | None = None
) -> Protocol:
    """A ramp to the next volume, every box length linear in time, and a hold there."""
    s = settings or StrainSweepSettings()
    factor = 1.0 - s.step if direction == "compression" else 1.0 + s.step
    segments = (
        _nvt(s, "ramp", s.ramp, length_ramp=equal_lengths(factor)),
        _nvt(s, "hold", s.hold),
    )
    return _protocol(f"strain-sweep {direction}", s, segments)


def _protocol(name: str, s: StrainSweepSettings, segments: tuple[Segment, ...]) -> Protocol:
    masses = {} if s.deuterium is None else {"H": s.deuterium}
    return Protocol(name=name, segments=segments, masses=masses)


def _nvt(
    s: StrainSweepSettings,
    name: str,
    duration: float,
    length_ramp: tuple[float, float, float] | None = None,
) -> Segment:
    return Segment(
        name=name,
        ensemble="nvt-nhc",
        duration=duration * ps,
        timestep=s.timestep * fs,
        temperature=hold(s.temperature * kelvin),
        length_ramp=length_ramp,
        thermo_every=s.thermo_every * fs,
    )


def next_steps(holds: Sequence[Hold], settings: StrainSweepSettings) -> list[Step]:
    """The steps wanted next, at most one per direction; empty when the sweep is complete.

    Both directions first go `min_steps`. Then towards P = 0 until good holds bracket it, then
    to the side of the zero with fewer good holds until the window is full (`max_points`) and
    fits. A direction ends at `max_steps`, or where its outermost hold has collapsed.
    """
    start = next((h for h in holds if h.direction == "start"), None)
    if start is None:
        raise InputError("the sweep has no hold at its first volume yet: run the preparation")
    open_steps = {
        direction: _next_in(direction, holds, start.volume, settings)
        for direction in ("compression", "expansion")
    }
    short = [
        step
        for step in open_steps.values()
        if step is not None and step.number <= settings.min_steps
    ]
    if short:
        return short
    wanted = _wanted_direction(holds, start.volume, settings)
    if wanted is None:
        return []
    step = open_steps[wanted]
    if step is None and _holds_both_signs(holds) and len(holds) < settings.window.max_points + 2:
        # This side of the zero has broken down; the other may still fill the window.
        step = open_steps["expansion" if wanted == "compression" else "compression"]
    return [step] if step is not None else []


def _next_in(
    direction: str, holds: Sequence[Hold], start_volume: float, settings: StrainSweepSettings
) -> Step | None:
    done = [h.number for h in holds if h.direction == direction]
    number = max(done, default=0) + 1
    if number > settings.max_steps:
        return None
    marked = _marked(holds, start_volume)
    ends = marked[:1] if direction == "compression" else marked[-1:]
    collapsed = {"phase change", "broken linkers", "lost coordination"}
    if done and ends and collapsed & set(ends[0].flags):
        return None
    return Step("compression" if direction == "compression" else "expansion", number)


def _wanted_direction(
    holds: Sequence[Hold], start_volume: float, settings: StrainSweepSettings
) -> str | None:
    good = [p for p in _marked(holds, start_volume) if not p.flags]
    above = sum(p.pressure_total > 0 for p in good)
    below = len(good) - above
    if below == 0:
        return "expansion"
    if above == 0:
        return "compression"
    try:
        window = fit_window(_points(holds), start_volume=start_volume, settings=settings.window)
    except InputError:
        window = None
    full = window is not None and len(window.chosen) == settings.window.max_points
    if window is not None and full and window.fits and window.contains_zero:
        return None
    # Enough points to choose a full window from, and still none: more of them will not help.
    if min(above, below) >= settings.window.max_points:
        return None
    return "compression" if above < below else "expansion"


def _holds_both_signs(holds: Sequence[Hold]) -> bool:
    return len({h.pressure_total > 0 for h in holds if not h.flags}) == 2


def _points(holds: Sequence[Hold]) -> list[Point]:
    ordered = sorted(holds, key=lambda h: h.volume)
    return [Point(h.volume, h.pressure_total, h.pressure_std, h.flags) for h in ordered]


def _marked(holds: Sequence[Hold], start_volume: float) -> list[Point]:
    return mark_phase_changes(_points(holds), start_volume=start_volume)


def analyse_sweep(
    holds: Sequence[Hold], *, mass: float, settings: StrainSweepSettings | None = None
) -> StrainSweep:
    """Fit the equation of state of finished holds; mass of the cell in amu, for the density.

    Raises InputError where no window of three good holds exists, or no hold at the start.
    """
    s = settings or StrainSweepSettings()
    start = next((h for h in holds if h.direction == "start"), None)
    if start is None:
        raise InputError("a sweep needs the hold at its first volume (direction 'start')")
    if not mass > 0:
        raise InputError(f"the mass of the cell must be positive, in amu; got {mass}")
    window = fit_window(_points(holds), start_volume=start.volume, settings=s.window)
    density, fitted = mass / window.volume0, [window.points[i] for i in window.chosen]
    return StrainSweep(
        holds=tuple(sorted(holds, key=lambda h: h.volume)),
        window=window,
        bulk_modulus=window.bulk_modulus,
        bulk_modulus_std=window.bulk_modulus_std,
        volume0=window.volume0,
        volume0_std=window.volume0_std,
        density0=density,
        density0_std=density * window.volume0_std / window.volume0,
        temperature=s.temperature,
        bracketed=fitted[0].pressure_total > 0 > fitted[-1].pressure_total,
    )
