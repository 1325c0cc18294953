"""Everything that changes while a run goes on, in one block of float64.

A checkpoint is this block, the random generator's state and the monitors' states; nothing else
has a memory. Every named field is a view of the block, so writing through a view and saving
the block can never disagree.
"""

from __future__ import annotations

from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

chain_length: Final = 3


class _Scalar:
    """One number of the block, read and written as a Python float."""

    count = 0

    def __init__(self) -> None:
        self.index = _Scalar.count
        _Scalar.count += 1

    def __get__(self, state: State, owner: type[State]) -> float:
        return state.scalars.item(self.index)

    def __set__(self, state: State, value: float) -> None:
        state.scalars[self.index] = value


_fields: dict[str, tuple[int, ...]] = {
    "cell": (3, 3),
    "start_cell": (3, 3),
    "stress": (3, 3),
    "strain_rate": (3, 3),
    "chain": (chain_length,),
    "cell_chain": (chain_length,),
}
_per_atom = ("positions", "velocities", "forces")


class State:
    """positions (atoms, 3) Å, unwrapped; velocities Å/fs; forces eV/Å; cell (3, 3) Å.

    stress (3, 3): eV/Å³, virial. strain_rate (3, 3): 1/fs, the barostat's symmetric velocity.
    chain, cell_chain (3,): 1/fs, velocities of the thermostat chains on atoms and barostat.
    start_cell: the cell at the start of the segment, after its jump.
    Scalars: energy eV; bath eV (what thermostats, ramps and changes of segment have taken in
    all, so that the conserved quantity is one number for the whole run); target K (the
    temperature the bath's masses are made for; 0 before the first thermostat); dt, mixing and
    downhill (FIRE's); segment, segment_step, step (the protocol's clock); segment_time fs
    (clock at the segment's start); reached K (the target the last segment ended at, 0 before
    any); carried eV (the conserved quantity so far); started (1 once dynamics has begun).
    """

    positions: Array
    velocities: Array
    forces: Array
    cell: Array
    start_cell: Array
    stress: Array
    strain_rate: Array
    chain: Array
    cell_chain: Array
    scalars: Array

    energy = _Scalar()
    bath = _Scalar()
    target = _Scalar()
    dt = _Scalar()
    mixing = _Scalar()
    downhill = _Scalar()
    segment = _Scalar()
    segment_step = _Scalar()
    step = _Scalar()
    segment_time = _Scalar()
    reached = _Scalar()
    carried = _Scalar()
    started = _Scalar()

    def __init__(self, atoms: int, data: Array | None = None) -> None:
        shapes = dict.fromkeys(_per_atom, (atoms, 3)) | _fields
        shapes["scalars"] = (_Scalar.count,)
        size = sum(prod(shape) for shape in shapes.values())
        self.data = np.zeros(size) if data is None else np.array(data, dtype=np.float64)
        if self.data.shape != (size,):
            raise ValueError(f"{atoms} atoms need {size} numbers; got {self.data.shape}")
        start = 0
        for name, shape in shapes.items():
            setattr(self, name, self.data[start : start + prod(shape)].reshape(shape))
            start += prod(shape)

    def __len__(self) -> int:
        return len(self.positions)

    def copy(self) -> State:
        """An independent copy."""
        return State(len(self), self.data)
