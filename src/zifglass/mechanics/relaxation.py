"""Relaxation of atoms, or of atoms and cell, by L-BFGS on forces and virial stress.

No line search on the energy: a network in single precision resolves its total energy to a few
meV only, and the forces are good to much less. Steps are limited instead, and the memory is
dropped where the curvature along the last step was not positive. Source: Liu and Nocedal,
DOI 10.1007/BF01589116; the step limit as in ASE.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core.errors import InputError
from zifglass.core.potential import Potential, Prediction
from zifglass.core.settings import Settings
from zifglass.core.structure import Structure
from zifglass.core.units import GPa

Array = NDArray[np.float64]


class RelaxationSettings(Settings):
    """When atoms and cell count as relaxed."""

    force: float = Field(default=0.001, gt=0, description="Largest force component left, eV/Å.")
    stress: float = Field(default=0.001, gt=0, description="Largest stress component left, GPa.")
    max_iterations: int = Field(default=2000, ge=1, description="Most evaluations.")
    max_move: float = Field(default=0.1, gt=0, description="Longest move of an atom per step, Å.")


@dataclass(frozen=True, eq=False)
class Relaxed:
    """structure and prediction at the end; iterations used. force: largest component left,
    eV/Å; stress: largest component, eV/Å³ (of a relaxed cell: left over)."""

    structure: Structure
    prediction: Prediction
    iterations: int
    force: float
    stress: float


def relax_positions(
    potential: Potential, structure: Structure, *, settings: RelaxationSettings | None = None
) -> Relaxed:
    """The nearest minimum of the energy at fixed cell; InputError if it is not reached."""
    s = settings or RelaxationSettings()

    def forces_at(x: Array) -> tuple[Structure, Prediction, Array]:
        here = structure.with_positions(x.reshape(-1, 3))
        prediction = potential(here)
        # A total force is no business of the atoms' arrangement, and would only make them drift.
        return here, prediction, (prediction.forces - prediction.forces.mean(axis=0)).ravel()

    return _minimise(forces_at, structure.positions.ravel(), s, atoms=len(structure), cell=False)


def relax_cell(
    potential: Potential, structure: Structure, *, settings: RelaxationSettings | None = None
) -> Relaxed:
    """The nearest minimum over atoms and cell, zero stress; InputError if it is not reached.

    The cell moves by a symmetric strain of the starting one, so it does not turn. A soft
    framework may end in another phase: compare volumes (ZIF-4's closed-pore phase is some 20 %
    denser).
    """
    s = settings or RelaxationSettings()
    n = len(structure)
    weight = np.sqrt(n) * 1.0  # Å: makes strain and atoms about equally stiff

    def forces_at(x: Array) -> tuple[Structure, Prediction, Array]:
        strain = np.eye(3) + x[-9:].reshape(3, 3) / weight
        here = replace(
            structure, cell=structure.cell @ strain, positions=x[:-9].reshape(-1, 3) @ strain
        )
        prediction = potential(here)
        forces = prediction.forces - prediction.forces.mean(axis=0)
        pull = -here.volume * np.linalg.solve(strain, prediction.stress)
        both = [(forces @ strain.T).ravel(), (0.5 * (pull + pull.T) / weight).ravel()]
        return here, prediction, np.concatenate(both)

    start = np.concatenate([structure.positions.ravel(), np.zeros(9)])
    return _minimise(forces_at, start, s, atoms=n, cell=True)


def _minimise(
    forces_at: Callable[[Array], tuple[Structure, Prediction, Array]],
    x: Array,
    settings: RelaxationSettings,
    *,
    atoms: int,
    cell: bool,
) -> Relaxed:
    memory: deque[tuple[Array, Array]] = deque(maxlen=30)
    here, prediction, pull = forces_at(x)
    for iteration in range(1, settings.max_iterations + 1):
        force = float(np.abs(prediction.forces - prediction.forces.mean(axis=0)).max(initial=0.0))
        stress = float(np.abs(prediction.stress).max())
        if not np.isfinite(force + stress):
            raise InputError("the potential's forces are not finite during the relaxation")
        if force <= settings.force and (not cell or stress <= settings.stress * GPa):
            return Relaxed(here, prediction, iteration, force, stress)
        step = _direction(pull, memory)
        longest = float(np.abs(step).max())
        step *= min(1.0, settings.max_move / longest)
        here, prediction, next_pull = forces_at(x + step)
        change = pull - next_pull
        if step @ change > 1e-8 * (step @ step):
            memory.append((step, change))
        else:
            memory.clear()
        x, pull = x + step, next_pull
    raise InputError(
        f"the relaxation of {atoms} atoms did not converge in {settings.max_iterations} "
        f"iterations: largest force left {force:.3g} eV/Å (wanted {settings.force:g}), largest "
        f"stress {stress / GPa:.3g} GPa"
    )


def _direction(pull: Array, memory: deque[tuple[Array, Array]]) -> Array:
    """Two-loop recursion; `pull` is minus the gradient."""
    q = pull.copy()
    weights = []
    for step, change in reversed(memory):
        rho = 1.0 / (step @ change)
        a = rho * (step @ q)
        weights.append((a, rho))
        q -= a * change
    if memory:
        step, change = memory[-1]
        q *= (step @ change) / (change @ change)
    else:
        q /= 70.0  # eV/Å², a bond's stiffness
    for (step, change), (a, rho) in zip(memory, reversed(weights), strict=True):
        q += step * (a - rho * (change @ q))
    return q
