"""The atoms of a run: masses, potential, and the instantaneous quantities of their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Potential, Structure, ZifglassError
from zifglass.core.neighbors import neighbor_list
from zifglass.core.structure import masses_of, number_of, symbols_of
from zifglass.core.units import kB, kinetic_unit

from .state import Array, State


@dataclass(frozen=True, eq=False)
class System:
    """What does not change during a run.

    structure: the atoms as they started. masses (atoms,): amu. potential: eV, eV/Å, eV/Å³.
    weight: amu, of standard atomic weights: what densities mean, deuterated or not.
    The momentum of the centre of mass is zero and stays so: 3N − 3 degrees of freedom.
    """

    structure: Structure
    masses: Array
    potential: Potential

    def __post_init__(self) -> None:
        if len(self.structure) < 2:
            raise InputError("dynamics needs at least two atoms")
        if not self.structure.pbc.all():
            raise InputError("dynamics needs a structure that is periodic in all directions")
        inertia = kinetic_unit * self.masses
        object.__setattr__(self, "inertia", inertia)
        object.__setattr__(self, "_inverse", (1.0 / inertia)[:, None])
        object.__setattr__(self, "dof", 3 * len(self.masses) - 3)
        object.__setattr__(self, "_total", float(inertia.sum()))
        object.__setattr__(self, "weight", float(self.structure.masses.sum()))

    inertia: Array = None  # type: ignore[assignment]
    dof: int = 0
    _inverse: Array = None  # type: ignore[assignment]
    _total: float = 0.0
    weight: float = 0.0

    def evaluate(self, state: State) -> None:
        """Energy, forces and virial stress at the state's positions and cell, into the state."""
        structure = Structure(self.structure.numbers, state.positions, state.cell)
        prediction = self.potential(structure)
        state.energy = prediction.energy
        state.forces[:] = prediction.forces
        state.stress[:] = prediction.stress

    def acceleration(self, state: State) -> Array:
        """(atoms, 3) Å/fs², less that of the centre of mass (a float32 model's forces do not
        quite sum to zero, and the momentum must)."""
        return state.forces * self._inverse - state.forces.sum(axis=0) / self._total

    def twice_kinetic(self, state: State) -> float:
        """Σ m v², eV."""
        return float(np.einsum("i,ij,ij->", self.inertia, state.velocities, state.velocities))

    def kinetic_tensor(self, state: State) -> Array:
        """Σ m v vᵀ (3, 3), eV."""
        return np.einsum("ij,ik->jk", self.inertia[:, None] * state.velocities, state.velocities)

    def temperature(self, state: State) -> float:
        """Σ m v² / (N_f k_B), K, with N_f = 3N − 3."""
        return self.twice_kinetic(state) / (self.dof * kB)

    def kinetic_stress(self, state: State) -> Array:
        """−(N/(N−1)) Σ m v vᵀ / V (3, 3), eV/Å³, tension positive.

        The centre of mass is held at rest, so Σ m v² = (3N − 3) k_B T; the factor restores its
        share, and the kinetic pressure is N k_B T / V, as in the ensemble the run stands for
        and as the barostat's equations have it (N/(N−1) = 1 + 3/N_f).
        """
        count = len(self.masses)
        return -count / (count - 1) / volume(state) * self.kinetic_tensor(state)

    def pressure_virial(self, state: State) -> float:
        """−tr σ/3, eV/Å³, without the kinetic part."""
        return -float(np.trace(state.stress)) / 3.0

    def pressure_total(self, state: State) -> float:
        """Virial plus N k_B T/V, eV/Å³."""
        count = len(self.masses)
        kinetic = count / (count - 1) * self.twice_kinetic(state) / (3.0 * volume(state))
        return self.pressure_virial(state) + kinetic


def volume(state: State) -> float:
    """The cell's volume, Å³."""
    (a, b, c), (d, e, f), (g, h, i) = state.cell.tolist()
    return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def masses_for(structure: Structure, changed: Mapping[str, float]) -> Array:
    """(atoms,) amu: standard weights, except for the elements in `changed`."""
    masses = masses_of(structure.numbers)
    for symbol, mass in changed.items():
        atoms = structure.numbers == number_of(symbol)
        if not atoms.any():
            raise InputError(f"a mass was given for {symbol}, and the structure has none of it")
        masses[atoms] = mass
    return masses


_stretches = (  # partners, wavenumber in 1/cm at the standard weights
    ("H", "O", 3700.0),
    ("H", "N", 3400.0),
    ("H", "C", 3100.0),
    ("C", "N", 1550.0),
    ("C", "C", 1500.0),
)
steps_per_period = 14
"""Time steps that the fastest vibration needs: 0.75 fs with hydrogen, 1 fs with deuterium."""


def check_timestep(structure: Structure, masses: Array, timestep: float) -> None:
    """Raise InputError where `timestep` (fs) resolves the fastest stretch with fewer than
    `steps_per_period` steps. Stretches are those of bonds in the structure; their period follows
    the reduced mass."""
    speed_of_light = 2.99792458e-5  # cm/fs
    symbols = np.array(symbols_of(structure.numbers))
    standard = masses_of(structure.numbers)
    first, second = _bonds(structure)
    for one, other, wavenumber in _stretches:
        bonded = (symbols[first] == one) & (symbols[second] == other)
        if not bonded.any():
            continue
        pair = [np.unique(first[bonded]), np.unique(second[bonded])]
        ours, theirs = (
            1.0 / sum(1.0 / float(m[atoms].min()) for atoms in pair) for m in (masses, standard)
        )
        period = np.sqrt(ours / theirs) / (wavenumber * speed_of_light)
        if timestep * steps_per_period > period * (1 + 1e-9):
            label = "D" if one == "H" and masses[pair[0]].min() > 1.5 else one
            raise InputError(
                f"a timestep of {timestep:g} fs is too large: the {label}–{other} stretch has a "
                f"period of {period:.1f} fs and needs {steps_per_period} steps, at most "
                f"{period / steps_per_period:.2f} fs (a larger hydrogen mass allows more)"
            )


def _bonds(structure: Structure) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(bonds,) twice, both directions: atoms nearer than 1.25 times their covalent radii."""
    from ase.data import covalent_radii

    radii = covalent_radii[structure.numbers]
    pairs = neighbor_list(structure, 2.5 * float(radii.max()))
    near = pairs.select(pairs.distances < 1.25 * (radii[pairs.i] + radii[pairs.j]))
    return near.i, near.j


def check_prediction(system: System, state: State) -> None:
    """Evaluate once and say plainly what a potential gave that dynamics cannot use."""
    known = set(system.potential.species)
    if missing := sorted({int(z) for z in system.structure.numbers} - known):
        raise InputError(
            f"potential {system.potential.name} knows {', '.join(symbols_of(sorted(known)))}; "
            f"the structure also holds {', '.join(symbols_of(missing))}"
        )
    system.evaluate(state)
    if not (np.isfinite(state.energy) and np.isfinite(state.forces).all()):
        raise ZifglassError(
            f"potential {system.potential.name} gives an energy or forces that are not finite "
            "for the starting structure; look for atoms on top of each other"
        )
