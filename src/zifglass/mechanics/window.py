"""Which points of a P(V) curve an equation of state is fitted to: a stated, automatic rule.

1. A point is out if it carries a flag (see `Point.flags`): a hold that is not stationary, broken
   linkers, lost coordination, or a place beyond a phase change.
2. Phase change: going outwards from the volume where the sweep began, the pressure must rise on
   compression and fall on expansion. The first step that goes the wrong way by more than three
   combined standard errors marks its point and all further out (`phase change`): ZIF-4's
   closed-pore phase shows as a fall of pressure on compression.
3. A candidate is a run of 3 to `max_points` points that are neighbours in volume with no flagged
   one among them, whose pressures fall with volume within two combined errors per step.
4. Candidates that hold P = 0 between their ends (within errors) go before those that do not;
   then those that the curve fits, χ² probability at least `min_probability`, before those that
   it does not; then more points before fewer; then the smaller |mean pressure|.
5. The standard errors include the choice: to the fit's own variance is added the spread
   Σ w (K − K_chosen)² over all candidates that rank as high in holding P = 0, with the weights
   w ∝ exp(−½(χ² + 2 n_left_out)) of model averaging (Jay and Neil, DOI
   10.1103/PhysRevD.103.114502).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core.errors import InputError
from zifglass.core.settings import Settings
from zifglass.core.units import GPa

from .equation_of_state import BirchMurnaghan, check_points, fit_second_order

Array = NDArray[np.float64]


class WindowSettings(Settings):
    """How the points of a Birch–Murnaghan fit are chosen."""

    max_points: int = Field(default=5, ge=3, description="Most points in the window.")
    min_probability: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="A window fits when a χ² as large as its own has at least this probability.",
    )


@dataclass(frozen=True)
class Point:
    """One volume of a P(V) curve.

    volume: Å³. pressure_total and pressure_std: eV/Å³, mean and standard error. flags: why the
    point is kept out of a fit; empty for a good one.
    """

    volume: float
    pressure_total: float
    pressure_std: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class WindowFit:
    """A second-order Birch–Murnaghan curve and how its points were chosen.

    points: all, by volume, with their flags. chosen: indices of those fitted. fit: the curve
    whose own errors are of the fit alone; bulk_modulus_std (eV/Å³) and volume0_std (Å³) here
    include the choice of window. candidates: indices, curve and weight of every window
    considered at that rank. contains_zero: whether P = 0 lies inside the window. reason: the
    choice in one sentence.
    """

    points: tuple[Point, ...]
    chosen: tuple[int, ...]
    fit: BirchMurnaghan
    bulk_modulus_std: float
    volume0_std: float
    candidates: tuple[tuple[tuple[int, ...], BirchMurnaghan, float], ...]
    contains_zero: bool
    fits: bool
    reason: str

    @property
    def bulk_modulus(self) -> float:
        """K₀, eV/Å³."""
        return self.fit.bulk_modulus

    @property
    def volume0(self) -> float:
        """V₀, Å³."""
        return self.fit.volume0


def fit_window(
    points: Sequence[Point], *, start_volume: float, settings: WindowSettings | None = None
) -> WindowFit:
    """Choose the window by the rule in the head of this module, and fit it.

    start_volume: Å³, where the sweep began; phase changes are looked for outwards from there.
    Raises InputError when no window of three good points exists, saying why.
    """
    settings = settings or WindowSettings()
    marked = mark_phase_changes(_sorted(points), start_volume=start_volume)
    windows = _candidates(marked, settings)
    if not windows:
        raise InputError(
            f"no bulk modulus from {len(marked)} volume{'s' * (len(marked) > 1)}: at least 3 "
            "neighbouring ones must be stationary, intact and fall in pressure as the volume "
            "grows; " + (_why(marked) if len(marked) >= 3 else "there are not as many yet")
        )
    with_zero = [w for w in windows if _holds_zero(marked, w[0])]
    ranked = with_zero or windows
    total = len(marked)

    def rank(window: tuple[tuple[int, ...], BirchMurnaghan]) -> tuple[bool, int, float]:
        indices, fit = window
        mean = abs(np.mean([marked[i].pressure_total for i in indices]))
        return not _fits(fit, settings), -len(indices), float(mean)

    # Without P = 0 inside, the window nearest to it comes first: extrapolation is the worse evil.
    if not with_zero:
        nearest = min(_distance_to_zero(marked, w[0]) for w in windows)
        ranked = [w for w in windows if _distance_to_zero(marked, w[0]) == nearest]
    chosen, fit = min(ranked, key=rank)
    scores = np.array([-0.5 * (f.chi_squared + 2 * (total - len(i))) for i, f in ranked])
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    spread_k, spread_v = (
        float(weights @ (np.array([getattr(f, name) for _, f in ranked]) - getattr(fit, name)) ** 2)
        for name in ("bulk_modulus", "volume0")
    )
    return WindowFit(
        points=tuple(marked),
        chosen=chosen,
        fit=fit,
        bulk_modulus_std=float(np.sqrt(fit.bulk_modulus_std**2 + spread_k)),
        volume0_std=float(np.sqrt(fit.volume0_std**2 + spread_v)),
        candidates=tuple((i, f, float(w)) for (i, f), w in zip(ranked, weights, strict=True)),
        contains_zero=bool(with_zero),
        fits=_fits(fit, settings),
        reason=_reason(marked, chosen, fit, bool(with_zero), _fits(fit, settings), len(windows)),
    )


def mark_phase_changes(points: Sequence[Point], *, start_volume: float) -> list[Point]:
    """`points`, sorted by volume, with everything beyond a wrong-way step flagged."""
    marked = list(points)
    start = int(np.argmin([abs(p.volume - start_volume) for p in marked]))
    for direction, sign in ((-1, 1.0), (1, -1.0)):
        beyond = False
        at = start
        while 0 <= at + direction < len(marked):
            here, there = marked[at], marked[at + direction]
            rise = sign * (there.pressure_total - here.pressure_total)
            beyond = beyond or rise < -3.0 * _combined(here, there)
            if beyond:
                marked[at + direction] = replace(there, flags=(*there.flags, "phase change"))
            at += direction
    return marked


def _sorted(points: Sequence[Point]) -> list[Point]:
    check_points(
        np.array([p.volume for p in points]),
        np.array([p.pressure_total for p in points]),
        np.array([p.pressure_std for p in points]),
    )
    return sorted(points, key=lambda p: p.volume)


def _combined(a: Point, b: Point) -> float:
    return float(np.hypot(a.pressure_std, b.pressure_std))


def _candidates(
    points: list[Point], settings: WindowSettings
) -> list[tuple[tuple[int, ...], BirchMurnaghan]]:
    found = []
    for size in range(3, settings.max_points + 1):
        for first in range(len(points) - size + 1):
            indices = tuple(range(first, first + size))
            window = [points[i] for i in indices]
            if any(p.flags for p in window) or not _falls(window):
                continue
            try:
                fit = fit_second_order(
                    np.array([p.volume for p in window]),
                    np.array([p.pressure_total for p in window]),
                    pressure_std=np.array([p.pressure_std for p in window]),
                )
            except InputError:
                continue  # no curve through these points: not a candidate
            found.append((indices, fit))
    return found


def _falls(window: list[Point]) -> bool:
    return all(
        b.pressure_total - a.pressure_total < 2.0 * _combined(a, b) for a, b in pairwise(window)
    )


def _holds_zero(points: list[Point], indices: tuple[int, ...]) -> bool:
    small, large = points[indices[0]], points[indices[-1]]
    return small.pressure_total > -small.pressure_std and large.pressure_total < large.pressure_std


def _distance_to_zero(points: list[Point], indices: tuple[int, ...]) -> float:
    return min(abs(points[i].pressure_total) for i in indices)


def _fits(fit: BirchMurnaghan, settings: WindowSettings) -> bool:
    return bool(fit.probability >= settings.min_probability)


def _why(points: list[Point]) -> str:
    flagged = [f"{p.volume:.1f} Å³: {', '.join(p.flags)}" for p in points if p.flags]
    return "; ".join(flagged) if flagged else "their pressures do not fall in order"


def _reason(
    points: list[Point],
    chosen: tuple[int, ...],
    fit: BirchMurnaghan,
    with_zero: bool,
    fits: bool,
    considered: int,
) -> str:
    low, high = points[chosen[0]], points[chosen[-1]]
    text = (
        f"{len(chosen)} of {len(points)} volumes, {low.volume:.1f} to {high.volume:.1f} Å³ "
        f"({low.pressure_total / GPa:+.3f} to {high.pressure_total / GPa:+.3f} GPa), "
        + (f"the best of {considered} windows" if considered > 1 else "the only window")
    )
    text += (
        ", holds P = 0"
        if with_zero
        else "; no admissible window holds P = 0, so V₀ is extrapolated from the nearest one"
    )
    plural = "s" if fit.degrees_of_freedom != 1 else ""
    quality = f"χ² {fit.chi_squared:.2g} for {fit.degrees_of_freedom} degree{plural} of freedom"
    text += (
        f"; {quality}"
        if fits
        else f"; the curve does not fit ({quality}, p = {fit.probability:.1e}), errors enlarged"
    )
    if flagged := [p for p in points if p.flags]:
        text += "; kept out: " + _why(flagged)
    return text
