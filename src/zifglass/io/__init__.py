"""One file per format, the same verbs everywhere. See README.md in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zifglass.core import Trajectory


def read(path: str | Path) -> Trajectory:
    raise NotImplementedError


def write(path: str | Path, trajectory: Any) -> None:
    raise NotImplementedError
