"""The nearest minimum of the energy: of the positions, or of positions and cell.

ZIF-4 has a dense, closed-pore phase. A static relaxation can fall into it; short steps keep to
the basin it starts from, and a contraction is reported with a warning.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from zifglass.core import Potential, Prediction, Structure, ZifglassError
from zifglass.core.settings import Settings
from zifglass.core.units import GPa

from .calculator import ase_calculator


class RelaxSettings(Settings):
    """When a relaxation ends and how far it may step."""

    forces: float = Field(default=0.01, gt=0, description="Largest force at the end, eV/Å.")
    stress: float = Field(default=0.005, gt=0, description="Largest stress at the end, GPa.")
    max_steps: int = Field(default=2000, ge=1, description="Steps after which to give up.")
    step: float = Field(default=0.05, gt=0, description="Longest move of an atom in one step, Å.")
    pressure: float = Field(default=0.0, description="External pressure, GPa (of the cell).")
    closed_pore: float = Field(
        default=0.10,
        gt=0,
        lt=1,
        description="Loss of volume, as a fraction, beyond which the pores are taken to have "
        "closed (ZIF-4 to its closed-pore phase: 0.23).",
    )


class ClosedPoreWarning(UserWarning):
    """A relaxation went from the open-pore into the closed-pore phase."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """structure: at the end. prediction: there. steps taken. converged: forces (and stress, if
    the cell moved) are below their limits. volume_change: fraction. closed_pore: the volume
    fell by more than `RelaxSettings.closed_pore`."""

    structure: Structure
    prediction: Prediction
    steps: int
    converged: bool
    volume_change: float
    closed_pore: bool

    def as_results(self) -> dict[str, dict[str, Any]]:
        """Values for results.json."""
        forces = np.linalg.norm(self.prediction.forces, axis=1)
        return {
            "energy": _exact(self.prediction.energy, "eV"),
            "max_force": _exact(float(forces.max()), "eV/Å"),
            "pressure_virial": _exact(self.prediction.pressure_virial / GPa, "GPa"),
            "volume": _exact(self.structure.volume, "Å³"),
            "density": _exact(self.structure.density_g_per_cm3, "g/cm³"),
            "volume_change": _exact(self.volume_change, "1"),
            "steps": _exact(self.steps, "1"),
            "converged": _exact(self.converged, ""),
            "closed_pore": _exact(self.closed_pore, ""),
        }


def _exact(value: float | int | bool, unit: str) -> dict[str, Any]:
    return {"value": value, "std": None, "unit": unit, "note": "a minimum has no sampling error"}


def relax_positions(
    potential: Potential,
    structure: Structure,
    *,
    settings: RelaxSettings | None = None,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> Relaxation:
    """The atoms moved to the nearest minimum in a fixed cell.

    progress is called with the step and the largest force (eV/Å). Raises ZifglassError when
    forces run away.
    """
    options = settings or RelaxSettings()
    atoms = structure.to_ase()
    atoms.calc = ase_calculator(potential)
    steps, converged = _run(atoms, atoms, options, progress, check_stress=False)
    return _result(potential, structure, atoms, steps, converged, options)


def relax_cell(
    potential: Potential,
    structure: Structure,
    *,
    settings: RelaxSettings | None = None,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> Relaxation:
    """Atoms and cell moved to the nearest minimum of E + pressure·V.

    The cell moves through the logarithm of its deformation gradient (Tadmor et al., DOI
    10.1103/PhysRevB.59.235, as in ASE's FrechetCellFilter). Warns (ClosedPoreWarning) when the
    pores close on the way.
    """
    from ase.filters import FrechetCellFilter

    options = settings or RelaxSettings()
    atoms = structure.to_ase()
    atoms.calc = ase_calculator(potential)
    movable = FrechetCellFilter(atoms, scalar_pressure=options.pressure * GPa)
    steps, converged = _run(atoms, movable, options, progress, check_stress=True)
    result = _result(potential, structure, atoms, steps, converged, options)
    if result.closed_pore:
        warnings.warn(
            f"the volume fell by {-100 * result.volume_change:.0f} %: the structure left its "
            "open-pore minimum for a closed-pore one; relax the atoms in the fixed cell, or start "
            "from a structure closer to the open-pore minimum",
            ClosedPoreWarning,
            stacklevel=2,
        )
    return result


def _run(
    atoms: Any,
    movable: Any,
    s: RelaxSettings,
    progress: Callable[[int, float], None],
    *,
    check_stress: bool,
) -> tuple[int, bool]:
    from ase.optimize import LBFGS

    optimizer = LBFGS(movable, logfile=io.StringIO(), maxstep=s.step)

    def done() -> bool:
        forces = np.linalg.norm(atoms.get_forces(), axis=1).max()
        if not np.isfinite(forces) or forces > 1e4:
            raise ZifglassError(
                f"the relaxation ran away at step {optimizer.nsteps}: a force of {forces:.3g} "
                "eV/Å; look at the structure and at what the potential was trained on"
            )
        progress(optimizer.nsteps, float(forces))
        small = forces <= s.forces
        if check_stress:
            target = -s.pressure * GPa * np.eye(3)
            rest = np.abs(atoms.get_stress(voigt=False) - target).max()
            small = small and rest <= s.stress * GPa
        return bool(small)

    # Ours decides the end: ASE's own criterion mixes cell and atoms in one number.
    for _ in optimizer.irun(fmax=0.0, steps=s.max_steps):
        if done():
            return optimizer.nsteps, True
    return optimizer.nsteps, False


def _result(
    potential: Potential,
    start: Structure,
    atoms: Any,
    steps: int,
    converged: bool,
    s: RelaxSettings,
) -> Relaxation:
    end = Structure.from_ase(atoms)
    change = end.volume / start.volume - 1
    return Relaxation(
        structure=end,
        prediction=potential(end),
        steps=steps,
        converged=converged,
        volume_change=change,
        closed_pore=change < -s.closed_pore,
    )
