"""stage.json: what a stage is, where it stands, what it left, and where it came from."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from zifglass.core import InputError
from zifglass.core.files import sha256_of, write_json

Word = Literal["running", "finished", "stopped", "failed", "blocked"]
_not_results = {"checkpoints", "page.html"}  # a page may be made at any time (zifglass report)
_format = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """status: as the last process left it ("running" of a process that was killed too).
    sentence: why it stopped or failed. results: path in the folder → sha256, bytes, and the
    file's own time stamp, which only tells whether it may have changed since. sessions: how many
    processes worked on it. began, ended: UTC, for people."""

    name: str
    kind: str
    fingerprint: str
    identity: Mapping[str, Any]
    status: Word
    sentence: str = ""
    threads: int = 1
    sessions: int = 1
    began: str = ""
    ended: str = ""
    seconds: float = 0.0
    host: str = ""
    commit: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    job: str | None = None
    references: tuple[str, ...] = ()
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_record(path: Path) -> Record | None:
    """The record, or None where there is none or it was cut (such a stage has not finished).

    Raises InputError where the file may not be read: nothing is known of the stage then.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("format") != _format:
            return None
        return Record(**value | {"references": tuple(value["references"])})
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read this record: {error.strerror}", path) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Whole or not at all."""
    write_json(path, {"format": _format, **asdict(record)})


def begun(record: Record, *, job: str | None) -> Record:
    """`record` with where and by what its work is done, from now."""
    return replace(
        record,
        status="running",
        sentence="",
        began=now(),
        ended="",
        host=socket.gethostname(),
        commit=commit(),
        versions=versions(),
        job=job,
    )


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def results_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of the results, with its checksum."""
    found = {}
    for path in _result_files(folder):
        found[path.relative_to(folder).as_posix()] = {"sha256": sha256_of(path), **_stamp(path)}
    return found


def differences(folder: Path, record: Record) -> list[str]:
    """What is wrong with the results now, a phrase per file: "results.json was edited"…

    A file whose size and time stamp are as recorded is taken as it is; any other is read. Raises
    InputError where one may not be read.
    """
    found = []
    for name, expected in record.results.items():
        path = folder / name
        try:
            stamp = _stamp(path)
            if stamp == {key: expected[key] for key in stamp}:
                continue
            if stamp["bytes"] != expected["bytes"] or sha256_of(path) != expected["sha256"]:
                found.append(f"{name} was changed")
        except (FileNotFoundError, NotADirectoryError):
            found.append(f"{name} is missing")
        except IsADirectoryError:
            found.append(f"{name} was changed")
        except OSError as error:
            raise InputError(f"cannot read this result: {error.strerror}", path) from error
    return found


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _result_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _not_results for part in parts)
        if path.is_file() and not hidden and path.suffix != ".lock" and parts != ("stage.json",):
            yield path


@cache
def commit() -> str | None:
    """The commit of the source tree that runs, "-dirty" where it has changes; None outside one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    command += ["--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def versions() -> dict[str, str]:
    """Of what computes."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("zifglass", "numpy", "scipy", "ase"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            module = sys.modules.get(package)
            found[package] = str(getattr(module, "__version__", "unknown"))
    return found
