"""The boxes of LAMMPS, restricted and general triclinic, as cells.

LAMMPS places the cell's corner at (xlo, ylo, zlo). zifglass's cells have no corner: positions
stay what the file says, which for a periodic cell is the same structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Box:
    """cell (3, 3): Å, rows are the vectors. origin (3,): Å, the corner."""

    cell: Array
    origin: Array


def restricted(bounds: Array, tilts: Array) -> Box:
    """From lo and hi (3, 2) of the box itself, as in data files, and xy, xz, yz; Å."""
    (xlo, xhi), (ylo, yhi), (zlo, zhi) = bounds
    xy, xz, yz = tilts
    cell = np.array([[xhi - xlo, 0, 0], [xy, yhi - ylo, 0], [xz, yz, zhi - zlo]])
    return Box(cell, np.array([xlo, ylo, zlo]))


def from_dump_bounds(bounds: Array, tilts: Array) -> Box:
    """From the lo and hi (3, 2) of the box *around* the tilted box, as dumps give them; Å."""
    xy, xz, yz = tilts
    inner = bounds.copy()
    inner[0] -= min(0.0, xy, xz, xy + xz), max(0.0, xy, xz, xy + xz)
    inner[1] -= min(0.0, yz), max(0.0, yz)
    return restricted(inner, tilts)


def dump_bounds(bounds: Array, tilts: Array) -> Array:
    """The lo and hi (3, 2) around a tilted box, as dumps give them; `from_dump_bounds` undone."""
    xy, xz, yz = tilts
    outer = bounds.copy()
    outer[0] += min(0.0, xy, xz, xy + xz), max(0.0, xy, xz, xy + xz)
    outer[1] += min(0.0, yz), max(0.0, yz)
    return outer
