"""How far a running stage has come, from the status its dynamics leaves at every checkpoint."""

from __future__ import annotations

import json
from pathlib import Path


def headway(folder: Path) -> str:
    """Such as "expansion-1: hold, 12.3 of 20 ps, 3.2 min left"; "" where nothing is told.

    folder: of the stage; the last of several runs in it is the one that goes on.
    """
    found = [path for path in (folder / "status.json", *folder.glob("*/status.json"))
             if path.is_file()]  # fmt: skip
    try:
        path = max(found, key=lambda path: path.stat().st_mtime_ns)
        status = json.loads(path.read_text(encoding="utf-8"))
        where = "" if path.parent == folder else f"{path.parent.name}: "
        left = status["seconds_left"]
        text = (
            f"{where}{status['segment']}, {status['time_ps']:.4g} of {status['duration_ps']:.4g} ps"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return text if left is None else f"{text}, {_time(left)} left"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 7200 else f"{seconds / 60:.1f} min"
