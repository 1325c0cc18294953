"""ASE's binary trajectories (``.traj``), read and written through ASE, frame by frame.

Energy, forces and stress come from the frames' single-point calculators (ASE's units are
zifglass's), velocities from the momenta. ``info`` becomes extras, but for ``time`` (fs),
``temperature`` (K) and ``unwrapped``. ASE keeps symmetric stresses only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Trajectory
from zifglass.core.files import atomic_path
from zifglass.core.trajectory import check_same_atoms

from .extxyz_text import ase_velocity
from .options import ReadOptions
from .text import clock, structure_at

Array = NDArray[np.float64]

SUFFIXES = (".traj",)


def recognise(path: Path, head: bytes) -> bool:
    """ASE's binary container."""
    return head.startswith(b"- of Ulm")


def read(path: Path, options: ReadOptions) -> AseTrajectory:
    """Open the file; frames at its end that are cut are left out with a note."""
    if options.cell is not None:
        raise InputError("an ASE trajectory states its own cell: leave the given one out", path)
    return AseTrajectory(path, options)


class AseTrajectory(Trajectory):
    """Frames of an ASE trajectory."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path.resolve()
        self.source = str(path)
        try:
            written = len(self._reader())
        except Exception as error:  # a cut file breaks ASE's container in many ways
            raise InputError(f"cannot be opened as an ASE trajectory ({error})", path) from error
        whole = written
        while whole and not self._is_whole(whole - 1):
            whole -= 1
        if not whole:
            raise InputError("this ASE trajectory holds no whole frame", path)
        if whole < written:
            self.notes = (
                f"{written - whole} frame(s) at the end are cut short and left out "
                f"({path}, frame {whole})",
            )
        self._frames = whole
        self.numbers = np.array(self._atoms(0).numbers, dtype=np.int64)
        self._times = clock(self._own_times(), whole, options, path)

    def _reader(self) -> Any:
        from ase.io.trajectory import TrajectoryReader

        if "_handle" not in self.__dict__:
            open_reader: Any = TrajectoryReader  # ASE does not type it
            self.__dict__["_handle"] = open_reader(str(self._path))
        return self.__dict__["_handle"]

    def _is_whole(self, index: int) -> bool:
        try:
            self._atoms(index)
        except InputError:
            return False
        return True

    def _atoms(self, index: int) -> Any:
        try:
            return self._reader()[index]
        except Exception as error:
            raise InputError(
                f"this frame cannot be read; cut or damaged? ({error})", self.source, frame=index
            ) from error

    def _own_times(self) -> Array | None:
        if self._atoms(0).info.get("time") is None:
            return None
        times = [self._atoms(k).info.get("time") for k in range(self._frames)]
        return None if None in times else np.array(times, dtype=np.float64)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_handle"}

    def __del__(self) -> None:
        reader = self.__dict__.get("_handle")
        if reader is not None:
            reader.close()

    def __len__(self) -> int:
        return self._frames

    @property
    def times(self) -> Array | None:
        return self._times

    def frame(self, index: int) -> Frame:
        atoms = self._atoms(index)
        structure = structure_at(
            atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc, self.source, index
        )
        check_same_atoms(self.numbers, structure.numbers, self.source, index)
        results = {} if atoms.calc is None else atoms.calc.results
        stress = results.get("stress")
        info = dict(atoms.info)
        info.pop("time", None)
        temperature = info.pop("temperature", None)
        return Frame(
            structure,
            time=None if self._times is None else float(self._times[index]),
            velocities=atoms.get_velocities() / ase_velocity if "momenta" in atoms.arrays else None,
            energy=None if results.get("energy") is None else float(results["energy"]),
            forces=results.get("forces"),
            stress=None if stress is None else _full(np.asarray(stress)),
            temperature=None if temperature is None else float(temperature),
            unwrapped=bool(info.pop("unwrapped", False)),
            index=index,
            extras=info,
        )


def _full(stress: Array) -> Array:
    return stress if stress.shape == (3, 3) else stress[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)


def to_atoms(frame: Frame) -> Any:
    """An ``ase.Atoms`` that carries what the frame knows.

    Raises InputError on a stress that is not symmetric: ASE's six numbers cannot hold it."""
    from ase.calculators import singlepoint

    atoms: Any = frame.structure.to_ase()
    calculator: Any = singlepoint.SinglePointCalculator
    if frame.velocities is not None:
        atoms.set_velocities(frame.velocities * ase_velocity)
    results = {"energy": frame.energy, "forces": frame.forces, "stress": _voigt(frame)}
    known = {name: value for name, value in results.items() if value is not None}
    if known:
        atoms.calc = calculator(atoms, **known)
    info = {"time": frame.time, "temperature": frame.temperature,
            "unwrapped": frame.unwrapped or None}  # fmt: skip
    atoms.info = {k: v for k, v in info.items() if v is not None} | dict(frame.extras)
    return atoms


def _voigt(frame: Frame) -> Array | None:
    stress = frame.stress
    if stress is None:
        return None
    if not np.allclose(stress, stress.T, rtol=1e-8, atol=1e-12, equal_nan=True):
        raise InputError("ASE holds symmetric stresses only; this one is not", frame=frame.index)
    return stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write every frame, whole or not at all."""
    from ase.io.trajectory import TrajectoryWriter

    open_writer: Any = TrajectoryWriter
    with atomic_path(path) as temporary, open_writer(str(temporary), mode="w") as file:
        for index, frame in enumerate(trajectory):
            check_same_atoms(trajectory.numbers, frame.structure.numbers, trajectory.source, index)
            file.write(to_atoms(frame))
