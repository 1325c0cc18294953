"""What this process may use."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time


def usable_cores() -> int:
    """Cores this process may run on: its affinity, where the system tells (as Slurm sets it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """In a child process of `multiprocessing`: stop it as SIGTERM does once its parent is gone,
    killed or not. Elsewhere nothing."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        while True:  # the first ends the work with a checkpoint, the next a process that idles
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)

    threading.Thread(target=watch, daemon=True).start()


def leash() -> tuple[str, ...]:
    """What to put before a command so that the kernel ends it with this process, killed or not;
    nothing where the system has no such means."""
    words = ("setpriv", "--pdeathsig", "KILL", "--")
    return words if shutil.which(words[0]) else ()
