"""Every published number beside ours: where ours is found, and what must be said with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite, sqrt
from typing import Final

import numpy as np

from zifglass.core import Quantity

from ..published import Comparison, Glasses, Ours, Published, PublishedValue, compare, not_run
from . import protocols as p
from .found import Found, Missing
from .stages import WINDOW

_NAMES: Final = {"S5": "coordination", "S6": "porous_volume"}


def comparisons(published: Published, found: Found) -> list[Comparison]:
    """One per published number, in the order of the tables; two where ab initio trajectories were
    given for what our potential computes too."""
    return [one for value in published.values() for one in _comparisons(value, found)]


def _comparisons(value: PublishedValue, found: Found) -> list[Comparison]:
    if f"table-{value.table}" not in found.plan.only:
        return [not_run(value, "not asked for (--only)")]
    results = []
    for look in _looks[value.table]:
        try:
            results.append(compare(value, look(value, found)))
        except Missing as error:
            results.append(not_run(value, str(error)))
    # A second way that was not gone is no row of its own.
    return [results[0], *(one for one in results[1:] if one.ours is not None)]


def _column(value: PublishedValue) -> str:
    return value.key.rsplit("/", 1)[1]


# --- S1, S2: strained crystals at 1500 K ------------------------------------------------------


def _temperature_of_melting(value: PublishedValue, found: Found) -> Ours:
    key = _column(value)
    stage, b = f"heated/{key}/melting", found.plan.budget
    word = found.quantity(stage, "melting")
    if word.value != "liquid":
        tried = f"{b.heated:g} ps at 1500 K"
        tried += f" and {b.hotter:g} ps at 1750 K" if b.hotter else ", 1750 K is not in this budget"
        raise Missing(f"{word.value} after {tried}: no temperature of melting")
    protocol = p.strained_and_heated(p.volumes[key], b)
    onset = found.quantity(stage, "melting_onset")
    at_first = onset.value <= p.begins(protocol, "plateau") + b.heated
    where = p.HOT if at_first else p.HOTTER
    note = f"melted by our three clocks at {onset.value:.0f} ps of the run; one run"
    return Ours(where, None, "MLP", note=note)


def _coordination_when_hot(value: PublishedValue, found: Found) -> Ours:
    key = _column(value)
    number = found.quantity(f"heated/{key}/last", "coordination")
    note = f"last {WINDOW:g} of {found.plan.budget.heated:g} ps"
    with suppress(Missing):
        note += f", {found.quantity(f'heated/{key}/melting', 'melting').value}"
    return Ours(
        number.value, number.std, "MLP", WINDOW,
        note=f"{note}; when a crystal melts is chance, one run each",
    )  # fmt: skip


def _aimd_when_hot(value: PublishedValue, found: Found) -> Ours:
    role = {"m4": "volume-4", "m2": "volume-2", "p0": "volume0", "p2": "volumep2"}
    return _of_stages(found, f"aimd/{role[_column(value)]}*", "coordination", "AIMD")


# --- S3: errors ------------------------------------------------------------------------------


def _against_labels(value: PublishedValue, found: Found) -> Ours:
    if _column(value) != "l0":
        raise Missing("the potential trained with this λσ was not deposited")
    try:
        number = found.quantity("label-errors", value.key.split("/")[1])
    except Missing as error:
        raise Missing(
            f"needs labelled frames of the liquids that were not trained on: {error}"
        ) from None
    note = "of the frames given, which may not be the published test set"
    return Ours(number.value, number.std, "training", note=note)


# --- S4, S7: strain sweeps -------------------------------------------------------------------


def _sweep(value: PublishedValue, found: Found) -> Ours:
    column = _column(value)
    if value.table == "S4" and column != "l0":
        return _modulus(value, found, f"sweep/{column}", found.plan.budget.hold)
    if column == "super":
        return _modulus(value, found, "sweep/supercell", found.plan.budget.large_hold)
    return _modulus(value, found, "sweep/single", found.plan.budget.hold)


def _modulus(value: PublishedValue, found: Found, stage: str, hold: float) -> Ours:
    name = "bulk_modulus" if value.key.split("/")[1] == "K" else "density_at_zero_pressure"
    number = found.quantity(stage, name)
    note = found.quantity(stage, "bulk_modulus").note or ""
    return Ours(number.value, number.std, "MLP", hold, note=f"window: {note}" if note else "")


# --- S5, S6: three phases --------------------------------------------------------------------


def _phase(value: PublishedValue, found: Found) -> Ours:
    name, column = _NAMES[value.table], _column(value)
    if value.by == "AIMD":
        if column == "glass":
            return _aimd_glass(found, name)
        return _of_stages(found, f"aimd/{column}*", name, "AIMD")
    if column == "crystal":
        return _of_stages(found, "crystal/structure", name, "MLP")
    if column == "liquid":
        return _liquid(found, name)
    ours = _of_stages(found, "ab-initio-glass/*/structure", name, "MLP", glasses=True)
    return replace(ours, note=_joined(ours.note, "300 K dynamics from the published structures"))


def _liquid(found: Found, name: str) -> Ours:
    b = found.plan.budget
    try:
        melted, remark = found.molten("melt-quench/*/liquid")
    except Missing as error:
        raise Missing(f"no liquid after {b.melt + b.melt_step:g} ps at 1500 K: {error}") from None
    numbers = [found.quantity(stage, name) for stage in melted]
    where = "second half of the 1500 K plateau at the crystal's volume"
    return Ours(*_mean(numbers), by="MLP", note=_joined(remark, where))


def _aimd_glass(found: Found, name: str) -> Ours:
    if found.plan.names("aimd/glass*"):
        return _of_stages(found, "aimd/glass*", name, "AIMD", glasses=True)
    ours = _of_stages(found, "as-published/*", name, "AIMD", glasses=True)
    return replace(ours, note=_joined(ours.note, "the published structures, one frame each"))


def _of_stages(found: Found, pattern: str, name: str, by: str, *, glasses: bool = False) -> Ours:
    stages, remark = found.all_of(pattern)
    numbers = [found.quantity(stage, name) for stage in stages]
    value, std = _mean(numbers)
    if not glasses:
        return Ours(value, std, by, note=remark)
    values = [number.value for number in numbers]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    # The structure of one frame is exact.
    own = std if std is not None else 0.0
    return Ours(value, own, by, glasses=Glasses(len(values), spread, same=True), note=remark)


def _mean(numbers: Sequence[Quantity]) -> tuple[float, float | None]:
    """Mean of equals and its error from each one's own."""
    value = float(np.mean([number.value for number in numbers]))
    stds = [number.std for number in numbers]
    if any(std is None or not isfinite(std) for std in stds):
        return value, None
    return value, sqrt(sum(std**2 for std in stds)) / len(stds)


# --- S8: fluctuations ------------------------------------------------------------------------

_of_row: Final = {
    "K-volume": "bulk_modulus_volume",
    "K-elastic": "bulk_modulus_hill",
    "density": "density",
}


def _fluctuations(value: PublishedValue, found: Found) -> Ours:
    b, row = found.plan.budget, value.key.split("/")[1]
    note = "Hill's average" if row == "K-elastic" else ""
    if _column(value) == "crystal":
        ours = _of_stages(found, "npt/crystal/moduli", _of_row[row], "MLP")
        return replace(ours, sampled=b.npt_crystal, note=_joined(ours.note, note))
    ours = _of_stages(found, "npt/glass-*/moduli", _of_row[row], "MLP", glasses=True)
    return replace(ours, sampled=b.npt_glass, note=_joined(ours.note, note))


def _joined(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)


Look = Callable[[PublishedValue, Found], Ours]
_looks: Final[dict[str, tuple[Look, ...]]] = {
    "S1": (_temperature_of_melting,),
    "S2": (_coordination_when_hot, _aimd_when_hot),
    "S3": (_against_labels,),
    "S4": (_sweep,),
    "S5": (_phase,),
    "S6": (_phase,),
    "S7": (_sweep,),
    "S8": (_fluctuations,),
}
