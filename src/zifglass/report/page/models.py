"""From a trajectory to what the 3D viewer shows, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from zifglass.analysis import (
    Linkers,
    LinkerSettings,
    Network,
    NetworkSettings,
    PoreSettings,
    network,
    pores,
)
from zifglass.analysis.linker_settings import NO_OTHERS
from zifglass.analysis.ring_members import ring_members
from zifglass.core import InputError, Structure, Trajectory, ZifglassError, as_trajectory
from zifglass.core.structure import number_of
from zifglass.core.units import ps

from .model import Array, Model, Overlay, Pore

BYTES_PER_ATOM = 8.0
"""Of one frame in the page: three 16-bit numbers in base64."""

_most_ring_metals = 8
_most_network_metals = 200  # beyond, rings are not drawn: they fill the picture
_most_grid_points = 40_000


def model_of(
    name: str,
    trajectory: Trajectory | Structure | Sequence[Structure],
    *,
    budget: float = 3e6,
    rings: bool = True,
    pore_spacing: float | None = 0.5,
    settings: NetworkSettings | None = None,
    looked_for: LinkerSettings = NO_OTHERS,
) -> Model:
    """A model of a trajectory, thinned evenly to `budget` bytes; the last frame is always kept.

    Linkers stay whole and every linker and metal stands in the home cell, frame by frame. Broken
    linkers are marked in every frame kept, rings (up to 8 metals; where `rings` and at most 200
    metals per cell) and pores (on a grid of `pore_spacing` Å; None: not) in the last. A structure
    without the metal or without the linkers looked for is shown without these. Raises InputError
    on an empty trajectory.
    """
    trajectory = as_trajectory(trajectory)
    if not len(trajectory):
        raise InputError("a trajectory without frames cannot be shown", trajectory.source)
    settings = settings or NetworkSettings()
    kept = frames_within(len(trajectory), len(trajectory.numbers), budget)
    frames = [trajectory[index] for index in kept]
    placed, overlays = [], []
    for frame in frames:
        last = frame is frames[-1]
        positions, overlay = _placed(frame.structure, settings, looked_for, rings=rings and last)
        if last and pore_spacing is not None:
            overlay = Overlay(overlay.broken, overlay.rings, pore_of(frame.structure, pore_spacing))
        placed.append(positions)
        overlays.append(overlay)
    return Model(
        name=name,
        numbers=trajectory.numbers,
        positions=np.array(placed),
        cells=np.array([frame.structure.cell for frame in frames]),
        labels=[
            _label(frame, index) if len(trajectory) > 1 else ""
            for frame, index in zip(frames, kept, strict=True)
        ],
        overlays=overlays,
        metal=settings.metal,
        donor=settings.donor,
        cutoff=settings.cutoff,
        left_out=""
        if len(kept) == len(trajectory)
        else f"{len(kept)} of {len(trajectory)} frames shown",
    )


def frames_within(frames: int, atoms: int, budget: float) -> list[int]:
    """Indices of frames that fit `budget` bytes, evenly spread, the last one among them."""
    most = max(1, int(budget / (BYTES_PER_ATOM * max(1, atoms))))
    if frames <= most:
        return list(range(frames))
    if most == 1:
        return [frames - 1]
    return sorted(set(np.rint(np.linspace(0, frames - 1, most)).astype(int).tolist()))


def _label(frame: Any, index: int) -> str:
    if frame.time is None:
        return f"frame {index}"
    label = f"{frame.time / ps:.4g} ps"
    return label if frame.temperature is None else f"{label}, {frame.temperature:.0f} K"


def _placed(
    structure: Structure, settings: NetworkSettings, looked_for: LinkerSettings, *, rings: bool
) -> tuple[Array, Overlay]:
    """Positions with whole linkers in the home cell, and what is marked."""
    graphs, expected = looked_for.graphs, looked_for.expected
    try:
        has_metal = (structure.numbers == number_of(settings.metal)).any()
        net = None
        if has_metal:
            net = network(structure, settings=settings, graphs=graphs, expected=expected)
        found = looked_for.find(structure) if net is None else net.linkers
    except InputError:  # another chemistry: shown as it is
        return structure.wrapped().positions, Overlay()
    drawn = None
    if rings and net is not None and len(net.metals) <= _most_network_metals:
        drawn = _ring_places(structure, net)
    return _whole(structure, found), Overlay(broken=found.broken_atoms, rings=drawn)


def _whole(structure: Structure, found: Linkers) -> Array:
    """Every linker in one piece around its first atom, its first atom in the home cell."""
    inverse = np.linalg.inv(structure.cell)
    fractional = structure.positions @ inverse
    home = fractional - np.floor(fractional)
    for index, (atoms, shifts) in enumerate(zip(found.atoms, found.shifts, strict=True)):
        together = fractional[atoms] + shifts
        together -= np.floor(together.mean(axis=0))
        home[atoms] = together
        carried = np.nonzero((found.owner == index) & ~np.isin(np.arange(len(home)), atoms))[0]
        if len(carried):  # hydrogens: beside the nearest atom of the linker
            apart = fractional[carried][:, None] - together[None]
            apart -= np.rint(apart)
            nearest = np.argmin(np.linalg.norm(apart @ structure.cell, axis=2), axis=1)
            home[carried] = together[nearest] + apart[np.arange(len(carried)), nearest]
    return np.asarray(home @ structure.cell)


def _ring_places(structure: Structure, net: Network) -> list[Array]:
    """Where the metals of each ring of three and more stand; a ring starts in the home cell.

    The offsets of the network refer to the positions as given, so the ring's places do too,
    moved by whole cells.
    """
    places = structure.positions[net.metals]
    inverse = np.linalg.inv(structure.cell)
    drawn = []
    for ring in ring_members(net, max_metals=_most_ring_metals):
        if len(ring) >= 3:
            way = places[ring[:, 0]] + ring[:, 1:] @ structure.cell
            away = np.floor(way.mean(axis=0) @ inverse)
            drawn.append(way - away @ structure.cell)
    return drawn


def pore_of(structure: Structure, spacing: float = 0.5) -> Pore | None:
    """Clearance on a grid of at most `spacing` Å (wider where the cell is large), for the probe
    and the radii of `analysis.pores`. None where Zeo++ is missing or knows no radius."""
    radii = _radii(structure)
    if radii is None:
        return None
    lengths = np.linalg.norm(structure.cell, axis=1)
    while np.prod(np.ceil(lengths / spacing) + 1) > _most_grid_points:
        spacing *= 1.1
    shape = (np.ceil(lengths / spacing) + 1).astype(int)
    axes = (np.linspace(0.0, 1.0, int(n)) for n in shape)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ structure.cell
    clearance = np.full(len(grid), np.inf)
    everywhere = _with_images(structure)
    symbols = np.array(structure.symbols)
    for symbol, radius in radii.items():
        tree = cKDTree(everywhere[np.tile(symbols == symbol, 27)])
        clearance = np.minimum(clearance, tree.query(grid)[0] - radius)
    return Pore(clearance.reshape(shape), PoreSettings().probe_radius, radii)


def _with_images(structure: Structure) -> Array:
    """The wrapped atoms in the 27 cells around the home cell (27 atoms, 3)."""
    steps = np.array([-1, 0, 1])
    shifts = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    wrapped = structure.wrapped().positions
    return np.asarray((wrapped[None] + shifts @ structure.cell).reshape(-1, 3))


_known_radii: dict[str, float] = {}


def _radii(structure: Structure) -> Mapping[str, float] | None:
    """Zeo++'s radii of the elements here; it is asked once for each new one."""
    symbols = set(structure.symbols)
    if not symbols <= set(_known_radii):
        try:
            least = PoreSettings(volume_samples=100, surface_samples=10)
            _known_radii.update(pores(structure, settings=least).radii)
        except ZifglassError:
            return None
    if not symbols <= set(_known_radii):
        return None
    return {symbol: _known_radii[symbol] for symbol in sorted(symbols)}
