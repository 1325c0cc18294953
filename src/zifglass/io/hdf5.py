"""The layout of native trajectories, and how frames get into it.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError
from zifglass.core.files import atomic_path, plain

Values = dict[str, NDArray[Any]]
Precision = Literal["double", "single"]

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
