"""The native trajectory: one HDF5 file, chunked and compressed, every field of a Frame.

Layout (format version 1; every data set but the first two has the frames as first axis):

=================  ==============  ==========================================
numbers            (atoms,)        atomic numbers
pbc                (3,)            periodic directions
positions          (n, atoms, 3)   Å
cells              (n, 3, 3)       Å, rows are the vectors
times              (n,)            fs
velocities         (n, atoms, 3)   Å/fs
forces             (n, atoms, 3)   eV/Å
energy             (n,)            eV
stress             (n, 3, 3)       eV/Å³, virial part, tension positive
temperature        (n,)            K
extras/<name>      (n, ...)        anything else: numbers or words
=================  ==============  ==========================================

NaN (for words, the empty one) means: not known in this frame. Attributes of the file:
``format``, ``version``, ``frames``, ``unwrapped``, ``metadata`` (JSON); each data set states
its ``unit``. Atom-wise numbers are stored in double or in single precision, as the writer says.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Structure, Trajectory
from zifglass.core.files import atomic_path, plain
from zifglass.core.trajectory import check_same_atoms

from .options import ReadOptions

Array = NDArray[np.float64]
Values = dict[str, NDArray[Any]]
Precision = Literal["double", "single"]

SUFFIXES = (".h5", ".hdf5")
WRITE_OPTIONS = ("precision",)
FORMAT = "zifglass trajectory"
VERSION = 1
UNITS = {
    "positions": "Å",
    "cells": "Å",
    "times": "fs",
    "velocities": "Å/fs",
    "forces": "eV/Å",
    "energy": "eV",
    "stress": "eV/Å³",
    "temperature": "K",
}
_block_bytes = 128 * 1024  # one compressed block: what reading a single frame has to unpack


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


class _Guarded:
    """A file that HDF5 writes through, and that never fails in HDF5's hands.

    HDF5 crashes the process when a write fails while it closes (a full disk). So the first
    failure is kept, writes after it go nowhere, and `check` raises it where that is safe.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self._failure is not None:
            raise self._failure

    def write(self, content: bytes) -> int:
        if self._failure is None:
            try:
                written = 0
                while written < len(content):  # unbuffered: a nearly full disk writes a part
                    written += self._file.write(memoryview(content)[written:])
            except OSError as error:
                self._failure = error
        return len(content)

    def readinto(self, buffer: bytearray) -> int:
        return self._file.readinto(buffer)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int) -> int:
        if self._failure is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._failure = error
        return size

    def flush(self) -> None:
        """Everything is written through already."""


@contextmanager
def new_file(path: str | Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """(an open HDF5 file, a check that raises OSError if the disk is full).

    The file appears at `path` whole or not at all.
    """
    with atomic_path(path) as temporary, temporary.open("r+b", buffering=0) as raw:
        guarded = _Guarded(raw)
        with h5py.File(guarded, "w") as file:
            yield file, guarded.check
        guarded.check()


def frames_at_once(atoms: int) -> int:
    """Frames that are held in memory while copying: some 4 MiB of positions."""
    return max(1, (1 << 22) // (24 * max(1, atoms)))


class Sink:
    """Writes blocks of frames into an open, empty HDF5 file whose number of frames is known.

    A data set begins to exist with the first block that holds it; frames before it, and later
    ones without it, read as NaN.
    """

    def __init__(
        self,
        file: h5py.File,
        frames: int,
        numbers: NDArray[np.int64],
        *,
        pbc: NDArray[np.bool_],
        unwrapped: bool,
        precision: Precision,
        metadata: Mapping[str, Any],
    ) -> None:
        self._file, self._frames, self._atoms = file, frames, len(numbers)
        self._single = precision == "single"
        file["numbers"] = np.asarray(numbers, dtype=np.int32)
        file["pbc"] = np.asarray(pbc, dtype=np.uint8)
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            frames=frames,
            unwrapped=bool(unwrapped),
            metadata=json.dumps(plain(metadata), ensure_ascii=False),
        )
        width = 4 if self._single else 8
        self._block_frames = max(1, min(frames, _block_bytes // (3 * width * self._atoms or 1)))

    def put(self, start: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Write (n, ...) arrays as frames start … start + n."""
        for name, array in values.items():
            path = name if name in UNITS else f"extras/{name}"
            dataset = self._file.get(path) or self._create(path, name, array)
            if dataset.shape[1:] != array.shape[1:]:
                raise InputError(
                    f"{name!r} changes its shape from {dataset.shape[1:]} to {array.shape[1:]}",
                    frame=start,
                )
            dataset[start : start + len(array)] = array

    def _is_per_atom(self, name: str, array: NDArray[Any]) -> bool:
        shape = array.shape[1:]
        return shape[:1] == (self._atoms,) and (
            name in ("positions", "velocities", "forces") or shape not in ((3,), (3, 3))
        )

    def _create(self, path: str, name: str, array: NDArray[Any]) -> h5py.Dataset:
        dtype: Any = np.float64
        fill: Any = np.nan
        if array.dtype.kind in "OUS":
            dtype, fill = h5py.string_dtype(), None
        elif self._single and self._is_per_atom(name, array):
            dtype = np.float32
        item = 8 * int(np.prod(array.shape[1:], initial=1))
        per_block = self._block_frames
        if array.shape[1:2] != (self._atoms,):  # small items: as many as fill a block
            per_block = max(1, min(self._frames, _block_bytes // item))
        dataset = self._file.create_dataset(
            path,
            shape=(self._frames, *array.shape[1:]),
            dtype=dtype,
            chunks=(per_block, *(max(1, n) for n in array.shape[1:])),
            fillvalue=fill,
            **({} if fill is None else {"compression": 1, "shuffle": True, "fletcher32": True}),
        )
        dataset.attrs["unit"] = UNITS.get(name, "as given")
        return dataset


def values_of(frame: Frame) -> Values:
    """The data sets of one frame by name; what is None is left out."""
    values: dict[str, Any] = {
        "positions": frame.structure.positions,
        "cells": frame.structure.cell,
        "times": frame.time,
        "velocities": frame.velocities,
        "forces": frame.forces,
        "energy": frame.energy,
        "stress": frame.stress,
        "temperature": frame.temperature,
    }
    return {
        name: as_value(name, value)
        for name, value in (values | checked_extras(frame.extras)).items()
        if value is not None
    }


def checked_extras(extras: Mapping[str, Any]) -> dict[str, Any]:
    """`extras`, refused where a name cannot be a data set of its own."""
    for name in extras:
        if name in UNITS or name in ("numbers", "pbc") or "/" in name or name.startswith("."):
            raise InputError(f"{name!r} cannot be the name of an extra value: it is taken")
    return dict(extras)


def as_value(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of float64, or of words."""
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    raise InputError(f"{name!r} is neither numbers nor a word: {value!r}")


def stacked(frames: list[Values], start: int) -> Values:
    """Blocks (n, ...) out of n frames' values; NaN (or the empty word) where one lacks a name."""
    names = {name: frame[name] for frame in frames for name in frame}
    blocks: Values = {}
    for name, like in names.items():
        words = like.dtype.kind == "O"
        block = np.full((len(frames), *like.shape), "" if words else np.nan, dtype=like.dtype)
        for row, frame in enumerate(frames):
            if name not in frame:
                continue
            if frame[name].shape != like.shape or frame[name].dtype != like.dtype:
                raise InputError(f"{name!r} changes its shape or kind", frame=start + row)
            block[row] = frame[name][()]
        blocks[name] = block
    return blocks


def read(path: Path, options: ReadOptions) -> NativeTrajectory:
    """Open one native file."""
    return NativeTrajectory(path)


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
