"""The potential of a stage: a named or stored model, or a Python function of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from zifglass.core import InputError, Potential
from zifglass.core.files import sha256_of


def load(name: str, *, threads: int | None = None) -> Potential:
    """What `zifglass.load_potential` knows."""
    # Most processes of a study need no potential, and its import takes as long as all the rest.
    from zifglass.potentials import load_potential

    return load_potential(name, threads=threads)


def sha256_of_potential(name: str) -> str:
    """Of the model's file, found without loading it; of a Python potential, its own word.

    Raises InputError where the model is not on this machine.
    """
    if name.startswith("python:"):
        return load(name).sha256
    path = Path(name.removeprefix("nequip:"))
    if path.is_file():
        return sha256_of(path)
    if name.startswith("nequip:") or os.sep in name or path.suffix:
        raise InputError("no such model file", path)
    return _sha256_of_named(name)


def _sha256_of_named(name: str) -> str:
    from zifglass.potentials import catalogue, load_potential

    item = catalogue.entry(name)
    if catalogue.locate(item) is None:
        load_potential(name)  # says how to get it
    return item.sha256
