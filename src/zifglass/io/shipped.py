"""Where the structures that ship with zifglass lie: files NAME.extxyz in `structures`."""

from __future__ import annotations

from pathlib import Path

from zifglass.core import InputError

_folder = Path(__file__).parent / "structures"

NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in _folder.glob("*.extxyz")))


def path_of(name: str) -> Path:
    """The file of a shipped structure. Raises InputError, listing them, on another name."""
    if name not in NAMES:
        raise InputError(f"no structure called {name!r} ships; there are {', '.join(NAMES)}")
    return _folder / f"{name}.extxyz"
