"""Checkpoints: whole or not there, checked when read, the last two kept.

A file is a line that names the format, a line with the SHA-256 of the rest, and the rest: an npz
of the arrays and of one JSON text for everything else.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from zifglass.core import InputError
from zifglass.core.files import atomic_path

from .state import Array

_magic: Final = b"zifglass checkpoint 1\n"
_name = re.compile(r"step-(\d+)-(\d+)\.ckpt")
kept: Final = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """data: the block of `State`. generator: the random generator's state. records: everything
    else that goes on (monitors, lengths of the trajectory and the thermo table, events), made
    of dicts with text keys, lists, text, numbers, None and numpy arrays."""

    data: Array
    generator: dict[str, Any]
    records: dict[str, Any]


def encode(checkpoint: Checkpoint) -> bytes:
    """The file's bytes; the same for the same content."""
    arrays: list[Any] = [checkpoint.data]
    text = json.dumps(
        {
            "generator": _without_arrays(checkpoint.generator, arrays),
            "records": _without_arrays(checkpoint.records, arrays),
        }
    )
    buffer = io.BytesIO()
    members = {f"array_{i}": array for i, array in enumerate(arrays)}
    np.savez(buffer, allow_pickle=False, text=np.frombuffer(text.encode(), np.uint8), **members)
    content = buffer.getvalue()
    return _magic + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def decode(content: bytes, path: Path) -> Checkpoint:
    """The checkpoint in `content`; raises InputError, naming `path`, unless it is whole."""
    head = len(_magic)
    if content[:head] != _magic:
        raise InputError("this is no checkpoint of zifglass, or its beginning is damaged", path)
    digest, payload = content[head : head + 64], content[head + 65 :]
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise InputError("the checkpoint is damaged: its checksum does not match", path)
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as file:
            arrays = [file[f"array_{i}"] for i in range(len(file.files) - 1)]
            tree = json.loads(file["text"].tobytes())
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"the checkpoint cannot be read: {error}", path) from error
    return Checkpoint(
        arrays[0], _with_arrays(tree["generator"], arrays), _with_arrays(tree["records"], arrays)
    )


def save(folder: Path, checkpoint: Checkpoint, step: int) -> Path:
    """Write `checkpoint` to `folder` and let all but the last `kept` go."""
    older = _listing(folder)
    number = older[0][0] + 1 if older else 0
    path = folder / f"step-{step:012d}-{number:06d}.ckpt"
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode(checkpoint))
    for _, old in older[kept - 1 :]:
        old.unlink(missing_ok=True)
    return path


def newest_first(folder: Path) -> Iterator[tuple[Path, Checkpoint | InputError]]:
    """Every checkpoint of `folder`, newest first; damaged ones as the error they gave."""
    for _, path in _listing(folder):
        try:
            yield path, decode(path.read_bytes(), path)
        except OSError as error:
            yield path, InputError(f"the checkpoint cannot be read: {error.strerror}", path)
        except InputError as error:
            yield path, error


def _listing(folder: Path) -> list[tuple[int, Path]]:
    """(serial number, path), newest first."""
    found = []
    for path in folder.glob("*.ckpt"):
        if match := _name.fullmatch(path.name):
            found.append((int(match[2]), path))
    return sorted(found, reverse=True)


def _without_arrays(value: Any, arrays: list[Any]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"__array__": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, arrays) for item in value]
    return value


def _with_arrays(value: Any, arrays: list[Any]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__array__"}:
            return arrays[value["__array__"]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
