"""A protocol being carried out: where it stands, and the steps that take it on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from zifglass.core import Protocol, Segment

from .integrators import Integrator, integrator_for
from .minimise import Fire
from .state import State
from .system import System
from .velocities import maxwell_boltzmann, rescaled


class Course:
    """State, generator and history of a run, moved on by `step`, `enter` and `leave`.

    history: of every segment that is over or running, its name, whether it ran, start and end
    (fs), first and last step. velocities: how starting velocities are drawn (`RunSettings`).
    """

    def __init__(
        self,
        protocol: Protocol,
        system: System,
        rng: np.random.Generator,
        velocities: Literal["maxwell-boltzmann", "exact-temperature"],
    ) -> None:
        self.protocol, self.system, self.rng = protocol, system, rng
        self.velocities = velocities
        self.state = State(len(system.structure))
        self.history: list[dict[str, Any]] = []
        self.integrator: Integrator | None = None
        self.fire: Fire | None = None

    # --- where it stands --------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self.state.segment >= len(self.protocol.segments)

    @property
    def segment(self) -> Segment:
        return self.protocol.segments[int(self.state.segment)]

    @property
    def time(self) -> float:
        """The protocol's clock, fs."""
        if self.is_over or self.segment.is_minimisation:
            return self.state.segment_time
        return self.state.segment_time + self.state.segment_step * self.segment.timestep

    def is_due(self, which: Literal["frames", "thermo", "monitor"]) -> bool:
        """Whether a frame, a line or a look falls on the step just made."""
        now = float(self.time)
        return self.segment.due(which, now - self.segment.timestep, now) > 0

    @property
    def target(self) -> float:
        """K, that the thermostat has reached."""
        low, high = self._temperatures()
        return low + (high - low) * self.state.segment_step / self.segment.n_steps

    def conserved(self) -> float:
        """eV; nan in a minimisation."""
        if self.integrator is None:
            return float("nan")
        return self.integrator.conserved(self.state, self.system)

    def _temperatures(self) -> tuple[float, float]:
        """(start, end) K of the segment; 0 where nothing has set a temperature (NVE)."""
        return self.segment.temperature or (self.state.reached, self.state.reached)

    # --- going on ---------------------------------------------------------------------------

    def take_up(self, state: State, history: list[dict[str, Any]]) -> None:
        """Go on from what a checkpoint held."""
        self.state, self.history = state, history
        if state.segment_step > 0:
            self._choose_integrator()

    def step(self) -> None:
        """One time step, or one iteration of a minimisation."""
        state = self.state
        if self.fire is not None:
            self.fire.step(state, self.system)
        else:
            self._step_dynamics()

    def _step_dynamics(self) -> None:
        segment = self.segment
        assert self.integrator is not None
        low, high = self._temperatures()
        target = low + (high - low) * (self.state.segment_step + 0.5) / segment.n_steps
        self.integrator.step(
            self.state, self.system, dt=segment.timestep, target=target, rng=self.rng
        )

    # --- segments ---------------------------------------------------------------------------

    def pass_over(self) -> None:
        """Leave out the segment, whose condition is not met."""
        self.history.append({"name": self.segment.name, "ran": False})
        self.state.segment += 1

    def enter(self) -> bool:
        """Begin the segment; whether the run's dynamics begins with it."""
        segment, state = self.segment, self.state
        if segment.length_jump is not None:
            self._jump(segment.length_jump)
        state.start_cell[:] = state.cell
        self._choose_integrator()
        self.system.evaluate(state)
        self.history.append(
            {
                "name": segment.name,
                "ran": True,
                "start_fs": state.segment_time,
                "first_step": int(state.step),
            }
        )
        if self.fire is not None:
            self.fire.start(state)
            return False
        return self._enter_dynamics()

    def _enter_dynamics(self) -> bool:
        state, segment = self.state, self.segment
        low = self._temperatures()[0]
        if low > 0.0 and not state.velocities.any():
            drawn = maxwell_boltzmann(self.system.masses, low, rng=self.rng)
            if self.velocities == "exact-temperature":
                drawn = rescaled(drawn, self.system.masses, low)
            state.velocities[:] = drawn
        if self._last_ensemble() != segment.ensemble:
            state.chain[:] = 0.0
            state.cell_chain[:] = 0.0
            state.strain_rate[:] = 0.0
        state.target = low
        first = not state.started
        if first:
            state.started = 1.0
            state.bath = 0.0
            state.carried = self.conserved()
        state.bath += state.carried - self.conserved()
        return first

    def leave(self) -> None:
        """End the segment where it is."""
        state, segment = self.state, self.segment
        if self.fire is not None:
            state.velocities[:] = 0.0
            state.strain_rate[:] = 0.0
        else:
            state.carried = self.conserved()
            state.reached = self.target
            state.segment_time += state.segment_step * segment.timestep
        self.history[-1] |= {"end_fs": state.segment_time, "last_step": int(state.step)}
        state.segment += 1
        state.segment_step = 0

    def _last_ensemble(self) -> str | None:
        """Of the segment of dynamics that ran right before this one."""
        ran = [entry["name"] for entry in self.history[:-1] if entry["ran"]]
        segments = {segment.name: segment for segment in self.protocol.segments}
        return segments[ran[-1]].ensemble if ran else None

    def _choose_integrator(self) -> None:
        segment = self.segment
        self.fire = self.integrator = None
        if segment.is_minimisation:
            self.fire = Fire(segment.ensemble == "minimise-cell", segment.pressure_total or 0.0)
        else:
            self.integrator = integrator_for(segment)

    def _jump(self, factors: tuple[float, float, float]) -> None:
        state = self.state
        cell = state.cell * np.array(factors)[:, None]
        change = np.linalg.solve(state.cell, cell)
        state.positions[:] = np.einsum("ij,jk->ik", state.positions, change)
        state.cell[:] = cell
