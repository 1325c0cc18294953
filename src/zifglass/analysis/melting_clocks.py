"""Three clocks of melting, lost bonds, displacement, ring counts, and the verdict they agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core import Verdict
from zifglass.core.settings import Settings
from zifglass.core.units import ps

from .network import NetworkSettings

Array = NDArray[np.float64]


class MeltingSettings(Settings):
    """How long is persistent, and how far is far."""

    network: NetworkSettings = Field(
        default_factory=NetworkSettings, description="what counts as a bond"
    )
    block: float = Field(
        default=1.0, gt=0, description="ps over which positions and bonds are averaged"
    )
    persistence: int = Field(
        default=5, ge=1, description="blocks a bond must be away to count as lost for good"
    )
    minimum_time: float = Field(
        default=10.0, gt=0, description="ps to be seen before a verdict is given"
    )
    lost_solid: float = Field(
        default=0.05, ge=0, description="lost fraction of the crystal's bonds up to which: solid"
    )
    lost_liquid: float = Field(
        default=0.10, gt=0, description="lost fraction of the crystal's bonds from which: liquid"
    )
    moved_solid: float = Field(
        default=0.10,
        ge=0,
        description="rms displacement of the metals beyond the plateau, in nearest metal–metal "
        "distances, up to which: solid",
    )
    moved_liquid: float = Field(
        default=0.20, gt=0, description="the same, from which: liquid (a Lindemann ratio)"
    )
    rings_solid: float = Field(
        default=0.25, ge=0, description="relative change of the ring counts up to which: solid"
    )
    rings_liquid: float = Field(
        default=0.50, gt=0, description="relative change of the ring counts from which: liquid"
    )
    ring_size: int = Field(default=8, ge=2, description="largest ring watched, in metal atoms")
    broken_limit: float = Field(
        default=0.05, ge=0, description="broken fraction of linkers above which rings abstain"
    )
    max_windows: int = Field(
        default=4096, ge=16, description="points of history kept; then neighbours are merged"
    )


@dataclass(frozen=True, eq=False)
class History:
    """What a monitor saw, window by window (windows,); a window starts at `times` (fs).

    coordination: mean over metals, in the window's first block. lost: fraction of the crystal's
    metal–linker bonds that are away in every block of the window. msd: mean square displacement
    of the metals' block-averaged positions from the reference, drift removed, Å². rings: relative
    change of the ring counts of the persistent network, NaN where they abstain. ring_counts
    (windows, sizes): rings of 2 … ring_size metals per cell. broken: fraction of the reference's
    linkers. metal_distance: nearest metal–metal distance of the reference, Å. observed: fs.
    """

    times: Array
    coordination: Array
    lost: Array
    msd: Array
    rings: Array
    broken: Array
    ring_counts: Array
    reference_rings: Array
    metal_distance: float
    observed: float
    start: float


@dataclass(frozen=True, eq=False)
class Clock:
    """One of the three: `values` (windows,) at `times` (fs), 0 at the solid and 1 at the liquid
    level of `levels`. reading: −1 abstains, 0 solid, 1 liquid, between otherwise, from the last
    three windows; for 0 the very last must be solid too. onset: fs,
    when it last stood at the solid level before it passed the liquid one; None if it has not."""

    name: str
    label: str
    times: Array
    values: Array
    levels: tuple[float, float]
    reading: float
    onset: float | None


@dataclass(frozen=True, eq=False)
class Melting:
    """The verdict (solid, liquid, undecided), when the liquid began, and the three clocks.

    onset ± onset_std: fs in the trajectory's own time, None unless liquid; the std is half the
    spread of the clocks and the block length together. onset_before_start: it had left the
    crystal before the first window. clocks: coordination, msd, rings, for the figure.
    """

    verdict: Verdict
    onset: float | None
    onset_std: float | None
    onset_before_start: bool
    clocks: tuple[Clock, Clock, Clock]
    history: History
    settings: MeltingSettings


def judge(history: History, settings: MeltingSettings) -> Melting:
    """The verdict on a history. Two clocks must agree, and the bonds' must be one of them."""
    clocks = (_coordination(history, settings), _msd(history, settings), _rings(history, settings))
    coordination = clocks[0].reading
    votes = [clock.reading for clock in clocks if clock.reading >= 0]
    enough = history.observed >= settings.minimum_time * ps and len(history.times) > 0
    onset = spread = None
    early = False
    if enough and coordination == 1 and votes.count(1) >= 2:
        onset, spread, early = _onset(clocks, settings)
        word, confidence = "liquid", float(np.mean(votes))
    elif enough and coordination == 0 and votes.count(0) >= 2:
        word, confidence = "solid", 1.0 - float(np.mean(votes))
    else:
        word, confidence = "undecided", 0.0
    # Weight of time: what happens once in minimum_time is seen with this probability.
    confidence *= 1.0 - float(np.exp(-history.observed / (settings.minimum_time * ps)))
    verdict = Verdict(word, _sentence(word, history, settings, onset, spread, early), confidence)
    return Melting(verdict, onset, spread, early, clocks, history, settings)


def _coordination(history: History, settings: MeltingSettings) -> Clock:
    levels = (settings.lost_solid, settings.lost_liquid)
    return _clock("coordination", "crystal bonds lost", history.times, history.lost, levels)


def _msd(history: History, settings: MeltingSettings) -> Clock:
    low, high = (
        (ratio * history.metal_distance) ** 2
        for ratio in (settings.moved_solid, settings.moved_liquid)
    )
    # The vibrational plateau: where the run began, but no more than a solid may show.
    first = history.msd[: settings.persistence]
    plateau = min(float(np.median(first)), low) if len(first) else 0.0
    levels = (low + plateau, high + plateau)
    return _clock("msd", "metal displacement² (Å²)", history.times, history.msd, levels)


def _rings(history: History, settings: MeltingSettings) -> Clock:
    levels = (settings.rings_solid, settings.rings_liquid)
    return _clock("rings", "change of ring counts", history.times, history.rings, levels)


def _clock(
    name: str, label: str, times: Array, values: Array, levels: tuple[float, float]
) -> Clock:
    known = np.isfinite(values)
    if not known.any() or not known[-1]:
        return Clock(name, label, times, values, levels, -1.0, None)
    solid, liquid = levels
    recent, latest = (
        float(np.clip((value - solid) / (liquid - solid), 0.0, 1.0))
        for value in (np.median(values[known][-3:]), values[known][-1])
    )
    # One that has only just left the solid level no longer says solid, and not yet liquid.
    reading = recent or min(latest, 0.5)
    onset = None
    if reading == 1.0:
        above = np.nonzero(known & (values > solid))[0]
        low = np.nonzero(known & (values <= solid))[0]
        low = low[low < above[-1]]  # a last value that dips is chance: the median says liquid
        after = above[above > low[-1]] if len(low) else above
        onset = float(times[after[0]])
    return Clock(name, label, times, values, levels, reading, onset)


def _onset(
    clocks: tuple[Clock, Clock, Clock], settings: MeltingSettings
) -> tuple[float, float, bool]:
    """(onset, std, before the first window?): the median of the clocks that read liquid."""
    onsets = [clock.onset for clock in clocks if clock.onset is not None]
    spread = (max(onsets) - min(onsets)) / 2
    std = float(np.hypot(spread, settings.block * ps / np.sqrt(12)))
    onset = float(np.median(onsets))
    return onset, std, onset <= float(clocks[0].times[0])


def _sentence(
    word: str,
    history: History,
    settings: MeltingSettings,
    onset: float | None,
    spread: float | None,
    early: bool,
) -> str:
    seen = history.observed / ps
    if not len(history.times) or seen < settings.minimum_time:
        return (
            f"undecided: {seen:.1f} ps seen, {settings.minimum_time:g} ps are needed "
            "to tell a melt from a vibration"
        )
    facts = (
        f"{100 * history.lost[-1]:.0f} % of the crystal's bonds gone for good, metals "
        f"{np.sqrt(history.msd[-1]):.2f} Å from their sites, "
        + (
            f"rings abstain ({100 * history.broken[-1]:.0f} % of the linkers broken)"
            if np.isnan(history.rings[-1])
            else f"ring counts changed by {100 * history.rings[-1]:.0f} %"
        )
        + f", coordination {history.coordination[-1]:.2f}"
    )
    if onset is None or spread is None:
        return f"{word} over {seen:.1f} ps: {facts}"
    since = "before the first window" if early else f"{onset / ps:.1f} ± {spread / ps:.1f} ps"
    return f"liquid since {since}: {facts}"
