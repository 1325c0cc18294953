"""Frames in time: in memory, or lazily from disk through a reader of `zifglass.io`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .structure import Structure

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """One instant of a trajectory; what is not known is None.

    structure: Å. time: fs. velocities (atoms, 3): Å/fs. energy: potential energy, eV.
    forces (atoms, 3): eV/Å. stress (3, 3): eV/Å³, virial part, tension positive; NaN marks
    components that the source does not give. temperature: K. unwrapped: the positions are
    continuous in time (never wrapped into the cell). index: the frame's number in its source.
    extras: further named values of the frame (numbers, arrays, words), in the units of the
    source; an array whose first axis is the atoms is per atom, except (3,) and (3, 3).
    """

    structure: Structure
    time: float | None = None
    velocities: Array | None = None
    energy: float | None = None
    forces: Array | None = None
    stress: Array | None = None
    temperature: float | None = None
    unwrapped: bool = False
    index: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict)


class Trajectory(Sequence[Frame], ABC):
    """A sequence of frames of the same atoms in the same order.

    ``traj[i]`` is a Frame, ``traj[a:b:c]`` a view that reads nothing. Iterating streams: one
    frame is in memory at a time. Every trajectory can be pickled, so that worker processes
    read for themselves. `times` is (frames,) in fs, or None when the source has no clock.
    `notes` are sentences about what was found and left out on reading (a truncated last frame).
    """

    numbers: NDArray[np.int64]
    source: str
    notes: tuple[str, ...] = ()

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """Frame `index` (0 ≤ index < len); raises InputError naming file and frame."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def times(self) -> Array | None:
        """(frames,) fs, or None."""

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Trajectory: ...
    def __getitem__(self, index: int | slice) -> Frame | Trajectory:
        if isinstance(index, slice):
            return TrajectoryView(self, range(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.source} has {len(self)} frames, no frame {index}")
        return self.frame(index % len(self))

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self)):
            yield self.frame(index)

    def chunks(self, size: int) -> Iterator[tuple[Array, Array]]:
        """(positions (n, atoms, 3), cells (n, 3, 3)) for n ≤ `size` frames at a time."""
        for start in range(0, len(self), size):
            frames = [self.frame(i) for i in range(start, min(start + size, len(self)))]
            yield (
                np.stack([f.structure.positions for f in frames]),
                np.stack([f.structure.cell for f in frames]),
            )


class ArrayTrajectory(Trajectory):
    """Frames held in memory."""

    def __init__(self, frames: Iterable[Frame], *, source: str = "memory") -> None:
        self._frames = list(frames)
        self.source = source
        if not self._frames:
            raise InputError("a trajectory needs at least one frame", source)
        self.numbers = self._frames[0].structure.numbers
        for index, frame in enumerate(self._frames):
            check_same_atoms(self.numbers, frame.structure.numbers, source, index)
        times = [frame.time for frame in self._frames]
        known = [time for time in times if time is not None]
        self._times = np.array(known) if len(known) == len(times) else None

    @classmethod
    def from_arrays(
        cls,
        numbers: Any,
        positions: Array,
        cells: Array,
        *,
        times: Array | None = None,
        unwrapped: bool = False,
        source: str = "memory",
    ) -> ArrayTrajectory:
        """positions (frames, atoms, 3) Å, cells (3, 3) or (frames, 3, 3) Å, times (frames,) fs."""
        cells = np.broadcast_to(cells, (len(positions), 3, 3))
        return cls(
            (
                Frame(
                    Structure(numbers, positions[i], cells[i]),
                    time=None if times is None else float(times[i]),
                    unwrapped=unwrapped,
                    index=i,
                )
                for i in range(len(positions))
            ),
            source=source,
        )

    def frame(self, index: int) -> Frame:
        return self._frames[index]

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def times(self) -> Array | None:
        return self._times


class TrajectoryView(Trajectory):
    """Some frames of another trajectory; reads nothing until a frame is asked for."""

    _base: Trajectory
    _indices: range

    def __init__(self, base: Trajectory, indices: range) -> None:
        if isinstance(base, TrajectoryView):  # a view never wraps a view
            outer = base._indices
            indices = range(
                outer.start + outer.step * indices.start,
                outer.start + outer.step * indices.stop,
                outer.step * indices.step,
            )
            base = base._base
        self._base = base
        self._indices = indices
        self.numbers = base.numbers
        self.source = base.source
        self.notes = base.notes

    def frame(self, index: int) -> Frame:
        return self._base.frame(self._indices[index])

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def times(self) -> Array | None:
        times = self._base.times
        return None if times is None else times[self._indices]


def check_same_atoms(
    expected: NDArray[np.int64], numbers: NDArray[np.int64], source: str, frame: int
) -> None:
    """Raise InputError unless both hold the same atoms in the same order."""
    if len(numbers) != len(expected):
        raise InputError(
            f"every frame must hold the {len(expected)} atoms of the first; got {len(numbers)}",
            source,
            frame=frame,
        )
    if not np.array_equal(numbers, expected):
        atom = int(np.nonzero(numbers != expected)[0][0])
        raise InputError(
            f"the order of the atoms changed: atom {atom} was element {expected[atom]} in the "
            f"first frame and is element {numbers[atom]} here",
            source,
            frame=frame,
        )


def as_structure(value: Structure | Frame | Atoms) -> Structure:
    """A Structure from a Structure, a Frame or an ``ase.Atoms``."""
    if isinstance(value, Structure):
        return value
    if isinstance(value, Frame):
        return value.structure
    if hasattr(value, "numbers") and hasattr(value, "positions") and hasattr(value, "cell"):
        return Structure.from_ase(value)
    raise InputError(f"expected a Structure or an ase.Atoms, got {type(value).__name__}")


def as_trajectory(value: Any) -> Trajectory:
    """A Trajectory from a Trajectory, a Structure, an ``ase.Atoms`` or a list of these."""
    if isinstance(value, Trajectory):
        return value
    if isinstance(value, (list, tuple)):
        frames = [
            item if isinstance(item, Frame) else Frame(as_structure(item), index=i)
            for i, item in enumerate(value)
        ]
        return ArrayTrajectory(frames)
    return ArrayTrajectory([value if isinstance(value, Frame) else Frame(as_structure(value))])
