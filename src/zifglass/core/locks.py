"""One writer at a time: a lock on a file that the kernel takes back when its holder ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


class Held(InputError):
    """Another process holds the lock."""


@contextmanager
def locked(path: str | Path, *, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` (created if missing) while the block runs.

    wait: seconds to wait for another holder. The lock goes with the process, however that ends.
    `what` completes the sentence "another process writes to …". Raises Held naming the holder,
    InputError where the file cannot be opened or the file system knows no locks.
    """
    path = Path(path)
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, what, time.monotonic() + wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: str | Path) -> bool:
    """Whether a process holds the lock file `path` now."""
    path = Path(path)
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # A shared lock: two who only look do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"cannot write here: {error.strerror}", path.parent) from error


def _acquire(descriptor: int, path: Path, what: str, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= until:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                raise Held(
                    f"another process writes to {what} ({holder or 'unknown'}); wait for it or "
                    "stop it",
                    path.parent,
                ) from error
        except OSError as error:
            raise InputError(
                f"this file system gives no locks: {error.strerror}; use another one", path.parent
            ) from error
        time.sleep(0.05)
