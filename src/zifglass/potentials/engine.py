"""The compiled engine: a `Network` lowered to arrays, evaluated by ``zifglass._native``.

The numbers are a pure function of positions, cell and instruction set: the same bits on every
run, for any number of threads and whatever the neighbour list went through before.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import zifglass._native as _native
from zifglass.core import InputError, Prediction, Structure, as_structure
from zifglass.core.machine import usable_cores

from .guard import CLOSEST, check_structure
from .lowering import lower
from .network import Network

Precision = Literal["float32", "float64"]

SKIN = 0.6
"""Å added to the cutoff when neighbours are searched; no result depends on it."""


class EnginePotential:
    """A `Network` as a Potential, on the processor's cores.

    threads: how many cores a call uses; None: all that this process may use. dtype: of features
    and weights; distances, energies of atoms, forces of edges and every sum over atoms are
    float64 always. skin: Å, see `SKIN`. The instruction set is the best this machine has, or
    the one that the environment variable ``ZIFGLASS_ISA`` names (baseline, avx2, avx512); `isa`
    tells which.

    Radial networks are cubic splines: see `lowering.RADIAL_STEP` for their error. One object
    may be called from several Python threads; its calls then take turns. A process that has
    used it must not be forked (OpenMP would hang in the child): spawn instead.

    Raises InputError if the network cannot be lowered, if `threads` exceeds the cores this
    process may use, or if the instruction set is not available.
    """

    def __init__(
        self,
        network: Network,
        *,
        threads: int | None = None,
        dtype: Precision = "float32",
        skin: float = SKIN,
        name: str = "network",
    ) -> None:
        self.network = network
        self.threads = check_threads(threads)
        if dtype not in ("float32", "float64"):
            raise InputError(f"the engine computes in float32 or float64; got {dtype!r}")
        self.dtype = dtype
        self._name = name
        self._type_of = np.full(119, -1, dtype=np.int32)
        self._type_of[list(network.species)] = np.arange(len(network.species))
        isa = os.environ.get("ZIFGLASS_ISA") or "auto"
        description = lower(network, dtype=dtype)
        try:
            self._engine: Any = _native.Engine(description, dtype, isa, float(skin), CLOSEST)
        except ValueError as error:
            raise InputError(str(error)) from error

    @property
    def name(self) -> str:
        return self._name

    @property
    def species(self) -> tuple[int, ...]:
        return self.network.species

    @property
    def cutoff(self) -> float:
        return self.network.cutoff

    @property
    def sha256(self) -> str:
        return self.network.sha256

    @property
    def isa(self) -> str:
        """The instruction set in use: baseline, avx2 or avx512."""
        return str(self._engine.isa)

    def __call__(self, structure: Structure) -> Prediction:
        """Energy, per-atom energies, forces and virial stress of one structure.

        Raises InputError on unknown species, atoms on top of each other, absurd density.
        """
        structure = as_structure(structure)
        check_structure(structure, self.species, self.name)
        return self.evaluate(
            self._type_of[structure.numbers], structure.positions, structure.cell, structure.pbc
        )

    def evaluate(
        self, types: NDArray[np.int32], positions: Any, cell: Any, pbc: Any = (True, True, True)
    ) -> Prediction:
        """The same from arrays: types (atoms,) indices into `species`, positions (atoms, 3) Å,
        cell (3, 3) Å, rows are the vectors, pbc (3,).

        Raises InputError on arrays of other shapes and on values that are not finite.
        """
        types = _array("types", types, np.int32, (None,))
        positions = _array("positions", positions, np.float64, (len(types), 3))
        cell = _array("cell", cell, np.float64, (3, 3))
        periodic = [bool(p) for p in _array("pbc", pbc, np.bool_, (3,))]
        try:
            energy, energies, forces, virial = self._engine.compute(
                types, positions, cell.ravel().tolist(), periodic, self.threads
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        xx, yy, zz, yz, xz, xy = virial
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / abs(np.linalg.det(cell))
        return Prediction(energy=energy, forces=forces, stress=stress, energies=energies)

    def times(self) -> dict[str, float]:
        """Since `reset`: calls, list_builds, edges of the last call, and seconds per phase
        summed over threads: neighbors (elapsed), geometry, forward_edges, forward_nodes,
        backward_edges, backward_nodes, forces."""
        return {**self._engine.times(), "edges": self._engine.edges}

    def reset(self) -> None:
        """Clear the timers and forget the neighbour list."""
        self._engine.reset()


def check_threads(threads: int | None) -> int:
    """`threads`; for None what OMP_NUM_THREADS says, else every core this process may use.

    Raises InputError on more threads than cores: they would take turns and every call would be
    slower.
    """
    available = usable_cores()
    if threads is None:
        named = os.environ.get("OMP_NUM_THREADS", "")
        return min(int(named), available) if named.isdigit() and int(named) > 0 else available
    if not 1 <= threads <= available:
        raise InputError(
            f"{threads} threads were asked for and this process may use {available} "
            f"core{'s' if available > 1 else ''}: give a number from 1 to {available}"
        )
    return int(threads)


def instruction_sets() -> tuple[str, ...]:
    """What this machine and build can use, the best first."""
    return tuple(_native.engine_isas())


@lru_cache
def peak_gflops(isa: str, threads: int, seconds: float = 0.2) -> float:
    """Measured single-precision multiply-add rate of this machine in registers, GFLOP/s."""
    return float(_native.engine_peak_gflops(isa, threads, seconds))


def _array(name: str, value: Any, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=False)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise InputError(f"{name} must have shape ({wanted}); got {array.shape}")
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputError(f"{name} must hold {np.dtype(dtype).name}; got {array.dtype.name}")
    return np.ascontiguousarray(array, dtype=dtype)
