"""Structures that ship with zifglass. See README.md in this folder.

``load("zif8")`` reads one; ``NAMES`` lists them. A structure is a file NAME.extxyz here.
"""

from __future__ import annotations

from zifglass.core import Structure
from zifglass.io.formats import read
from zifglass.io.shipped import NAMES, path_of

__all__ = ["NAMES", "load", "path_of"]


def load(name: str) -> Structure:
    """The shipped structure of this name. Raises InputError, listing them, on another."""
    return read(path_of(name))[0].structure
