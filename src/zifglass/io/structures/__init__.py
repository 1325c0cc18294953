"""Structures that ship with zifglass. See README.md in this folder.

``load("zif8")`` reads one; ``NAMES`` lists them. A structure is a file NAME.extxyz here.
"""

from __future__ import annotations

from pathlib import Path

from zifglass.core import InputError, Structure
from zifglass.io.formats import read

_folder = Path(__file__).parent

NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in _folder.glob("*.extxyz")))


def path_of(name: str) -> Path:
    """The file of a shipped structure. Raises InputError, listing them, on another name."""
    if name not in NAMES:
        raise InputError(f"no structure called {name!r} ships; there are {', '.join(NAMES)}")
    return _folder / f"{name}.extxyz"


def load(name: str) -> Structure:
    """The shipped structure of this name. Raises InputError, listing them, on another."""
    return read(path_of(name))[0].structure
