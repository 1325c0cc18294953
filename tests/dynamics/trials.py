"""Short simulations of small systems through the integrators alone, for their statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Potential, Segment, Structure
from zifglass.core.protocol import Lengths
from zifglass.dynamics.integrators import Integrator, integrator_for
from zifglass.dynamics.state import State
from zifglass.dynamics.system import System, masses_for, volume
from zifglass.dynamics.velocities import maxwell_boltzmann

Array = NDArray[np.float64]

deterministic = ("nve", "nvt-nhc", "npt-iso", "npt-flexible")
stochastic = ("nvt-csvr", "npt-iso-csvr", "npt-flexible-csvr")


@dataclass
class Trial:
    """A simulation under way."""

    system: System
    state: State
    integrator: Integrator
    timestep: float
    temperature: float
    rng: np.random.Generator

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.integrator.step(
                self.state, self.system, dt=self.timestep, target=self.temperature, rng=self.rng
            )
            self.state.segment_step += 1

    def conserved(self) -> float:
        return self.integrator.conserved(self.state, self.system)

    def reverse(self) -> None:
        for name in ("velocities", "chain", "cell_chain", "strain_rate"):
            getattr(self.state, name)[:] *= -1.0


def begin(
    ensemble: str,
    structure: Structure,
    potential: Potential,
    *,
    timestep: float = 4.0,
    temperature: float = 40.0,
    pressure: float = 0.0,
    steps: int = 1000,
    length_ramp: Lengths | None = None,
    thermostat_damping: float = 60.0,
    barostat_damping: float = 250.0,
    seed: int = 1,
) -> Trial:
    segment = Segment(
        name="trial",
        ensemble=ensemble,  # type: ignore[arg-type]
        duration=steps * timestep,
        timestep=timestep,
        temperature=(temperature, temperature),
        pressure_total=pressure if ensemble.startswith("npt") else None,
        length_ramp=length_ramp,
        thermostat_damping=thermostat_damping,
        barostat_damping=barostat_damping,
        frames_every=timestep,
        thermo_every=timestep,
        monitor_every=timestep,
    )
    rng = np.random.default_rng(seed)
    system = System(structure, masses_for(structure, {}), potential)
    state = State(len(structure))
    state.positions[:] = structure.positions
    state.cell[:] = structure.cell
    state.start_cell[:] = structure.cell
    state.velocities[:] = maxwell_boltzmann(system.masses, temperature, rng=rng)
    state.target = temperature
    system.evaluate(state)
    return Trial(system, state, integrator_for(segment), timestep, temperature, rng)


@dataclass
class Samples:
    """Series (samples,): kinetic and potential energy, eV, volume Å³, total pressure eV/Å³."""

    kinetic: Array
    potential: Array
    volume: Array
    pressure_total: Array


def sample(trial: Trial, *, samples: int, every: int = 5, discard: int = 100) -> Samples:
    rows = []
    for i in range(samples + discard):
        trial.step(every)
        if i >= discard:
            state, system = trial.state, trial.system
            rows.append(
                (
                    0.5 * system.twice_kinetic(state),
                    state.energy,
                    volume(state),
                    system.pressure_total(state),
                )
            )
    return Samples(*np.array(rows).T)


def log_ratio_slope(one: Array, two: Array, *, blocks: int = 10) -> tuple[float, float]:
    """(slope, standard error) of ln[p₂(x)/p₁(x)] from samples of both (Shirts,
    DOI 10.1021/ct300688p): maximum likelihood, a logistic regression. The error is the jackknife's
    over consecutive blocks, which must be longer than the correlation time."""
    parts = [np.array_split(x, blocks) for x in (one, two)]
    left_out = [
        _logistic_slope(*(np.concatenate([*p[:k], *p[k + 1 :]]) for p in parts))
        for k in range(blocks)
    ]
    error = np.sqrt((blocks - 1) * np.var(left_out))
    return _logistic_slope(one, two), float(error)


def _logistic_slope(one: Array, two: Array) -> float:
    x = np.concatenate([one, two])
    y = np.repeat([0.0, 1.0], [len(one), len(two)])
    centre, scale = x.mean(), x.std()
    design = np.stack([np.ones_like(x), (x - centre) / scale], axis=1)
    beta = np.zeros(2)
    for _ in range(20):
        p = 1.0 / (1.0 + np.exp(-design @ beta))
        information = (design * (p * (1 - p))[:, None]).T @ design
        beta = beta + np.linalg.solve(information, design.T @ (y - p))
    return float(beta[1] / scale)
