"""The processes that train: started with their log, watched, stopped in good order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zifglass.core import Stopped, ZifglassError
from zifglass.core.machine import leash

LOG = "training.log"


def say_if_stopped(received: list[int]) -> None:
    """Raise Stopped naming the first signal received, if any."""
    if received:
        raise Stopped(
            f"training stopped by {signal.Signals(received[0]).name}; the same command goes on "
            "from the last finished epoch"
        )


@contextmanager
def child_process(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child Python that never outlives the block, or this process; its output goes to
    LOG."""
    with (folder / LOG).open("ab") as log:
        child = subprocess.Popen(
            [*leash(), sys.executable, "-W", "ignore", "-m", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"HYDRA_FULL_ERROR": "1"},
            # Ctrl-C in a terminal reaches the whole group; this process decides what it means.
            start_new_session=True,
        )
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    child.kill()
            child.wait()


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Signals received inside the block, instead of their usual effect."""
    received: list[int] = []
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in watched}
    for number in watched:
        signal.signal(number, lambda which, frame: received.append(which))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def call(command: list[str], folder: Path) -> None:
    """Run a module of nequip to its end."""
    with child_process(command, folder) as child, stop_signals() as received:
        while child.poll() is None and not received:
            time.sleep(0.1)
    say_if_stopped(received)
    if child.returncode:
        raise ZifglassError(f"nequip stopped: {last_line(folder)} (all of it in {LOG})")


def last_line(folder: Path) -> str:
    """The last line that names an error, else the last one that says anything."""
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.strip() for line in reversed(lines) if line.strip()]
    errors = (line for line in said if re.match(r"[\w.]*(Error|Exception)\b", line))
    return next(errors, said[0] if said else "it printed nothing")
