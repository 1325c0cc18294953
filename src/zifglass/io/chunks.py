"""A growing run: a folder of whole native files, ``chunk-000000.h5``, ``chunk-000001.h5``, …

HDF5 that is appended in place does not survive SIGKILL: a killed or cut file cannot be opened.
So every chunk is written beside its place, synced and renamed; at any instant the folder holds
whole chunks only, and together they are the first frames of the run.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from zifglass.core import InputError
from zifglass.core.files import atomic_path, sync_folder

from .hdf5 import (
    UNITS,
    Precision,
    Sink,
    Values,
    as_value,
    checked_extras,
    frames_at_once,
    new_file,
    stacked,
)
from .native import NativeReader, NativeTrajectory

Array = NDArray[np.float64]

_pattern = re.compile(r"chunk-(\d{6,})\.h5")


@dataclass(frozen=True)
class _Chunk:
    path: Path
    first: int
    frames: int
    stamp: tuple[int, int, int]  # inode, size, time of writing: tells a rewritten chunk

    @property
    def stop(self) -> int:
        return self.first + self.frames


def holds_chunks(folder: Path) -> bool:
    """Whether `folder` holds at least one chunk file."""
    return bool(_listing(folder))


def _listing(folder: Path) -> list[Path]:
    """The chunk files of `folder` in order; raises InputError where one is missing."""
    found: dict[int, Path] = {}
    try:
        for path in folder.iterdir():
            match = _pattern.fullmatch(path.name)
            if match:
                found[int(match[1])] = path
    except OSError as error:
        raise InputError(f"cannot read this folder: {error.strerror}", folder) from error
    missing = set(range(len(found))) - set(found)
    if missing:
        raise InputError(f"{_name(min(missing))} is missing between other chunks", folder)
    return [found[i] for i in range(len(found))]


def _name(number: int) -> str:
    return f"chunk-{number:06d}.h5"


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


class ChunkFolder(NativeReader):
    """Reads a growing run. It shows what was there when it was opened or last refreshed.

    ``notes`` says when the last chunk is damaged and left out; a damaged chunk before the last
    is an InputError.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).resolve()
        self.source = str(folder)
        self._chunks: list[_Chunk] = []
        self._readers: dict[Path, NativeTrajectory] = {}
        self._current: NativeTrajectory | None = None
        self.names = ()
        self.refresh()
        if not self._chunks:
            raise InputError("this folder holds no whole chunk of a run yet", folder)

    def refresh(self) -> int:
        """Look for new chunks; returns the number of frames that came (negative after a cut)."""
        before = len(self)
        self.notes = ()
        kept: list[_Chunk] = []
        paths = _listing(self._folder)
        known = {chunk.path: chunk for chunk in self._chunks}
        first = 0
        for path in paths:
            chunk = known.get(path)
            if chunk is None or chunk.first != first or chunk.stamp != _stamp(path):
                try:
                    chunk = self._inspect(path, first)
                except InputError as error:
                    if path != paths[-1]:
                        raise
                    self.notes = (f"the last chunk is left out: {error}",)
                    break
            kept.append(chunk)
            first = chunk.stop
        self._chunks = kept
        self._firsts = [chunk.first for chunk in kept]
        self._cached = (0, 0, {})
        self._collect()
        return len(self) - before

    def _inspect(self, path: Path, first: int) -> _Chunk:
        self._readers.pop(path, None)
        stamp = _stamp(path)
        reader = self._reader(path)
        if first == 0:
            self.numbers, self._pbc = reader.numbers, reader._pbc
            self.unwrapped, self.metadata = reader.unwrapped, reader.metadata
            self.precision = reader.precision
        elif not np.array_equal(reader.numbers, self.numbers):
            raise InputError("this chunk holds other atoms than the first", path)
        return _Chunk(path, first, len(reader), stamp)

    def _collect(self) -> None:
        readers = [self._reader(chunk.path) for chunk in self._chunks]
        seen = {name for reader in readers for name in reader.names}
        extras = sorted(seen - set(UNITS))
        self.names = (*(name for name in UNITS if name in seen), *extras)
        times = [reader.times for reader in readers]
        known = [t for t in times if t is not None]
        self._times = np.concatenate(known) if known and len(known) == len(times) else None

    def _reader(self, path: Path) -> NativeTrajectory:
        reader = self._readers.get(path)
        if reader is None:
            reader = self._readers[path] = NativeTrajectory(path)
        # Headers stay; one file at a time is open, so that many chunks need one descriptor.
        if self._current is not None and self._current is not reader:
            self._current.close()
        self._current = reader
        return reader

    def __len__(self) -> int:
        return self._chunks[-1].stop if self._chunks else 0

    @property
    def times(self) -> Array | None:
        return self._times

    def series(self, name: str, frames: slice = slice(None)) -> NDArray[Any]:
        if name not in self.names:
            raise InputError(
                f"no data set {name!r}; this run holds {', '.join(self.names)}", self.source
            )
        start, stop, step = frames.indices(len(self))
        if step < 1:
            raise InputError("series of a growing run go forwards", self.source)
        parts: list[tuple[int, NDArray[Any]]] = []
        like: NDArray[Any] | None = None
        for chunk in self._chunks:
            low, high = max(start, chunk.first), min(stop, chunk.stop)
            if low >= high:
                continue
            reader = self._reader(chunk.path)
            if name in reader.names:
                part = reader.series(name, slice(low - chunk.first, high - chunk.first))
                like = part
                parts.append((low, part))
        return self._assembled(name, parts, like, range(start, max(start, stop), step))

    def _assembled(
        self,
        name: str,
        parts: list[tuple[int, NDArray[Any]]],
        like: NDArray[Any] | None,
        frames: range,
    ) -> NDArray[Any]:
        if like is None:  # asked only for frames that lack it: its shape is in another chunk
            other = next(c for c in self._chunks if name in self._reader(c.path).names)
            like = self._reader(other.path).series(name, slice(0, 1))
        fill: Any = "" if like.dtype.kind == "O" else np.nan
        whole = np.full((frames.stop - frames.start, *like.shape[1:]), fill, dtype=like.dtype)
        for low, part in parts:
            whole[low - frames.start : low - frames.start + len(part)] = part
        return whole[:: frames.step]

    def _block(self, index: int) -> tuple[int, int]:
        chunk = self._chunks[bisect_right(self._firsts, index) - 1]
        start, stop = self._reader(chunk.path)._block(index - chunk.first)
        return chunk.first + start, chunk.first + stop


class ChunkWriter:
    """Appends frames to a growing run, a whole chunk file per `flush`.

    Open it on a folder that already holds chunks to go on with the run; `frames` then counts
    what is there. A damaged chunk, and all after it, is put aside as ``*.damaged`` and named in
    `notes`. Give one writer at a time a folder; readers may follow it freely.
    """

    def __init__(
        self,
        folder: str | Path,
        numbers: ArrayLike,
        *,
        pbc: Sequence[bool] = (True, True, True),
        precision: Precision = "double",
        unwrapped: bool = True,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.notes: tuple[str, ...] = ()
        self._numbers = np.array(numbers, dtype=np.int64)
        self._pbc = np.array(pbc, dtype=bool)
        self._precision: Precision = precision
        self._unwrapped = unwrapped
        self._metadata = dict(metadata or {})
        self._buffer: list[Values] = []
        self._chunks: list[_Chunk] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write here: {error.strerror}", folder) from error
        self._resume()

    def _resume(self) -> None:
        for stale in self.folder.glob(".chunk-*.h5"):  # what a killed writer left unfinished
            stale.unlink()
        paths = _listing(self.folder)
        first = 0
        for position, path in enumerate(paths):
            try:
                reader = NativeTrajectory(path)
            except InputError as error:
                self._put_aside(paths[position:], str(error))
                break
            if not np.array_equal(reader.numbers, self._numbers):
                raise InputError("the run in this folder holds other atoms", path)
            self._chunks.append(_Chunk(path, first, len(reader), _stamp(path)))
            reader.close()
            first += len(reader)

    def _put_aside(self, paths: list[Path], why: str) -> None:
        for path in reversed(paths):
            path.replace(path.with_suffix(".damaged"))
        sync_folder(self.folder)
        self.notes = (f"{len(paths)} chunk file(s) put aside as *.damaged: {why}",)

    @property
    def frames(self) -> int:
        """Frames that are safely on disk."""
        return self._chunks[-1].stop if self._chunks else 0

    @property
    def pending(self) -> int:
        """Frames appended since the last flush; a crash loses them."""
        return len(self._buffer)

    def append(
        self,
        positions: Array,
        cell: Array,
        *,
        time: float | None = None,
        velocities: Array | None = None,
        forces: Array | None = None,
        energy: float | None = None,
        stress: Array | None = None,
        temperature: float | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a copy of one frame; units as in :mod:`zifglass.io.native`. What is None in some
        frames only reads as NaN there, so fields may come at strides of their own.
        Raises InputError on positions of the wrong shape or not finite."""
        if np.shape(positions) != (len(self._numbers), 3):
            raise InputError(
                f"{len(self._numbers)} atoms need positions of shape ({len(self._numbers)}, 3); "
                f"got {np.shape(positions)}",
                self.folder,
                frame=self.frames + self.pending,
            )
        values: dict[str, Any] = {
            "positions": positions,
            "cells": cell,
            "times": time,
            "velocities": velocities,
            "forces": forces,
            "energy": energy,
            "stress": stress,
            "temperature": temperature,
        }
        known = {
            name: as_value(name, value).copy()
            for name, value in (values | checked_extras(extras or {})).items()
            if value is not None
        }
        if not (np.isfinite(known["positions"]).all() and np.isfinite(known["cells"]).all()):
            raise InputError(
                "positions or cell are not finite", self.folder, frame=self.frames + self.pending
            )
        self._buffer.append(known)

    def flush(self) -> int:
        """Write the pending frames as one whole chunk file; returns `frames`.

        Raises InputError if the disk is full; the frames stay pending and the folder is as
        it was. Nothing is written where nothing is pending.
        """
        if self._buffer:
            path = self.folder / _name(len(self._chunks))
            self._write(path, stacked(self._buffer, self.frames), len(self._buffer))
            self._chunks.append(_Chunk(path, self.frames, len(self._buffer), _stamp(path)))
            self._buffer = []
        return self.frames

    def truncate(self, frames: int) -> None:
        """Cut the run on disk back to its first `frames` frames and forget pending ones.

        Safe at any instant: the folder holds the beginning of the run throughout.
        """
        if not 0 <= frames <= self.frames:
            raise InputError(
                f"cannot cut a run of {self.frames} frames to {frames}: it is shorter", self.folder
            )
        self._buffer = []
        while self._chunks and self._chunks[-1].first >= frames:
            self._chunks.pop().path.unlink()
            sync_folder(self.folder)
        if self._chunks and self._chunks[-1].stop > frames:
            last = self._chunks.pop()
            keep = frames - last.first
            reader = NativeTrajectory(last.path)
            values = {name: reader.series(name, slice(0, keep)) for name in reader.names}
            reader.close()
            self._write(last.path, _known_only(values), keep)
            self._chunks.append(_Chunk(last.path, last.first, keep, _stamp(last.path)))

    def _write(self, path: Path, values: Values, frames: int) -> None:
        # The file is made in memory: a full disk then fails in one plain write, not inside HDF5.
        with h5py.File(
            path.name, "w", driver="core", backing_store=False, block_size=1 << 20
        ) as file:
            sink = Sink(
                file,
                frames,
                self._numbers,
                pbc=self._pbc,
                unwrapped=self._unwrapped,
                precision=self._precision,
                metadata=self._metadata,
            )
            sink.put(0, values)
            file.flush()
            image = file.id.get_file_image()
        with atomic_path(path) as temporary:
            temporary.write_bytes(image)


def _known_only(values: Values) -> Values:
    """Without the data sets that hold nothing but 'not known'."""
    return {
        name: array
        for name, array in values.items()
        if array.dtype.kind == "O" or not np.isnan(array).all()
    }


def join(folder: str | Path, out: str | Path) -> int:
    """Write a run's chunks as one native file, whole or not at all; returns its frames.

    Every data set is bit for bit that of the chunks, however the run was cut into them.
    """
    run = ChunkFolder(folder)
    if run.notes:
        raise InputError(run.notes[0], folder)
    block = frames_at_once(len(run.numbers))
    with new_file(out) as (file, check):
        sink = Sink(
            file,
            len(run),
            run.numbers,
            pbc=run._pbc,
            unwrapped=run.unwrapped,
            precision=run.precision,
            metadata=run.metadata,
        )
        for start in range(0, len(run), block):
            frames = slice(start, min(start + block, len(run)))
            sink.put(start, {name: run.series(name, frames) for name in run.names})
            check()
    return len(run)
