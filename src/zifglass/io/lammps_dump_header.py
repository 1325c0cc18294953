"""What stands above the atoms of one frame of a LAMMPS dump."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError

from .text import LineScanner, Truncated


@dataclass(frozen=True)
class DumpHeader:
    """time: in the file's unit. lines: of the header itself."""

    step: int
    time: float | None
    units: str | None
    atoms: int
    box_words: tuple[str, ...]
    box_lines: tuple[bytes, ...]
    columns: tuple[str, ...]
    lines: int


def read_header(scanner: LineScanner, path: Path, frame: int) -> DumpHeader | None:
    """Read up to ``ITEM: ATOMS``; None at the end of the file. Raises Truncated where the file
    ends within, InputError with the line on what is no header."""
    found: dict[str, Any] = {}
    start = scanner.number
    while True:
        number = scanner.number
        line = scanner.line()
        if line is None:
            if found:
                raise Truncated("its header is not whole")
            return None
        if not line.strip() and not found:
            continue
        if scanner.at_open_end:
            raise Truncated("its header is not whole")
        item = line.decode("latin-1").strip()
        if not item.startswith("ITEM: "):
            message = f"expected a line 'ITEM: …', got {item[:30]!r}"
            if frame:
                message += ": is the frame before it cut short or too long?"
            raise InputError(message, path, line=number, frame=frame)
        item = item[6:]
        if item.startswith("ATOMS"):
            found["columns"] = tuple(item.split()[1:])
            break
        if item.startswith("BOX BOUNDS"):
            found["box_words"] = tuple(item.split()[2:])
            found["box_lines"] = tuple(_next(scanner) for _ in range(3))
        elif item in ("TIMESTEP", "NUMBER OF ATOMS", "TIME", "UNITS"):
            found[item] = _next(scanner).strip().decode("latin-1"), number + 1
        else:
            raise InputError(f"unknown item {item[:30]!r}", path, line=number, frame=frame)
    return _made(found, path, frame, start, scanner.number)


def _next(scanner: LineScanner) -> bytes:
    line = scanner.line()
    if line is None or scanner.at_open_end:
        raise Truncated("its header is not whole")
    return line


def _made(found: dict[str, Any], path: Path, frame: int, start: int, stop: int) -> DumpHeader:
    for key in ("TIMESTEP", "NUMBER OF ATOMS", "box_words"):
        if key not in found:
            name = "BOX BOUNDS" if key == "box_words" else key
            raise InputError(f"this frame has no ITEM: {name}", path, line=start, frame=frame)
    step = _whole(found["TIMESTEP"], path, frame)
    atoms = _whole(found["NUMBER OF ATOMS"], path, frame)
    if atoms < 1:
        raise InputError(
            "this frame holds no atoms", path, line=found["NUMBER OF ATOMS"][1], frame=frame
        )
    time = None
    if "TIME" in found:
        try:
            time = float(found["TIME"][0])
        except ValueError:
            raise InputError(
                f"a time is a number; got {found['TIME'][0]!r}",
                path, line=found["TIME"][1], frame=frame,
            ) from None  # fmt: skip
    return DumpHeader(
        step, time, found.get("UNITS", (None,))[0], atoms,
        found["box_words"], found["box_lines"], found["columns"], stop - start,
    )  # fmt: skip


def _whole(stated: tuple[str, int], path: Path, frame: int) -> int:
    text, line = stated
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise InputError(
            f"expected a whole number, got {text[:30]!r}", path, line=line, frame=frame
        )
    return int(text)
