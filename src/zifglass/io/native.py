"""The native trajectory: one HDF5 file, chunked and compressed, every field of a Frame.

The layout is described in :mod:`zifglass.io.hdf5`.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Structure, Trajectory
from zifglass.core.trajectory import check_same_atoms

from .hdf5 import (
    FORMAT,
    UNITS,
    VERSION,
    Precision,
    Sink,
    Values,
    frames_at_once,
    new_file,
    stacked,
    values_of,
)
from .options import ReadOptions

Array = NDArray[np.float64]

SUFFIXES = (".h5", ".hdf5")
WRITE_OPTIONS = ("precision",)


def recognise(path: Path, head: bytes) -> bool:
    """An HDF5 file."""
    return head.startswith(b"\x89HDF\r\n\x1a\n")


class NativeReader(Trajectory):
    """What one native file and a folder of chunk files have in common."""

    names: tuple[str, ...]
    metadata: Mapping[str, Any]
    unwrapped: bool
    precision: Precision
    _pbc: NDArray[np.bool_]
    _cached: tuple[int, int, Values] = (0, 0, {})

    @abstractmethod
    def series(self, name: str, frames: slice = slice(None)) -> NDArray[Any]:
        """One data set over `frames`, (n, ...): ``positions``, ``cells``, ``times``, ``energy``,
        ``stress``, ``temperature``… or the name of an extra. Units as in the file's layout;
        NaN where a frame does not know. Raises InputError on a name that is not in `names`."""

    @abstractmethod
    def _block(self, index: int) -> tuple[int, int]:
        """The frames (start, stop) that are unpacked together with frame `index`."""

    def frame(self, index: int) -> Frame:
        start, stop, values = self._cached
        if not start <= index < stop:
            start, stop = self._block(index)
            values = {name: self.series(name, slice(start, stop)) for name in self.names}
            self._cached = (start, stop, values)
        return self._frame(index, {name: array[index - start] for name, array in values.items()})

    def _frame(self, index: int, values: Mapping[str, Any]) -> Frame:
        known = {name: value for name, value in values.items() if _is_known(value)}
        try:
            structure = Structure(
                self.numbers, known.pop("positions"), known.pop("cells"), self._pbc
            )
        except KeyError as error:
            raise InputError(
                f"no {error.args[0]} in this frame", self.source, frame=index
            ) from None
        except InputError as error:
            raise InputError(error.message, self.source, frame=index) from None
        scalars = {name: known.pop(name, None) for name in ("times", "energy", "temperature")}
        time, energy, temperature = (
            None if value is None else float(value) for value in scalars.values()
        )
        if time is None and self.times is not None:
            time = float(self.times[index])
        return Frame(
            structure,
            time=time,
            velocities=known.pop("velocities", None),
            energy=energy,
            forces=known.pop("forces", None),
            stress=known.pop("stress", None),
            temperature=temperature,
            unwrapped=self.unwrapped,
            index=index,
            extras={name: v.item() if np.ndim(v) == 0 and hasattr(v, "item") else v
                    for name, v in known.items()},
        )  # fmt: skip

    def chunks(self, size: int) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(self), size):
            frames = slice(start, min(start + size, len(self)))
            yield self.series("positions", frames), self.series("cells", frames)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_cached", "_handle")}


class NativeTrajectory(NativeReader):
    """One native file. Opened again on first use in every process; frames are read on demand.

    Raises InputError on a file that is cut, damaged or not a trajectory of this format.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).resolve()
        self.source = str(path)
        try:
            file = self._open()
            self._read_header(file)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise InputError(
                f"cannot be opened as a native trajectory; cut or damaged? ({_first_line(error)})",
                path,
            ) from error

    def _open(self) -> h5py.File:
        handle = self.__dict__.get("_handle")
        if handle is None:
            # Files are never written in place, so locks (which fail on some networks) do nothing.
            handle = self.__dict__["_handle"] = h5py.File(self._path, "r", locking=False)
        return handle

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        handle = self.__dict__.pop("_handle", None)
        if handle is not None:
            handle.close()

    def _read_header(self, file: h5py.File) -> None:
        if file.attrs.get("format") != FORMAT:
            raise InputError("an HDF5 file, but not a zifglass trajectory", self.source)
        version = int(file.attrs["version"])
        if version > VERSION:
            raise InputError(
                f"format version {version} is newer than this zifglass, which reads up to "
                f"{VERSION}: update zifglass",
                self.source,
            )
        self.numbers = file["numbers"][()].astype(np.int64)
        self._pbc = file["pbc"][()].astype(bool)
        self._frames = int(file.attrs["frames"])
        self.unwrapped = bool(file.attrs["unwrapped"])
        self.metadata = json.loads(file.attrs["metadata"])
        extras = tuple(file["extras"]) if "extras" in file else ()
        self.names = (*(name for name in UNITS if name in file), *extras)
        self._block_frames = int(file["positions"].chunks[0])
        self.precision = "single" if file["positions"].dtype == np.float32 else "double"
        self._times = self.series("times") if "times" in self.names else None
        if self._times is not None and np.isnan(self._times).any():
            self._times = None

    def __len__(self) -> int:
        return self._frames

    def keep_time(self, timestep: float) -> None:
        """Frames `timestep` fs apart, where the file says nothing of time."""
        if self._times is None:
            self._times = timestep * np.arange(self._frames)

    @property
    def times(self) -> Array | None:
        return self._times

    def series(self, name: str, frames: slice = slice(None)) -> NDArray[Any]:
        if name not in self.names:
            raise InputError(
                f"no data set {name!r}; this trajectory holds {', '.join(self.names)}", self.source
            )
        start, stop, step = frames.indices(self._frames)
        try:
            data = self.raw(name)[start:stop:step]
        except OSError as error:
            raise InputError(
                f"the data set {name!r} is damaged ({_first_line(error)})", self.source, frame=start
            ) from error
        if data.dtype == np.float32:
            data = data.astype(np.float64)
        return data

    def raw(self, name: str) -> Any:
        """The h5py data set `name`; words as str."""
        file = self._open()
        dataset = file[name if name in UNITS else f"extras/{name}"]
        return dataset.asstr() if dataset.dtype.kind == "O" else dataset

    def _block(self, index: int) -> tuple[int, int]:
        start = index - index % self._block_frames
        return start, min(start + self._block_frames, self._frames)


def read(path: Path, options: ReadOptions) -> NativeTrajectory:
    """Open one native file; `options.timestep` is the clock of one without times."""
    trajectory = NativeTrajectory(path)
    if options.timestep is not None:
        trajectory.keep_time(options.timestep)
    return trajectory


def write(
    path: str | Path,
    trajectory: Trajectory,
    *,
    precision: Precision = "double",
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write every frame and field of `trajectory` to one native file, whole or not at all.

    precision: of atom-wise numbers; ``single`` halves the file and keeps 7 digits. metadata:
    JSON-able; by default that of the source if it is native. Streams: bounded memory.
    """
    if metadata is None:
        metadata = trajectory.metadata if isinstance(trajectory, NativeReader) else {}
    first = trajectory[0]
    with new_file(path) as (file, check):
        sink = Sink(
            file,
            len(trajectory),
            trajectory.numbers,
            pbc=first.structure.pbc,
            unwrapped=first.unwrapped,
            precision=precision,
            metadata=metadata,
        )
        block = frames_at_once(len(trajectory.numbers))
        for start in range(0, len(trajectory), block):
            frames = [trajectory[i] for i in range(start, min(start + block, len(trajectory)))]
            for row, frame in enumerate(frames):
                check_same_atoms(
                    trajectory.numbers, frame.structure.numbers, trajectory.source, start + row
                )
            sink.put(start, stacked([values_of(frame) for frame in frames], start))
            check()


def _is_known(value: Any) -> bool:
    if isinstance(value, str):
        return value != ""
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return not bool(np.isnan(array).all()) or array.size == 0
    return True


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
