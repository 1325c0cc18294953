"""What this process may use."""

from __future__ import annotations

import os
import shutil


def usable_cores() -> int:
    """Cores this process may run on: its affinity, where the system tells (as Slurm sets it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def leash() -> tuple[str, ...]:
    """What to put before a command so that the kernel ends it with this process, killed or not;
    nothing where the system has no such means."""
    words = ("setpriv", "--pdeathsig", "KILL", "--")
    return words if shutil.which(words[0]) else ()
