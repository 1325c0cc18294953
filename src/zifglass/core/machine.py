"""What this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores this process may run on: its affinity, where the system tells (as Slurm sets it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
