"""One hold of a strain sweep: the total pressure at one volume, and whether it may be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.analysis import LinkerSettings, broken_linkers, coordination
from zifglass.analysis.linker_settings import NO_OTHERS, is_default
from zifglass.core.errors import InputError
from zifglass.core.settings import Settings
from zifglass.core.statistics import mean_of_series
from zifglass.core.trajectory import Trajectory
from zifglass.core.units import GPa, kB

from .sampling import trend
from .window import WindowSettings

Array = NDArray[np.float64]
Direction = Literal["start", "compression", "expansion"]


class StrainSweepSettings(Settings):
    """A ladder of volumes at one temperature."""

    step: float = Field(
        default=0.015, gt=0, lt=0.1, description="Relative change of volume per step."
    )
    temperature: float = Field(default=300.0, gt=0, description="Temperature, K.")
    preparation: float = Field(
        default=100.0, gt=0, description="Time at the first volume before its hold, ps."
    )
    ramp: float = Field(default=100.0, gt=0, description="Time of each change of the box, ps.")
    hold: float = Field(default=100.0, gt=0, description="Time at each volume, ps.")
    timestep: float = Field(default=0.5, gt=0, description="Time step, fs.")
    deuterium: float | None = Field(
        default=None, gt=0, description="Mass of hydrogen, amu; 2.0141 (deuterium) allows 1 fs."
    )
    thermo_every: float = Field(default=10.0, gt=0, description="Time between pressures, fs.")
    min_steps: int = Field(
        default=2, ge=1, description="Fewest steps in each direction, unless it breaks down."
    )
    max_steps: int = Field(default=8, ge=1, description="Most steps in each direction.")
    coordination_drop: float = Field(
        default=0.15, gt=0, description="Loss of Zn-N coordination that flags a hold."
    )
    linkers: LinkerSettings = Field(
        default=LinkerSettings(),
        exclude_if=is_default,
        description="Which linkers must stay whole in a hold.",
    )
    window: WindowSettings = Field(default=WindowSettings(), description="Which points are fitted.")


@dataclass(frozen=True)
class Hold:
    """The pressure at one volume.

    direction, number: which step (start, 0: the preparation). volume: Å³. pressure_total,
    pressure_std: eV/Å³, mean and its standard error, correlation included. n_independent:
    samples. drift: of the pressure over the hold, in standard errors. temperature: K, mean,
    None if not given. coordination: mean of the hold, None if not given. flags: why it is not
    to be fitted.
    """

    direction: Direction
    number: int
    volume: float
    pressure_total: float
    pressure_std: float
    n_independent: float
    drift: float
    temperature: float | None
    coordination: float | None
    flags: tuple[str, ...]


def total_pressure_of(columns: Mapping[str, Array], *, n_atoms: int | None = None) -> Array:
    """The TOTAL pressure (lines,), eV/Å³, from the columns of a thermo table.

    Takes ``pressure_total_GPa``; or ``pressure_virial_GPa`` with ``temperature_K``,
    ``volume_A3`` and `n_atoms`, adding N k_B T/V (0.26 GPa in ZIF-4 at 300 K, 15 % of K).
    Raises InputError for a pressure of unknown kind: guessing wrong shifts the density.
    """
    if "pressure_total_GPa" in columns:
        return np.asarray(columns["pressure_total_GPa"], dtype=float) * GPa
    if "pressure_virial_GPa" in columns:
        missing = [name for name in ("temperature_K", "volume_A3") if name not in columns]
        if missing or n_atoms is None:
            raise InputError(
                "a virial pressure lacks the kinetic part N k_B T/V; to add it, give "
                + " and ".join([*missing, *(["the number of atoms"] if n_atoms is None else [])])
            )
        kinetic = n_atoms * kB * columns["temperature_K"] / columns["volume_A3"]
        return np.asarray(columns["pressure_virial_GPa"] * GPa + kinetic)
    found = [name for name in columns if "press" in name.lower()]
    raise InputError(
        (f"column {found[0]!r} is a pressure of unknown kind" if found else "no pressure column")
        + ": name it pressure_total_GPa (kinetic part included, like LAMMPS's Press) or "
        "pressure_virial_GPa (without it)"
    )


def hold_from_series(
    pressure_total: Array,
    *,
    volume: float,
    settings: StrainSweepSettings,
    direction: Direction = "start",
    number: int = 0,
    temperature: Array | None = None,
    coordination: float | None = None,
    coordination_at_start: float | None = None,
    broken_fraction: float | None = None,
) -> Hold:
    """A `Hold` from the total pressures of one hold (samples,), eV/Å³, evenly spaced in time.

    volume: Å³. temperature (samples,): K, checked against the settings. coordination, of the
    hold and of the start; broken_fraction of linkers: flag structural collapse where given.
    A hold is ``not stationary`` when its pressure drifts by more than four standard errors, and
    ``too short`` with fewer than ten independent samples. Raises InputError on another
    temperature than the settings state.
    """
    series = np.asarray(pressure_total, dtype=float)
    if series.ndim != 1 or len(series) < 10:
        raise InputError(
            f"a hold needs at least 10 pressures for an error bar; got shape {series.shape}"
        )
    if not np.isfinite(series).all():
        raise InputError(
            f"pressure {int(np.argmin(np.isfinite(series)))} of the hold at {volume:.1f} Å³ is not "
            "finite"
        )
    mean = mean_of_series(series)
    if not mean.std > 0:
        raise InputError(
            f"the {len(series)} pressures of the hold at {volume:.1f} Å³ do not fluctuate: "
            "instantaneous pressures are needed, no averages"
        )
    independent, (_, score) = len(series) / mean.inefficiency, trend(series)
    measured = None
    if temperature is not None:
        measured = _checked_temperature(np.asarray(temperature, dtype=float), settings, volume)
    flags = []
    if independent < 10:
        flags.append("too short")
    if abs(score) > 4.0:
        flags.append("not stationary")
    lowest = (coordination_at_start or 0.0) - settings.coordination_drop
    if coordination is not None and coordination < lowest:
        flags.append("lost coordination")
    if broken_fraction is not None and broken_fraction > 0:
        flags.append("broken linkers")
    return Hold(
        direction=direction,
        number=number,
        volume=volume,
        pressure_total=mean.mean,
        pressure_std=mean.std,
        n_independent=independent,
        drift=score,
        temperature=measured,
        coordination=coordination,
        flags=tuple(flags),
    )


def _checked_temperature(series: Array, settings: StrainSweepSettings, volume: float) -> float:
    found = mean_of_series(series)
    off = abs(found.mean - settings.temperature)
    if off > 0.02 * settings.temperature and off > 4.0 * found.std:
        raise InputError(
            f"the sweep is stated at {settings.temperature:g} K, but the hold at {volume:.1f} Å³ "
            f"ran at {found.mean:.1f} ± {found.std:.1f} K"
        )
    return found.mean


def hold_from_thermo(
    columns: Mapping[str, Array],
    *,
    settings: StrainSweepSettings,
    direction: Direction = "start",
    number: int = 0,
    n_atoms: int | None = None,
    structure: StructuralState | None = None,
    structure_at_start: StructuralState | None = None,
) -> Hold:
    """A `Hold` from the thermo table of a run whose LAST segment is the hold.

    columns: ``volume_A3``, ``temperature_K``, a pressure (`total_pressure_of`) and, where the
    run has several segments, ``segment``. structure, structure_at_start: see
    `structural_state`.
    """
    missing = [name for name in ("volume_A3", "temperature_K") if name not in columns]
    if missing:
        raise InputError(f"the thermo table of a hold lacks the column {missing[0]}")
    if len(columns["volume_A3"]) == 0:
        raise InputError("the thermo table of this hold is empty: the run has not reached it")
    segment = columns.get("segment", np.zeros(len(columns["volume_A3"])))
    last = segment == segment[-1]
    volume = columns["volume_A3"][last]
    if np.ptp(volume) > 1e-6 * volume.mean():
        raise InputError(
            f"the volume changes during the hold ({volume.min():.2f} to {volume.max():.2f} Å³): "
            "a hold keeps its box (NVT); this is a ramp or an NPT run"
        )
    return hold_from_series(
        total_pressure_of(columns, n_atoms=n_atoms)[last],
        volume=float(volume.mean()),
        settings=settings,
        direction=direction,
        number=number,
        temperature=columns["temperature_K"][last],
        coordination=None if structure is None else structure.coordination,
        coordination_at_start=None
        if structure_at_start is None
        else (structure_at_start.coordination),
        broken_fraction=None if structure is None else structure.broken_fraction,
    )


@dataclass(frozen=True)
class StructuralState:
    """Mean Zn-N coordination and mean broken fraction of linkers; None without Zn and N or without
    frames, the fraction also where the linkers looked for do not make up the composition."""

    coordination: float | None
    broken_fraction: float | None


def structural_state(
    frames: Trajectory, *, linkers: LinkerSettings = NO_OTHERS, most: int = 20
) -> StructuralState:
    """Of the frames of a hold, of which at most `most`, evenly spread, are looked at."""
    if not len(frames) or not {7, 30} <= set(frames.numbers.tolist()):
        return StructuralState(None, None)
    looked_at = frames[:: max(1, -(-len(frames) // most))]
    try:
        expected = linkers.find(frames[0]).expected
    except InputError:
        broken = None
    else:
        broken = broken_linkers(looked_at, graphs=linkers.graphs, expected=expected).mean
    return StructuralState(coordination(looked_at).mean, broken)
