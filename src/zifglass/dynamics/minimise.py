"""Minimisation by FIRE, one iteration at a time, so that it stops and restarts like dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from .state import Array, State
from .system import System, volume

_start_step: Final = 0.1
_longest_step: Final = 1.0
_mixing: Final = 0.1
_longest_move: Final = 0.1  # Å per iteration


@dataclass(frozen=True)
class Fire:
    """Fast inertial relaxation engine (DOI 10.1103/PhysRevLett.97.170201) on unit masses.

    cell: whether the cell relaxes too, against `pressure` (eV/Å³); its six strains then move
    with the atoms, weighted with √N so that both are about equally stiff.
    During a minimisation `State.velocities` and `State.strain_rate` are FIRE's own; they are
    zero afterwards.
    """

    cell: bool
    pressure: float

    def start(self, state: State) -> None:
        """Forget all motion."""
        state.velocities[:] = 0.0
        state.strain_rate[:] = 0.0
        state.dt, state.mixing, state.downhill = _start_step, _mixing, 0.0

    def step(self, state: State, system: System) -> None:
        """One iteration; energy, forces and stress in `state` are those of its end."""
        forces, pull = state.forces - state.forces.mean(axis=0), self._pull(state)
        power = _dot(forces, state.velocities) + _dot(pull, state.strain_rate)
        if power > 0.0:
            self._steer(state, forces, pull)
        elif state.segment_step > 0:
            state.velocities[:] = 0.0
            state.strain_rate[:] = 0.0
            state.dt, state.mixing, state.downhill = 0.5 * state.dt, _mixing, 0.0
        state.velocities += state.dt * forces
        state.strain_rate += state.dt * pull
        self._move(state)
        system.evaluate(state)

    def residual(self, state: State) -> tuple[float, float]:
        """Largest force component, eV/Å, and largest component of σ + P, eV/Å³ (0 for atoms)."""
        stress = state.stress + self.pressure * np.eye(3)
        return float(np.abs(state.forces).max()), float(np.abs(stress).max()) if self.cell else 0.0

    def _pull(self, state: State) -> Array:
        """−d(U + PV)/dε/√N, eV."""
        if not self.cell:
            return np.zeros((3, 3))
        stress = 0.5 * (state.stress + state.stress.T) + self.pressure * np.eye(3)
        return -volume(state) / sqrt(len(state)) * stress

    def _steer(self, state: State, forces: Array, pull: Array) -> None:
        size = sqrt(_dot(forces, forces) + _dot(pull, pull))
        speed = sqrt(
            _dot(state.velocities, state.velocities) + _dot(state.strain_rate, state.strain_rate)
        )
        for velocity, force in ((state.velocities, forces), (state.strain_rate, pull)):
            velocity *= 1.0 - state.mixing
            velocity += (state.mixing * speed / size) * force
        state.downhill += 1.0
        if state.downhill > 5:
            state.dt = min(1.1 * state.dt, _longest_step)
            state.mixing *= 0.99

    def _move(self, state: State) -> None:
        move, strain = state.dt * state.velocities, state.dt * state.strain_rate
        longest = sqrt(max(float((move * move).sum(axis=1).max()), _dot(strain, strain)))
        if longest > _longest_move:
            move *= _longest_move / longest
            strain *= _longest_move / longest
        state.positions += move
        if self.cell:
            strain = strain / sqrt(len(state))
            state.positions += np.einsum("ij,jk->ik", state.positions, strain)
            state.cell += np.einsum("ij,jk->ik", state.cell, strain)


def _dot(a: Array, b: Array) -> float:
    return float(np.einsum("ij,ij->", a, b))
