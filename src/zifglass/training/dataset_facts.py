"""What a network needs to know of its data before it starts: species, scale, shifts, neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zifglass.core import InputError, Trajectory
from zifglass.core.neighbors import neighbor_list
from zifglass.core.structure import symbols_of


@dataclass(frozen=True)
class DatasetFacts:
    """species: symbols by atomic number. frames: their number. neighbors: directed pairs per atom
    within the cutoff. force_rms: eV/Å. shifts: eV per species, the least-squares energies of
    atoms where compositions differ, equal shares per atom where they do not. has_stress: every
    frame has all six stress components."""

    species: tuple[str, ...]
    frames: int
    neighbors: float
    force_rms: float
    shifts: tuple[float, ...]
    has_stress: bool


def dataset_facts(frames: list[Trajectory], *, cutoff: float, sample: int = 200) -> DatasetFacts:
    """Facts of a training set given as trajectories; `sample` frames are used for neighbours.

    Raises InputError naming the frame that lacks energy or forces.
    """
    counts, energies, squares, atoms, neighbors = [], [], 0.0, 0, []
    numbers = np.unique(np.concatenate([t.numbers for t in frames]))
    total = sum(len(t) for t in frames)
    every = max(1, total // sample)
    has_stress, seen = True, 0
    for trajectory in frames:
        for frame in trajectory:
            if frame.energy is None or frame.forces is None:
                what = "energy" if frame.energy is None else "forces"
                raise InputError(
                    f"a training frame needs energy and forces; this one has no {what}",
                    trajectory.source,
                    frame=frame.index,
                )
            structure = frame.structure
            counts.append([int((structure.numbers == z).sum()) for z in numbers])
            energies.append(frame.energy)
            squares += float((frame.forces**2).sum())
            atoms += len(structure)
            has_stress &= frame.stress is not None and bool(np.isfinite(frame.stress).all())
            if seen % every == 0:
                neighbors.append(len(neighbor_list(structure, cutoff).i) / len(structure))
            seen += 1
    table = np.array(counts, dtype=float)
    # Equal shares first, then the smallest change that compositions, where they differ, call for.
    share = float(np.sum(energies) / np.sum(table))
    rest = np.array(energies) - table.sum(axis=1) * share
    shifts = share + np.linalg.lstsq(table, rest, rcond=1e-8)[0]
    return DatasetFacts(
        species=tuple(symbols_of(numbers)),
        frames=total,
        neighbors=float(np.mean(neighbors)),
        force_rms=float(np.sqrt(squares / (3 * atoms))),
        shifts=tuple(float(s) for s in shifts),
        has_stress=has_stress,
    )
