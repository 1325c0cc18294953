"""One time step: half a thermostat, the motion, half a thermostat.

Every integrator is an `Integrator` of a thermostat and a motion. Each step is symmetric in
time, so the order of convergence is two and deterministic ensembles can be run backwards.
Sums run in an order of their own (einsum, never BLAS): the bits do not depend on threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sinh
from typing import Protocol

import numpy as np

from zifglass.core import Segment
from zifglass.core.units import kB

from .state import Array, State
from .system import System, volume
from .thermostats import NoseHooverChain, NoThermostat, StochasticRescaling, Thermostat


class Motion(Protocol):
    """propagate: one step of positions, velocities and cell, forces at its end. bath_half_step:
    the barostat's own thermostat. energy: what the cell's variables hold, eV."""

    def propagate(self, state: State, system: System, dt: float) -> None: ...
    def bath_half_step(
        self, state: State, system: System, thermostat: Thermostat, dt: float, rng: object
    ) -> None: ...
    def energy(self, state: State, system: System, thermostat: Thermostat) -> float: ...


@dataclass(frozen=True)
class FixedCell:
    """Velocity Verlet."""

    def propagate(self, state: State, system: System, dt: float) -> None:
        state.velocities += (0.5 * dt) * system.acceleration(state)
        state.positions += dt * state.velocities
        system.evaluate(state)
        state.velocities += (0.5 * dt) * system.acceleration(state)

    def bath_half_step(
        self, state: State, system: System, thermostat: Thermostat, dt: float, rng: object
    ) -> None:
        return

    def energy(self, state: State, system: System, thermostat: Thermostat) -> float:
        return 0.0


@dataclass(frozen=True)
class RampedCell:
    """Velocity Verlet in a box whose lengths go linearly from their value at the segment's start
    to `factors` times it in `n_steps`. Atoms move affinely with the box, velocities stay; the
    box's work V σ:dε is booked, so the conserved quantity holds."""

    factors: tuple[float, float, float]
    n_steps: int

    def cell_at(self, state: State, step: float) -> Array:
        """The cell (3, 3) after `step` of the segment's steps."""
        growth = 1.0 + (np.array(self.factors) - 1.0) * (step / self.n_steps)
        return state.start_cell * growth[:, None]

    def propagate(self, state: State, system: System, dt: float) -> None:
        target = self.cell_at(state, state.segment_step + 1)
        strain = np.linalg.solve(state.cell, target) - np.eye(3)
        work = 0.5 * volume(state) * float(np.einsum("ij,ij->", state.stress, strain))
        state.velocities += (0.5 * dt) * system.acceleration(state)
        state.positions += (0.5 * dt) * state.velocities
        state.positions += np.einsum("ij,jk->ik", state.positions, strain)
        state.positions += (0.5 * dt) * state.velocities
        state.cell[:] = target
        system.evaluate(state)
        state.velocities += (0.5 * dt) * system.acceleration(state)
        work += 0.5 * volume(state) * float(np.einsum("ij,ij->", state.stress, strain))
        state.bath -= work

    def bath_half_step(
        self, state: State, system: System, thermostat: Thermostat, dt: float, rng: object
    ) -> None:
        return

    def energy(self, state: State, system: System, thermostat: Thermostat) -> float:
        return 0.0


@dataclass(frozen=True)
class MovingCell:
    """Martyna–Tobias–Klein barostat (DOI 10.1063/1.467468), integrated as in Tuckerman et al.
    (DOI 10.1088/0305-4470/39/19/S18).

        ẋ = v + g x,  v̇ = F/m − (g + tr g/N_f) v,  ḣ = g h,
        W ġ = Σ m v vᵀ − V σ − V P + 2K/N_f

    g (`State.strain_rate`) is symmetric: forces of a rotation-invariant potential keep it so, and
    an antisymmetric part, which would only turn the box, stays zero. (A box whose shape moves on
    a closed path may still return slightly turned; analyses of strain remove rotations.)
    `flexible`: all six components; else only the trace, the isotropic barostat. W = (N_f + 3)
    k_B T τ²/3 per component, which for the trace is Tuckerman's (N_f + 3) k_B T τ².
    """

    pressure: float
    damping: float
    flexible: bool

    @property
    def dof(self) -> int:
        return 6 if self.flexible else 1

    def mass(self, state: State, system: System) -> float:
        """W, eV fs²."""
        return (system.dof + 3) * kB * state.target * self.damping**2 / 3.0

    def force(self, state: State, system: System) -> Array:
        """W ġ (3, 3), eV."""
        tensor = system.kinetic_tensor(state)
        shared = (tensor[0, 0] + tensor[1, 1] + tensor[2, 2]) / system.dof
        size = volume(state)
        tensor -= size * state.stress
        diagonal = shared - size * self.pressure
        if not self.flexible:
            mean = (tensor[0, 0] + tensor[1, 1] + tensor[2, 2]) / 3.0 + diagonal
            return np.diag([mean, mean, mean])
        tensor.flat[::4] += diagonal
        return 0.5 * (tensor + tensor.T)

    def propagate(self, state: State, system: System, dt: float) -> None:
        kick = 0.5 * dt / self.mass(state, system)
        state.strain_rate += kick * self.force(state, system)
        rates, axes = self._principal(state.strain_rate)
        fade, gain = self._fade_and_gain(rates, axes, system, dt)
        _kick(state, system, fade, gain)
        grow = _from_principal([exp(rate * dt) for rate in rates], axes)
        drift = _from_principal([dt * _growth(0.5 * rate * dt) for rate in rates], axes)
        state.positions[:] = _rotate(state.positions, grow) + _rotate(state.velocities, drift)
        state.cell[:] = _rotate(state.cell, grow)
        system.evaluate(state)
        _kick(state, system, fade, gain)
        state.strain_rate += kick * self.force(state, system)

    def bath_half_step(
        self, state: State, system: System, thermostat: Thermostat, dt: float, rng: object
    ) -> None:
        assert isinstance(rng, np.random.Generator)
        factor, taken = thermostat.half_step(
            state.cell_chain, self._twice_kinetic(state, system), self.dof, state.target, dt, rng
        )
        state.strain_rate *= factor
        state.bath += taken

    def energy(self, state: State, system: System, thermostat: Thermostat) -> float:
        return (
            0.5 * self._twice_kinetic(state, system)
            + thermostat.kinetic(state.cell_chain, self.dof, state.target)
            + self.pressure * volume(state)
        )

    def _twice_kinetic(self, state: State, system: System) -> float:
        squares = float(np.einsum("ij,ij->", state.strain_rate, state.strain_rate))
        return self.mass(state, system) * squares

    def _fade_and_gain(
        self, rates: list[float], axes: Array | None, system: System, dt: float
    ) -> tuple[Array | float, Array | float]:
        """What half a step leaves of velocities, and what it makes of accelerations."""
        shared = sum(rates) / system.dof
        half = [-0.5 * dt * (rate + shared) for rate in rates]
        fade = _from_principal([exp(h) for h in half], axes)
        return fade, _from_principal([0.5 * dt * _growth(0.5 * h) for h in half], axes)

    def _principal(self, rate: Array) -> tuple[list[float], Array | None]:
        if not self.flexible:
            return [float(rate[0, 0])] * 3, None
        values, axes = np.linalg.eigh(rate)
        return values.tolist(), axes


def _from_principal(values: list[float], axes: Array | None) -> Array | float:
    """The symmetric matrix of principal `values` along the columns of `axes`."""
    if axes is None:
        return values[0]
    return (axes * values) @ axes.T


def _kick(state: State, system: System, fade: Array | float, gain: Array | float) -> None:
    velocities = _rotate(state.velocities, fade)
    velocities += _rotate(system.acceleration(state), gain)
    state.velocities[:] = velocities


def _rotate(rows: Array, matrix: Array | float) -> Array:
    if isinstance(matrix, float):
        return rows * matrix
    return np.einsum("ij,jk->ik", rows, matrix)


def _growth(x: float) -> float:
    """eˣ sinh(x)/x, the mean of e^{2xs} over 0 ≤ s ≤ 1."""
    if abs(x) < 1e-4:  # sinh(x)/x to 1e-18
        return exp(x) * (1.0 + x * x / 6.0)
    return exp(x) * sinh(x) / x


@dataclass(frozen=True)
class Integrator:
    """thermostat on the atoms, motion of atoms and cell; the barostat has a thermostat of the
    same kind with the barostat's damping."""

    thermostat: Thermostat
    motion: Motion
    cell_thermostat: Thermostat

    def step(
        self, state: State, system: System, *, dt: float, target: float, rng: np.random.Generator
    ) -> None:
        """One step of `dt` fs towards `target` K."""
        self._retarget(state, system, target)
        self.motion.bath_half_step(state, system, self.cell_thermostat, dt, rng)
        self._half_step(state, system, dt, rng)
        self.motion.propagate(state, system, dt)
        self._half_step(state, system, dt, rng)
        self.motion.bath_half_step(state, system, self.cell_thermostat, dt, rng)

    def conserved(self, state: State, system: System) -> float:
        """Energy of atoms, thermostats and barostat, PV included, less what the baths and ramps
        have put in, eV: constant but for the error of the time step."""
        return (
            state.energy
            + 0.5 * system.twice_kinetic(state)
            + self.thermostat.kinetic(state.chain, system.dof, state.target)
            + self.motion.energy(state, system, self.cell_thermostat)
            + state.bath
        )

    def _half_step(self, state: State, system: System, dt: float, rng: np.random.Generator) -> None:
        if isinstance(self.thermostat, NoThermostat):
            return
        factor, taken = self.thermostat.half_step(
            state.chain, system.twice_kinetic(state), system.dof, state.target, dt, rng
        )
        state.velocities *= factor
        state.bath += taken

    def _retarget(self, state: State, system: System, target: float) -> None:
        """Follow a ramp: the masses of baths and barostat go with k_B T."""
        if target == state.target:
            return
        before = self._bath_kinetic(state, system)
        state.target = target
        state.bath += before - self._bath_kinetic(state, system)

    def _bath_kinetic(self, state: State, system: System) -> float:
        return self.thermostat.kinetic(state.chain, system.dof, state.target) + self.motion.energy(
            state, system, self.cell_thermostat
        )


def integrator_for(segment: Segment) -> Integrator:
    """The integrator that a segment of dynamics asks for."""
    if segment.ensemble == "nve":
        return Integrator(NoThermostat(), _box(segment), NoThermostat())
    kind = StochasticRescaling if segment.ensemble.endswith("csvr") else NoseHooverChain
    thermostat = kind(segment.thermostat_damping)
    if not segment.is_npt:
        return Integrator(thermostat, _box(segment), NoThermostat())
    assert segment.pressure_total is not None
    flexible = segment.ensemble.startswith("npt-flexible")
    cell = MovingCell(segment.pressure_total, segment.barostat_damping, flexible)
    return Integrator(thermostat, cell, kind(segment.barostat_damping))


def _box(segment: Segment) -> Motion:
    if segment.length_ramp is None:
        return FixedCell()
    return RampedCell(segment.length_ramp, segment.n_steps)
