"""What a CP2K molecular dynamics run left on disk, as a trajectory with virial stresses.

CP2K writes positions (Å), velocities (Bohr per atomic time), forces (Hartree/Bohr), the cell
(Å), energies (Hartree) and, in the ``.stress`` file, the TOTAL pressure tensor (bar): the
virial part and the ionic kinetic part together. Here the kinetic part is taken out with the
velocities of the same step, ``stress = −(P − Σ m v⊗v / V)``; measured on CP2K 2023.1 this gives
back the tensor printed after the SCF to 1e-8 GPa. Without velocities it cannot be done for the
tensor: the frame then has no `stress`, and the total is kept in ``extras["stress_total"]``
(eV/Å³, tension positive).

A run may consist of legs (restarts); a step that two legs wrote counts as the later wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Structure, Trajectory
from zifglass.core.kinetics import kinetic_stress
from zifglass.core.structure import masses_of
from zifglass.core.trajectory import check_same_atoms
from zifglass.core.units import bar, bohr, hartree, kinetic_unit

from .md_files import Leg, MdFiles, find_md_files
from .units import velocity_unit

Array = NDArray[np.float64]

DEUTERIUM_MASS = 2.014101777
_mass_tolerance = 1e-3
"""Kinetic energy from velocities against CP2K's own: CP2K's table of masses differs from ours
by up to 1e-4, velocities carry 6 digits; hydrogen for deuterium is off by some 0.1."""


def read_md(
    legs: MdFiles | str | Path | Sequence[MdFiles | str | Path],
    *,
    cell: Any | None = None,
    hydrogen_mass: float | None = None,
) -> MdTrajectory:
    """The frames of a run from its files, or its folder, or those of its legs in order.

    cell (3, 3) or (3,): Å, for a run without a ``.cell`` file. hydrogen_mass: amu; by default
    the one of hydrogen and deuterium whose kinetic energy is CP2K's own (``.ener``).

    Left out and listed in `rejected`: steps whose SCF did not converge (where the output is
    there). Steps that a killed run wrote to some files only are left out without a word.
    Raises InputError where files contradict one another.
    """
    items = [legs] if isinstance(legs, (MdFiles, str, Path)) else list(legs)
    files = [item if isinstance(item, MdFiles) else find_md_files(item) for item in items]
    return MdTrajectory([Leg(item, cell) for item in files], hydrogen_mass)


class MdTrajectory(Trajectory):
    """Frames of a CP2K run, read when asked for.

    steps (frames,): CP2K's step numbers. rejected: steps left out because their SCF did not
    converge. Frames carry energy, forces, velocities, temperature and virial stress where the
    files allow.
    """

    def __init__(self, legs: Sequence[Leg], hydrogen_mass: float | None) -> None:
        if not legs:
            raise InputError("a run has at least one leg")
        self.source = str(legs[0].files.positions)
        self._legs = list(legs)
        where = {step: (leg, step) for leg in self._legs for step in leg.steps}
        bad = {step for step in where for leg in self._legs if step in leg.unconverged}
        good = sorted(set(where) - bad)
        if not good:
            raise InputError("no step of this run has converged and is whole", self.source)
        self.rejected = tuple(sorted(bad))
        self.steps: NDArray[np.int64] = np.array(good, dtype=np.int64)
        self._where = [where[step] for step in good]
        self.numbers = self._legs[0].numbers
        for leg in self._legs:
            check_same_atoms(self.numbers, leg.numbers, str(leg.files.positions), 0)
        self._masses = _masses(self._legs, hydrogen_mass)
        times = [leg.time(step) for leg, step in self._where]
        known = [time for time in times if time is not None]
        self._times = np.array(known) if len(known) == len(times) else None

    def __len__(self) -> int:
        return len(self._where)

    @property
    def times(self) -> Array | None:
        return self._times

    @property
    def masses(self) -> Array:
        """(atoms,) amu, as the run moved them."""
        return self._masses

    def frame(self, index: int) -> Frame:
        leg, step = self._where[index]
        energy = leg.energy(step)
        structure = Structure(self.numbers, leg.positions(step), leg.cell(step))
        velocities = leg.vectors("velocities", step, velocity_unit)
        stress, extras = self._stress(leg, step, structure, velocities)
        return Frame(
            structure,
            time=None if self._times is None else float(self._times[index]),
            velocities=velocities,
            energy=None if energy is None else energy * hartree,
            forces=leg.vectors("forces", step, hartree / bohr),
            stress=stress,
            temperature=leg.temperature(step),
            unwrapped=True,  # CP2K never wraps the atoms of a run
            index=index,
            extras=extras,
        )

    def _stress(
        self, leg: Leg, step: int, structure: Structure, velocities: Array | None
    ) -> tuple[Array | None, dict[str, Any]]:
        if leg.stress is None:
            return None, {}
        total = -bar * leg.stress[step].reshape(3, 3)
        if velocities is None:
            return None, {"stress_total": total}
        virial = total - kinetic_stress(self._masses, velocities, structure.volume)
        shear = ~np.eye(3, dtype=bool)
        # What is left of an absent shear is the rounding of the file, below 1e-6 bar.
        if leg.diagonal or np.abs(virial[shear]).max() < 1e-3 * bar:
            virial = np.where(shear, np.nan, virial)
        return virial, {}


def _masses(legs: Sequence[Leg], hydrogen_mass: float | None) -> Array:
    """Masses whose kinetic energy is CP2K's own; InputError where none of those known is."""
    numbers = legs[0].numbers
    hydrogen = np.asarray(numbers) == 1
    standard = masses_of(numbers)
    if hydrogen_mass is not None:
        candidates = [hydrogen_mass]
    else:
        candidates = [float(standard[hydrogen][0]), DEUTERIUM_MASS] if hydrogen.any() else [0.0]
    known = next(
        (
            (leg, step, energy)
            for leg in legs
            for step in leg.steps
            if leg.files.velocities and (energy := leg.kinetic_energy(step))
        ),
        None,
    )
    options = [np.where(hydrogen, mass, standard) for mass in candidates]
    if known is None:
        if len(options) > 1 and any(leg.files.velocities and leg.stress for leg in legs):
            raise InputError(
                "hydrogen or deuterium? without the .ener file the kinetic part of the stress "
                "needs hydrogen_mass",
                legs[0].files.positions,
            )
        return options[0]
    leg, step, energy = known
    velocities = leg.vectors("velocities", step, velocity_unit)
    assert velocities is not None
    ours = [
        0.5 * kinetic_unit * float(np.sum(masses[:, None] * velocities**2)) for masses in options
    ]
    errors = [abs(value / (energy * hartree) - 1) for value in ours]
    best = int(np.argmin(errors))
    if errors[best] > _mass_tolerance:
        raise InputError(
            f"the velocities of step {step} give a kinetic energy {ours[best] / hartree:.6g} Ha "
            f"where the .ener file says {energy:.6g}: give the hydrogen_mass of the run",
            leg.files.velocities,
        )
    return options[best]
