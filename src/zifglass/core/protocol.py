"""What a run is asked to do: segments, one after another. Data, no behaviour.

Units are the inner ones: fs, K, eV/Å³ (``0.1 * units.GPa``), eV/Å, amu. An impossible segment
cannot be made: `Segment` and `Protocol` raise InputError with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor, isfinite
from typing import Final, Literal, get_args

from .errors import InputError
from .units import GPa, fs

Ensemble = Literal[
    "minimise",
    "minimise-cell",
    "nve",
    "nvt-nhc",
    "nvt-csvr",
    "npt-iso",
    "npt-iso-csvr",
    "npt-flexible",
    "npt-flexible-csvr",
]
Lengths = tuple[float, float, float]

ensembles: Final[tuple[str, ...]] = get_args(Ensemble)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One stretch of a protocol.

    name: free text, unique within its protocol.
    ensemble: ``minimise`` (atoms), ``minimise-cell`` (atoms and cell), ``nve``, ``nvt-nhc``
        (Nosé–Hoover chain), ``nvt-csvr`` (stochastic velocity rescaling), ``npt-iso`` and
        ``npt-flexible`` (Martyna–Tobias–Klein with chains; the flexible one lets the whole
        triclinic cell move), ``npt-iso-csvr`` and ``npt-flexible-csvr`` (the same barostats,
        stochastic thermostats).
    duration: fs; the limit where `until` is given; 0 for a minimisation.
    timestep: fs.
    temperature: (start, end), K, linear in time; equal for a hold. None with a thermostat: hold
        at the temperature the protocol has reached. In ``nve`` it only sets the velocities of
        atoms at rest. Wherever atoms are at rest when dynamics starts (at the beginning, after a
        minimisation) their velocities are drawn from Maxwell–Boltzmann at `start`.
    pressure_total: eV/Å³; the NPT target, or the pressure a ``minimise-cell`` works against.
    thermostat_damping, barostat_damping: fs, τ in Q = N_f k_B T τ² and W = (N_f + 3) k_B T τ².
    length_ramp: factor by which the length of each cell vector has changed at the end of the
        segment; each length is linear in time, atoms move affinely with the box.
    length_jump: the same change made at once, before the segment's first step.
    until: ``molten`` ends the segment on the melting monitor's verdict "liquid", or at `duration`.
    when: ``molten`` or ``not-molten``: run this segment only if the verdict is so at its start.
    frames_every, thermo_every, monitor_every: fs between trajectory frames, lines of the thermo
        table, and looks of the monitors; whole multiples of `timestep`. They count from the start
        of the run, not of the segment: its frames stay evenly spaced wherever segments end.
    force_tolerance: eV/Å, the largest force component left by a minimisation; stress_tolerance:
        eV/Å³, the same for the stress of ``minimise-cell``; max_iterations: its limit.
    """

    name: str
    ensemble: Ensemble
    duration: float = 0.0
    timestep: float = 0.5 * fs
    temperature: tuple[float, float] | None = None
    pressure_total: float | None = None
    thermostat_damping: float = 100.0 * fs
    barostat_damping: float = 1000.0 * fs
    length_ramp: Lengths | None = None
    length_jump: Lengths | None = None
    until: Literal["molten"] | None = None
    when: Literal["molten", "not-molten"] | None = None
    frames_every: float = 100.0 * fs
    thermo_every: float = 10.0 * fs
    monitor_every: float = 100.0 * fs
    force_tolerance: float = 0.01
    stress_tolerance: float = 0.01 * GPa
    max_iterations: int = 2000

    def __post_init__(self) -> None:
        if self.ensemble not in ensembles:
            raise self._error(f"no ensemble {self.ensemble!r}; there are {', '.join(ensembles)}")
        for name in ("until", "when"):
            allowed = ("molten",) if name == "until" else ("molten", "not-molten")
            if getattr(self, name) not in (None, *allowed):
                raise self._error(
                    f"{name} is one of {', '.join(allowed)}; got {getattr(self, name)!r}"
                )
        self._check_positive()
        if self.is_minimisation:
            self._check_minimisation()
        else:
            self._check_dynamics()
        for name in ("length_ramp", "length_jump"):
            self._check_lengths(name)
        if self.is_npt and self.length_ramp is not None:
            raise self._error(
                "a length ramp and a barostat contradict each other; ramp the box in NVE or NVT"
            )
        if self.is_npt and self.pressure_total is None:
            raise self._error("an NPT segment needs pressure_total, its target")
        if self.pressure_total is not None:
            if not (self.is_npt or self.ensemble == "minimise-cell"):
                raise self._error(
                    f"a pressure was given but {self.ensemble} keeps the cell as it is; "
                    "use npt-iso or npt-flexible, or leave pressure_total out"
                )
            if not isfinite(self.pressure_total):
                raise self._error(f"pressure_total must be finite; got {self.pressure_total}")

    @property
    def is_minimisation(self) -> bool:
        return self.ensemble in ("minimise", "minimise-cell")

    @property
    def is_npt(self) -> bool:
        return self.ensemble.startswith("npt")

    @property
    def has_thermostat(self) -> bool:
        return not self.is_minimisation and self.ensemble != "nve"

    @property
    def n_steps(self) -> int:
        """Time steps until the end (or the limit) of the segment; 0 for a minimisation."""
        return round(self.duration / self.timestep)

    def stride(self, which: Literal["frames", "thermo", "monitor"]) -> int:
        """Steps between two frames, thermo lines or looks of the monitors."""
        return round(getattr(self, f"{which}_every") / self.timestep)

    def due(self, which: Literal["frames", "thermo", "monitor"], start: float, end: float) -> int:
        """How many frames, lines or looks fall after `start` and up to `end`, fs since the run
        began."""
        every = getattr(self, f"{which}_every")
        slack = 1e-3 * self.timestep  # times are sums of steps
        return floor((end + slack) / every) - floor((start + slack) / every)

    def _error(self, message: str) -> InputError:
        return InputError(f"segment {self.name!r}: {message}")

    def _check_positive(self) -> None:
        for name in (
            "timestep", "thermostat_damping", "barostat_damping", "frames_every", "thermo_every",
            "monitor_every", "force_tolerance", "stress_tolerance", "max_iterations",
        ):  # fmt: skip
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise self._error(f"{name} must be positive; got {value:g}")
        if not (isfinite(self.duration) and self.duration >= 0):
            raise self._error(f"a duration cannot be negative; got {self.duration:g} fs")

    def _check_minimisation(self) -> None:
        if self.duration:
            raise self._error(
                f"a minimisation takes no time; got {self.duration:g} fs (use max_iterations)"
            )
        for name in ("temperature", "length_ramp", "until"):
            if getattr(self, name) is not None:
                raise self._error(f"a minimisation has no {name}")

    def _check_dynamics(self) -> None:
        if not self.duration:
            raise self._error("the duration is missing or zero")
        self._check_multiple("duration", self.duration)
        for name in ("frames_every", "thermo_every", "monitor_every"):
            self._check_multiple(name, getattr(self, name))
        if self.temperature is None:
            return
        if not (isinstance(self.temperature, tuple) and len(self.temperature) == 2):
            raise self._error(
                f"a temperature ramp needs its two ends, start and end; got {self.temperature!r}"
            )
        if not all(isfinite(t) and t > 0 for t in self.temperature):
            raise self._error(f"temperatures are positive, in K; got {self.temperature}")
        if self.ensemble == "nve" and self.temperature[0] != self.temperature[1]:
            raise self._error("NVE has no thermostat and cannot ramp the temperature")

    def _check_multiple(self, name: str, value: float) -> None:
        steps = value / self.timestep
        if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
            raise self._error(
                f"{name} {value:g} fs is no whole number of timesteps of {self.timestep:g} fs"
            )

    def _check_lengths(self, name: str) -> None:
        factors = getattr(self, name)
        if factors is None:
            return
        if not (isinstance(factors, tuple) and len(factors) == 3):
            raise self._error(f"{name} holds three factors, one per cell vector; got {factors!r}")
        if not all(isfinite(f) and 0.5 <= f <= 2.0 for f in factors):
            raise self._error(
                f"{name} holds factors between 0.5 and 2 (1 keeps a length); got {factors}"
            )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Segments that follow one another.

    masses: amu by element symbol, where they differ from the standard weights
        (``{"H": 2.0141}`` is deuterium). outputs: what each trajectory frame holds besides
        positions, cell, energy, virial stress and temperature: ``velocities``, ``forces``.
    """

    name: str
    segments: tuple[Segment, ...]
    masses: Mapping[str, float] = field(default_factory=dict)
    outputs: tuple[Literal["velocities", "forces"], ...] = ()

    def __post_init__(self) -> None:
        if not self.segments:
            raise InputError(f"protocol {self.name!r} has no segments")
        names = [segment.name for segment in self.segments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"protocol {self.name!r}: two segments are called {twice[0]!r}")
        for symbol, mass in self.masses.items():
            if not (isfinite(mass) and mass > 0):
                raise InputError(f"the mass of {symbol} must be positive, in amu; got {mass!r}")
        unknown = sorted(set(self.outputs) - {"velocities", "forces"})
        if unknown:
            raise InputError(f"outputs are velocities and forces; got {unknown[0]!r}")
        self._check_temperatures()

    @property
    def duration(self) -> float:
        """fs, of all segments; segments with a condition count in full."""
        return sum(segment.duration for segment in self.segments)

    @property
    def needs_melting(self) -> bool:
        """Whether a segment asks for the melting verdict."""
        return any(segment.until or segment.when for segment in self.segments)

    def _check_temperatures(self) -> None:
        reached = None
        for segment in self.segments:
            if segment.temperature is not None:
                reached = segment.temperature[1]
            elif segment.has_thermostat and reached is None:
                raise InputError(
                    f"segment {segment.name!r}: {segment.ensemble} needs a temperature, and no "
                    "segment before it has set one"
                )


def hold(temperature: float) -> tuple[float, float]:
    """(temperature, temperature): a ramp that stays, K."""
    return (temperature, temperature)


def equal_lengths(volume_factor: float) -> Lengths:
    """The factor of each cell length that changes the volume by `volume_factor`."""
    if not (isfinite(volume_factor) and volume_factor > 0):
        raise InputError(f"a volume changes by a positive factor; got {volume_factor:g}")
    factor = volume_factor ** (1.0 / 3.0)
    return (factor, factor, factor)


__all__ = ["Ensemble", "Lengths", "Protocol", "Segment", "ensembles", "equal_lengths", "hold"]
