"""Covalent pieces of a structure, and what forces say about them.

Two theorems carry the checks of units, none of which needs a potential or a reference energy:

- **Stretching X–H.** A bond to hydrogen is a spring of 20–70 eV/Å² whatever the compound (C–H 30,
  N–H 40, O–H 50), and H hangs on nothing else: the slope of its force along the bond against
  the bond's length says in which unit lengths and forces are. By equipartition
  ⟨−F δr⟩ = k_B T: the forces say the temperature.
- **Intramolecular virial.** For molecules the virial splits exactly into
  ``Σ_molecules Σ_i (r_i − R) ⊗ F_i`` and a part between molecules; the first, stiff one dominates
  the fluctuations. So the label's sign and unit show against −(first part)/V.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from zifglass.analysis.linkers import NON_METALS
from zifglass.core import Structure
from zifglass.core.neighbors import Pairs, neighbor_list

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_bond_stretch = 1.25  # of the sum of covalent radii (Cordero 2008, DOI 10.1039/b801115j)
_shortest_limit = 1.05  # Å; H₂ (0.74 Å) is longer than its covalent radii say
_widest = 3.2  # Å; holds an X–H bond that was given in Bohr


@dataclass(frozen=True, eq=False)
class HydrogenBonds:
    """Covalent X–H bonds. hydrogen, partner (bonds,): atoms. lengths (bonds,): as given.
    units (bonds, 3): from X to H."""

    hydrogen: Indices
    partner: Indices
    lengths: Array
    units: Array


def nearest_over_radii(structure: Structure) -> Array:
    """Distance of each atom to its nearest neighbour over the sum of their covalent radii.

    Of the hydrogen atoms where there are any (they are always bonded), else of all; NaN for an
    atom without a neighbour.
    """
    pairs = neighbor_list(structure, _reach(structure))
    radii = covalent_radii[structure.numbers]
    ratio = pairs.distances / (radii[pairs.i] + radii[pairs.j])
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, pairs.i, ratio)
    nearest[np.isinf(nearest)] = np.nan
    hydrogen = structure.numbers == 1
    return nearest[hydrogen] if hydrogen.any() else nearest


def hydrogen_bonds(structure: Structure, *, scale: float = 1.0) -> HydrogenBonds:
    """The bond of each H to its nearest neighbour. scale: Å per unit of length as given."""
    pairs = neighbor_list(structure, min(_widest, _reach(structure)))
    of_hydrogen = pairs.select(structure.numbers[pairs.i] == 1)
    limit = bond_limits(structure, of_hydrogen) / scale
    near = of_hydrogen.select(of_hydrogen.distances < limit)
    order = np.lexsort((near.distances, near.i))
    first = order[np.unique(near.i[order], return_index=True)[1]]
    lengths = near.distances[first]
    return HydrogenBonds(
        near.i[first], near.j[first], lengths, -near.vectors[first] / lengths[:, None]
    )


def intramolecular_stress(structure: Structure, forces: Array) -> Array | None:
    """−(1/V) Σ_molecules Σ_i (r_i − R) ⊗ F_i, symmetrised, (3, 3); None without molecules.

    Molecules are the finite covalent pieces of two or more non-metal atoms.
    """
    pairs = _bonds(structure)
    atoms = len(structure)
    if not len(pairs):
        return None
    graph = coo_array((np.ones(len(pairs)), (pairs.i, pairs.j)), shape=(atoms, atoms))
    count, label = connected_components(graph, directed=False)
    offset = _unwrapping(structure, pairs, label)
    if offset is None:
        return None
    whole = structure.positions + offset
    sizes = np.bincount(label, minlength=count)
    centre = np.stack(
        [np.bincount(label, weights=whole[:, k], minlength=count) for k in range(3)], axis=1
    )
    relative = whole - (centre / sizes[:, None])[label]
    virial = relative.T @ forces
    return -(virial + virial.T) / 2 / structure.volume


def _bonds(structure: Structure) -> Pairs:
    radii = covalent_radii[structure.numbers]
    light = np.isin(structure.numbers, list(NON_METALS))
    widest = max(_shortest_limit, 2 * _bond_stretch * float(radii[light].max(initial=0.3)))
    pairs = neighbor_list(structure, widest)
    bonded = light[pairs.i] & light[pairs.j]
    return pairs.select(bonded & (pairs.distances < bond_limits(structure, pairs)))


def bond_limits(structure: Structure, pairs: Pairs) -> Array:
    """(pairs,) Å: the longest that counts as a covalent bond."""
    radii = covalent_radii[structure.numbers]
    return np.maximum(_shortest_limit, _bond_stretch * (radii[pairs.i] + radii[pairs.j]))


def _unwrapping(structure: Structure, pairs: Pairs, label: Any) -> Array | None:
    """What to add to the positions to make every molecule whole; None if one is endless."""
    shifts = np.zeros((len(structure), 3), dtype=np.int64)
    known = np.zeros(len(structure), dtype=bool)
    known[np.unique(label, return_index=True)[1]] = True
    while (step := known[pairs.i] & ~known[pairs.j]).any():
        shifts[pairs.j[step]] = shifts[pairs.i[step]] + pairs.shifts[step]
        known[pairs.j[step]] = True
    closed = shifts[pairs.i] + pairs.shifts == shifts[pairs.j]
    return shifts @ structure.cell if closed.all() else None


def _reach(structure: Structure) -> float:
    """Wide enough for a bond in any unit of length, narrow enough to stay cheap in all."""
    spacing = (structure.volume / max(1, len(structure))) ** (1 / 3)
    return min(_widest, 1.5 * spacing)
