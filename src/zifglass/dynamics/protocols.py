"""Ready-made protocols. Each is a function from its settings to a `Protocol`; the settings are
pydantic models, where every default, unit and meaning has its home.

Sources: the supplementary information of Castel et al. (Digital Discovery 2024): Table S1 for the
preparation and the liquids, the text for melt–quench and strain sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log
from typing import Any, Final, Literal

from pydantic import Field

from zifglass.core import InputError, Protocol, Segment
from zifglass.core.protocol import Ensemble, equal_lengths, hold
from zifglass.core.settings import Settings, settings_from
from zifglass.core.units import GPa, ps


class Common(Settings):
    """What every protocol has."""

    timestep: float = Field(default=0.5, gt=0, description="Time step, fs.")
    deuterium: float | None = Field(
        default=None, gt=0, description="Mass of hydrogen, amu; 2.0141 (deuterium) allows 1 fs."
    )
    thermostat: Literal["nhc", "csvr"] = Field(
        default="csvr", description="Nosé–Hoover chain, or stochastic velocity rescaling."
    )
    thermostat_damping: float = Field(
        default=100.0, gt=0, description="Thermostat's relaxation time, fs."
    )
    frames_every: float = Field(
        default=100.0, gt=0, description="Time between trajectory frames, fs."
    )


class CrystalPreparation(Common):
    """A crystal brought to another volume in steps of 2 %, each at once and then equilibrated."""

    volume_change: float = Field(
        default=0.02, gt=-0.5, lt=1, description="Final change of volume, 0.02 = +2 %."
    )
    step: float = Field(
        default=0.02, gt=0, lt=0.2, description="Largest relative change of volume at once."
    )
    equilibration: float = Field(default=10.0, ge=10, description="Time at each volume, ps.")
    temperature: float = Field(default=300.0, gt=0, description="Temperature, K.")


class Liquid(Common):
    """A crystal heated until it has molten, hotter where it has not; then the liquid is kept."""

    temperature: float = Field(default=1500.0, gt=0, description="First temperature, K.")
    hotter: float = Field(
        default=1750.0, gt=0, description="Temperature if the first does not melt it, K."
    )
    start_temperature: float = Field(
        default=300.0, gt=0, description="Temperature of the crystal, K."
    )
    heating_rate: float = Field(default=50.0, gt=0, description="Heating rate, K/ps.")
    limit: float = Field(default=100.0, gt=0, description="Longest wait for melting at each, ps.")
    kept: float = Field(default=50.0, gt=0, description="Time for which the liquid is kept, ps.")


class MeltQuench(Common):
    """300 K → T_max → 300 K → equilibration."""

    temperature: float = Field(default=300.0, gt=0, description="Temperature at both ends, K.")
    t_max: float = Field(default=300.0, gt=0, description="Time at the highest temperature, ps.")
    temperature_max: float = Field(default=1500.0, gt=0, description="Highest temperature, K.")
    heating_rate: float = Field(default=5.0, gt=0, description="Heating rate, K/ps.")
    cooling_rate: float = Field(default=5.0, gt=0, description="Cooling rate, K/ps.")
    before: float = Field(default=10.0, gt=0, description="Time of the crystal before heating, ps.")
    equilibration: float = Field(
        default=50.0, gt=0, description="Time of the glass after cooling, ps."
    )
    ensemble: Literal["nvt", "npt-iso", "npt-flexible"] = Field(
        default="nvt", description="NVT at the starting cell, or NPT."
    )
    pressure_total: float = Field(
        default=0.0, description="Pressure in NPT, kinetic part included, GPa."
    )
    barostat_damping: float = Field(
        default=1000.0, gt=0, description="Barostat's relaxation time, fs."
    )


class StrainSweep(Common):
    """Pressures at a ladder of volumes, from the minimised structure outwards."""

    step: float = Field(
        default=0.015, gt=0, lt=0.2, description="Change per step, of the last volume."
    )
    steps_down: int = Field(default=3, ge=0, description="Steps of compression.")
    steps_up: int = Field(default=3, ge=0, description="Steps of expansion.")
    temperature: float = Field(default=300.0, gt=0, description="Temperature, K.")
    preparation: float = Field(default=100.0, gt=0, description="Time at the first volume, ps.")
    ramp: float = Field(default=100.0, gt=0, description="Time of each change of the box, ps.")
    hold: float = Field(default=100.0, gt=0, description="Time at each volume, ps.")


class FlexibleNPT(Common):
    """Constant pressure, the whole triclinic cell free: for fluctuations of volume and strain."""

    temperature: float = Field(default=300.0, gt=0, description="Temperature, K.")
    duration: float = Field(default=5000.0, gt=0, description="Time kept, ps.")
    equilibration: float = Field(default=50.0, gt=0, description="Time before that, ps.")
    pressure_total: float = Field(default=0.0, description="Pressure, kinetic part included, GPa.")
    barostat_damping: float = Field(
        default=1000.0, gt=0, description="Barostat's relaxation time, fs."
    )


def crystal_preparation(settings: CrystalPreparation | None = None) -> Protocol:
    """Successive changes of volume of at most `step`, then equilibration of each."""
    s = settings or CrystalPreparation()
    change = log(1.0 + s.volume_change)
    largest = log(1.0 + s.step) if change > 0 else -log(1.0 - s.step)
    count = max(1, _ceil(abs(change) / largest)) if s.volume_change else 0
    factor = equal_lengths((1.0 + s.volume_change) ** (1.0 / count)) if count else None
    T = hold(s.temperature)
    segments = [_nvt(s, "crystal", s.equilibration, T)]
    segments += [
        _nvt(s, f"volume {i + 1} of {count}", s.equilibration, T, length_jump=factor)
        for i in range(count)
    ]
    return _protocol("crystal-preparation", s, segments)


def liquid(settings: Liquid | None = None) -> Protocol:
    """Heat; wait for melting; where it does not come, heat further and wait; keep the liquid."""
    s = settings or Liquid()
    if not s.start_temperature < s.temperature < s.hotter:
        raise InputError(
            f"liquid heats from {s.start_temperature:g} to {s.temperature:g} and then to "
            f"{s.hotter:g} K: each must be hotter than the one before"
        )
    first = (s.temperature - s.start_temperature) / s.heating_rate
    second = (s.hotter - s.temperature) / s.heating_rate
    segments = [
        _nvt(s, "heat", first, (s.start_temperature, s.temperature)),
        _nvt(s, "melt", s.limit, hold(s.temperature), until="molten"),
        _nvt(s, "heat further", second, (s.temperature, s.hotter), when="not-molten"),
        _nvt(s, "melt hotter", s.limit, hold(s.hotter), when="not-molten", until="molten"),
        _nvt(s, "liquid", s.kept, None, when="molten"),
    ]
    return _protocol("liquid", s, segments)


def melt_quench(settings: MeltQuench | None = None) -> Protocol:
    """Hold the crystal, heat, hold the liquid for t_max, cool, hold the glass."""
    s = settings or MeltQuench()
    if s.temperature_max <= s.temperature:
        raise InputError(
            f"melt-quench heats from {s.temperature:g} K to a higher temperature; got "
            f"{s.temperature_max:g} K"
        )
    low, high = s.temperature, s.temperature_max
    stages = (
        ("crystal", s.before, hold(low)),
        ("heat", (high - low) / s.heating_rate, (low, high)),
        ("melt", s.t_max, hold(high)),
        ("quench", (high - low) / s.cooling_rate, (high, low)),
        ("glass", s.equilibration, hold(low)),
    )
    if s.ensemble == "nvt":
        segments = [_nvt(s, name, time, T) for name, time, T in stages]
    else:
        segments = [
            _npt(s, name, time, T, s.ensemble, s.pressure_total, s.barostat_damping)
            for name, time, T in stages
        ]
    return _protocol("melt-quench", s, segments)


def strain_sweep(settings: StrainSweep | None = None) -> Protocol:
    """Minimise, prepare, then ramp and hold: down in volume from the first, back, and up.

    Both directions start from the first volume: after the compression one ramp of the same
    length leads back to it.
    """
    s = settings or StrainSweep()
    if not s.steps_down + s.steps_up:
        raise InputError("a strain sweep needs at least one step up or down")
    T = hold(s.temperature)
    segments = [
        Segment(name="minimise", ensemble="minimise"),
        _nvt(s, "prepare", s.preparation, T),
    ]
    for label, sign, count in (("down", -1, s.steps_down), ("up", 1, s.steps_up)):
        factor = equal_lengths(1.0 + sign * s.step)
        for i in range(1, count + 1):
            segments.append(_nvt(s, f"ramp {label} {i}", s.ramp, T, length_ramp=factor))
            segments.append(_nvt(s, f"hold {label} {i}", s.hold, T))
        if label == "down" and count and s.steps_up:
            back = equal_lengths((1.0 - s.step) ** -count)
            segments.append(_nvt(s, "ramp back", s.ramp, T, length_ramp=back))
            segments.append(_nvt(s, "hold back", s.hold, T))
    return _protocol("strain-sweep", s, segments)


def flexible_npt(settings: FlexibleNPT | None = None) -> Protocol:
    """Equilibrate and keep a run in the flexible-cell NPT ensemble."""
    s = settings or FlexibleNPT()
    segments = [
        _npt(
            s, name, time, hold(s.temperature), "npt-flexible", s.pressure_total, s.barostat_damping
        )
        for name, time in (("equilibrate", s.equilibration), ("keep", s.duration))
    ]
    return _protocol("flexible-npt", s, segments)


builders: Final[dict[str, tuple[type[Common], Callable[[Any], Protocol]]]] = {
    "crystal-preparation": (CrystalPreparation, crystal_preparation),
    "liquid": (Liquid, liquid),
    "melt-quench": (MeltQuench, melt_quench),
    "strain-sweep": (StrainSweep, strain_sweep),
    "flexible-npt": (FlexibleNPT, flexible_npt),
}
"""Name → (settings, function)."""


def named_protocol(name: str, *, changes: Iterable[str] = ()) -> Protocol:
    """A ready-made protocol by name; `changes` of the form ``setting=value``.

    Raises InputError on an unknown name or setting, and on values out of range.
    """
    if name not in builders:
        raise InputError(
            f"no ready-made protocol {name!r}; there are {', '.join(builders)}, or give a YAML file"
        )
    model, build = builders[name]
    return build(settings_from(model, changes=changes))


def _protocol(name: str, s: Common, segments: list[Segment]) -> Protocol:
    masses = {} if s.deuterium is None else {"H": s.deuterium}
    return Protocol(name=name, segments=tuple(segments), masses=masses)


def _nvt(
    s: Common, name: str, time: float, temperature: tuple[float, float] | None, **changes: Any
) -> Segment:
    return _segment(s, name, time, temperature, f"nvt-{s.thermostat}", changes)


def _npt(
    s: Common,
    name: str,
    time: float,
    temperature: tuple[float, float],
    cell: Literal["npt-iso", "npt-flexible"],
    pressure: float,
    damping: float,
) -> Segment:
    kind = cell if s.thermostat == "nhc" else f"{cell}-csvr"
    changes = {"pressure_total": pressure * GPa, "barostat_damping": damping}
    return _segment(s, name, time, temperature, kind, changes)


def _segment(
    s: Common,
    name: str,
    time: float,
    temperature: tuple[float, float] | None,
    ensemble: Ensemble | str,
    changes: dict[str, Any],
) -> Segment:
    steps = _ceil(time * ps / s.timestep - 1e-6)
    return Segment(
        name=name,
        ensemble=ensemble,  # type: ignore[arg-type]
        duration=steps * s.timestep,
        timestep=s.timestep,
        temperature=temperature,
        thermostat_damping=s.thermostat_damping,
        frames_every=s.frames_every,
        thermo_every=max(1, round(10.0 / s.timestep)) * s.timestep,
        monitor_every=s.frames_every,
        **changes,
    )


def _ceil(value: float) -> int:
    whole = round(value)
    return whole if abs(value - whole) < 1e-9 else int(value) + 1
