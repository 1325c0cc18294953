"""What the readers of text trajectories share: an index of frames, and rows of numbers.

Opening a file scans it once, streaming, and keeps nothing but where each frame begins and its
time; a frame is read when it is asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zifglass._native import parse_table
from zifglass.core import Frame, InputError, Structure, Trajectory

from .options import ReadOptions

Array = NDArray[np.float64]

BOM = b"\xef\xbb\xbf"
"""What editors on Windows put before UTF-8 text; passed over wherever text is read."""

_buffer_bytes = 1 << 22


def open_binary(path: Path) -> IO[bytes]:
    """Open for reading; raises InputError that says why it cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from error


def text_of(path: Path) -> str:
    """The whole of a small text file; raises InputError if it cannot be read or is not text."""
    with open_binary(path) as file:
        content = file.read().removeprefix(BOM)
    if not content.strip():
        raise InputError("the file is empty", path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def open_end(path: Path) -> str:
    """The note on a file whose last line has no end and could have been cut in a number."""
    return f"the last line has no end; if it was cut, so is its number ({path})"


class LineScanner:
    """Runs through the lines of a file of any size, skipping many at a time.

    `offset` is the byte at which the next line begins, `number` its number from 1.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        head = file.read(len(BOM))
        self._buffer = head.removeprefix(BOM)
        self._buffer_offset = len(head) - len(self._buffer)
        self._read = len(head)
        self._ends: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # one past each newline
        self._next = 0
        self._start = 0  # of the next line in the buffer
        self._finished = False
        self._padded = False
        self.number = 1

    @property
    def offset(self) -> int:
        return min(self._buffer_offset + self._start, self._read)

    @property
    def at_open_end(self) -> bool:
        """Whether the file is used up and its last line had no end: it may have been cut."""
        return self._padded and self._next == len(self._ends)

    def _refill(self) -> bool:
        """Read on until there is a further line; False at the end of the file."""
        while not self._finished and self._next == len(self._ends):
            self._buffer_offset += self._start
            block = self._file.read(_buffer_bytes)
            self._read += len(block)
            self._finished = len(block) < _buffer_bytes
            self._buffer = self._buffer[self._start :] + block
            if self._finished and self._buffer and not self._buffer.endswith(b"\n"):
                self._buffer += b"\n"  # a last line without an end is a line
                self._padded = True
            codes = np.frombuffer(self._buffer, dtype=np.uint8)
            self._ends = np.flatnonzero(codes == 10).astype(np.int64) + 1
            self._next = self._start = 0
        return self._next < len(self._ends)

    def line(self) -> bytes | None:
        """The next line without its end; None at the end of the file."""
        if not self._refill():
            return None
        end = int(self._ends[self._next])
        text = self._buffer[self._start : end - 1]
        self._start = end
        self._next += 1
        self.number += 1
        return text

    def skip(self, lines: int) -> int:
        """Pass over up to `lines` lines; returns how many there were."""
        passed = 0
        while passed < lines and self._refill():
            step = min(lines - passed, len(self._ends) - self._next)
            self._next += step
            self._start = int(self._ends[self._next - 1])
            passed += step
        self.number += passed
        return passed


@dataclass(frozen=True)
class FrameIndex:
    """offsets (frames + 1,): bytes; lines (frames,): the first line of each frame; times
    (frames,) in fs or None; notes: what was left out."""

    offsets: NDArray[np.int64]
    lines: NDArray[np.int64]
    times: Array | None
    notes: tuple[str, ...]


class Truncated(Exception):
    """A frame ends before its time; raised by the scan of one frame."""


def index_frames(
    path: Path, scan: Callable[[LineScanner, int], tuple[int, float | None] | None]
) -> FrameIndex:
    """Find every frame of `path`.

    `scan(scanner, frame)` passes over one frame and returns (its first line, its time), or None
    at the end of the file, or raises Truncated. A truncated last frame is left out with a note;
    a file that holds no whole frame is an InputError. A last line without an end may be cut
    within a number: its frame is left out too, unless it is the only one.
    """
    offsets: list[int] = []
    lines: list[int] = []
    times: list[float | None] = []
    notes: tuple[str, ...] = ()
    with open_binary(path) as file:
        scanner = LineScanner(file)
        while True:
            start, first_line = scanner.offset, scanner.number
            try:
                found = scan(scanner, len(offsets))
                if found is not None and scanner.at_open_end:
                    if offsets:
                        raise Truncated("its last line has no end")
                    notes = (open_end(path),)
            except Truncated as cut:
                if not offsets:
                    raise InputError(
                        f"the first frame is cut short ({cut}): there is no whole frame to read",
                        path,
                        line=first_line,
                    ) from None
                notes = (
                    f"the last frame is cut short ({cut}) and left out ({path}:{first_line}, "
                    f"frame {len(offsets)})",
                )
                break
            if found is None:
                break
            lines.append(found[0])
            times.append(found[1])
            offsets.append(start)
        stop = start
    if not offsets:
        raise InputError("the file is empty", path)
    known = [time for time in times if time is not None]
    return FrameIndex(
        np.array([*offsets, stop], dtype=np.int64),
        np.array(lines, dtype=np.int64),
        np.array(known) if len(known) == len(times) else None,
        notes,
    )


class TextTrajectory(Trajectory):
    """Frames of a text file through an index of where they begin. Random access is O(1)."""

    def __init__(self, path: Path, index: FrameIndex, options: ReadOptions) -> None:
        self._path = path.resolve()
        self.source = str(path)
        self._index = index
        self._options = options
        self.notes = index.notes
        self._times = clock(index.times, len(index.lines), options, path)

    def __len__(self) -> int:
        return len(self._index.lines)

    @property
    def times(self) -> Array | None:
        return self._times

    def _time(self, index: int) -> float | None:
        return None if self._times is None else float(self._times[index])

    def line_of(self, index: int) -> int:
        """The first line of frame `index`, from 1."""
        return int(self._index.lines[index])

    def block(self, index: int) -> bytes:
        """The bytes of frame `index`."""
        handle = self.__dict__.get("_handle")
        if handle is None:
            handle = self.__dict__["_handle"] = open_binary(self._path)
        start, stop = self._index.offsets[index : index + 2].tolist()
        handle.seek(start)
        content: bytes = handle.read(stop - start)
        if len(content) < stop - start:
            raise InputError("the file became shorter while it was read", self.source, frame=index)
        return content

    @abstractmethod
    def frame(self, index: int) -> Frame: ...

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_handle"}

    def __del__(self) -> None:
        handle = self.__dict__.get("_handle")
        if handle is not None:
            handle.close()


def clock(own: Array | None, frames: int, options: ReadOptions, path: Path) -> Array | None:
    """The file's own times (fs), or frame numbers × the caller's timestep, or None."""
    if options.timestep is None:
        return own
    if own is not None:
        raise InputError("this file states its own times: leave the timestep out", path)
    return np.arange(frames, dtype=np.float64) * options.timestep


def parse_rows(
    text: bytes, rows: int, kinds: str, path: str, *, line: int, frame: int
) -> tuple[Array, NDArray[np.uint64]]:
    """`rows` lines of white-space separated columns.

    kinds: a letter per column, ``f`` number, ``s`` word of at most 8 characters, ``-`` skipped.
    Returns numbers (rows, f's) and words (rows, s's), these packed as integers (see `word`).
    Raises InputError naming the line; `line` is that of the first row.
    """
    numbers, words, row, column = parse_table(text, rows, kinds)
    if row < 0:
        return numbers, words
    found = text.split(b"\n")[row].split() if row < text.count(b"\n") + 1 else []
    if column < len(found) and column < len(kinds):
        what = {"f": "a number", "s": "a word of at most 8 characters"}[kinds[column]]
        message = f"expected {what} in column {column + 1}, got {_shown(found[column])}"
    else:
        message = f"expected {len(kinds)} columns, got {len(found)}"
    raise InputError(message, path, line=line + row, frame=frame)


def word(code: int) -> str:
    """The word that `parse_rows` packed into an integer."""
    return int(code).to_bytes(8, "little").rstrip(b"\0").decode("latin-1")


def structure_at(
    numbers: Any,
    positions: Any,
    cell: Any,
    pbc: Any,
    source: str,
    frame: int,
    line: int | None = None,
) -> Structure:
    """A Structure whose errors name file and frame."""
    try:
        return Structure(numbers, positions, cell, pbc)
    except InputError as error:
        raise InputError(error.message, source, line=line, frame=frame) from None


def _shown(token: bytes) -> str:
    text = token.decode("latin-1")
    return repr(text if len(text) <= 20 else text[:17] + "…")
