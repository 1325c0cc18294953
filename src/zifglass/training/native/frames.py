"""Labelled frames ready for training: neighbours found once, arrays as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zifglass.core import Frame, InputError, Trajectory
from zifglass.core.neighbors import neighbor_list

from .module import Batch

_reach = 0.05  # Å beyond the cutoff: pairs that a displaced copy may bring inside


@dataclass(frozen=True)
class Sample:
    """One frame; kinds, edges and offsets as in `Batch`. volume: Å³. stress: the virial part,
    eV/Å³, tension positive; NaN where there is no label."""

    positions: Tensor
    kinds: Tensor
    edges: Tensor
    offsets: Tensor
    volume: float
    energy: float
    forces: Tensor
    stress: Tensor

    def __len__(self) -> int:
        return len(self.kinds)


def samples_of(trajectory: Trajectory, species: Sequence[int], *, cutoff: float) -> list[Sample]:
    """Raises InputError naming the frame that lacks energy or forces."""
    return [_sample(frame, species, cutoff, trajectory.source) for frame in trajectory]


def _sample(frame: Frame, species: Sequence[int], cutoff: float, source: str) -> Sample:
    if frame.energy is None or frame.forces is None:
        raise InputError("a training frame needs energy and forces", source, frame=frame.index)
    structure = frame.structure
    kind_of = np.full(119, -1)
    kind_of[list(species)] = np.arange(len(species))
    kinds = kind_of[structure.numbers]
    if (kinds < 0).any():
        raise InputError(
            "a frame holds a species that the network lacks", source, frame=frame.index
        )
    pairs = neighbor_list(structure, cutoff + _reach)
    stress = np.full((3, 3), np.nan) if frame.stress is None else frame.stress
    return Sample(
        positions=torch.tensor(structure.positions),
        kinds=torch.tensor(np.eye(len(species), dtype=np.float32)[kinds]),
        edges=torch.tensor(np.stack([pairs.i, pairs.j]).astype(np.int32)),
        offsets=torch.tensor((pairs.shifts @ structure.cell).astype(np.float32)),
        volume=structure.volume,
        energy=frame.energy,
        forces=torch.tensor(frame.forces),
        stress=torch.tensor(stress),
    )


def batch_of(samples: Sequence[Sample]) -> Batch:
    """Several frames as one graph."""
    starts = np.cumsum([0] + [len(s) for s in samples])
    return Batch(
        positions=torch.cat([s.positions for s in samples]),
        kinds=torch.cat([s.kinds for s in samples]),
        owner=torch.cat([torch.full((len(s),), i) for i, s in enumerate(samples)]),
        edges=torch.cat(
            [s.edges + int(start) for s, start in zip(samples, starts, strict=False)], dim=1
        ),
        offsets=torch.cat([s.offsets for s in samples]),
        edge_counts=tuple(s.edges.shape[1] for s in samples),
    )
