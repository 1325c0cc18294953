"""A framework whose linker the package does not know: imidazolate-2-carboxaldehyde in the sodalite
net of ZIF-90 (Morris et al. 2008, DOI 10.1021/ja805222x), from the ZIF-8 that ships."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from zifglass.core import Structure
from zifglass.core.neighbors import Pairs, neighbor_list
from zifglass.io import structures


def zif90() -> Structure:
    """Zn12 (C4H3N2O)24, 252 atoms: every CH3 becomes a CHO in the plane of its ring, C=O 1.21 Å,
    C–H 1.10 Å, at 120°."""
    crystal = structures.load("zif8")
    near = neighbor_list(crystal, 1.6)
    numbers, positions = crystal.numbers.copy(), crystal.positions.copy()
    gone = []
    carried = np.bincount(near.i[crystal.numbers[near.j] == 1], minlength=len(crystal))
    for methyl in np.nonzero((crystal.numbers == 6) & (carried == 3))[0]:
        (ring,) = _bonded(crystal, near, methyl, 6)
        hydrogens = _bonded(crystal, near, methyl, 1)
        out = _unit(_vector(near, ring, methyl))
        across = _vector(near, ring, _bonded(crystal, near, ring, 7)[0])
        across = _unit(across - (across @ out) * out)
        for atom, z, length, side in ((0, 8, 1.21, 1.0), (1, 1, 1.10, -1.0)):
            turned = 0.5 * out + side * np.sqrt(0.75) * across
            numbers[hydrogens[atom]] = z
            positions[hydrogens[atom]] = positions[methyl] + length * turned
        gone.append(hydrogens[2])
    kept = np.setdiff1d(np.arange(len(crystal)), gone)
    return Structure(numbers[kept], positions[kept], crystal.cell)


def carbaldehyde(*, position: int = 2, acid: bool = True) -> Atoms:
    """Imidazole-2-carboxaldehyde, or its 4-isomer, as a molecule in no cell; with its N–H if
    `acid`."""
    angles = 2 * np.pi * np.arange(5) / 5
    spokes = np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    ring = 1.36 / (2 * np.sin(np.pi / 5)) * spokes  # C2 N1 C5 C4 N3
    substituted = {2: 0, 4: 3}[position]
    out = spokes[substituted]
    across = np.array([-out[1], out[0], 0.0])
    carbon = ring[substituted] + 1.46 * out
    atoms = Atoms("CNCCN", ring) + Atoms(
        "COH",
        [carbon]
        + [
            carbon + d * (0.5 * out + s * np.sqrt(0.75) * across) for d, s in ((1.21, 1), (1.1, -1))
        ],
    )
    bare = [k for k in (0, 2, 3) if k != substituted] + ([1] if acid else [])
    return atoms + Atoms(f"H{len(bare)}", [ring[k] + 1.05 * spokes[k] for k in bare])


def _bonded(crystal: Structure, near: Pairs, atom: int, element: int) -> np.ndarray:
    return near.j[(near.i == atom) & (crystal.numbers[near.j] == element)]


def _vector(near: Pairs, first: int, second: int) -> np.ndarray:
    return near.vectors[(near.i == first) & (near.j == second)][0]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
