"""Which format is it? By content where that is unambiguous, else by name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from zifglass.core import InputError, Trajectory, as_trajectory
from zifglass.core.files import check_writable

from . import chunks, native, shipped
from .hdf5 import Precision
from .options import ReadOptions, SpeciesMap
from .text import BOM, open_binary

_modules = {
    "extxyz": ".extxyz",
    "cif": ".cif",
    "poscar": ".poscar",
    "lammps_data": ".lammps_data",
    "lammps_dump": ".lammps_dump",
    "cp2k": ".cp2k",
    "nequip_npz": ".nequip_npz",
    "ase_traj": ".ase_traj",
    "native": ".native",
}
FORMATS = tuple(_modules)

_head_bytes = 8192


class InputWarning(UserWarning):
    """Something in a file was left out; the sentence is also in the trajectory's `notes`."""


def _module(name: str) -> Any:
    if name not in _modules:
        raise InputError(f"no format {name!r}; known are {', '.join(FORMATS)}")
    return import_module(_modules[name], __package__)


def read(
    path: str | Path,
    *,
    format: str | None = None,
    species_map: SpeciesMap | None = None,
    timestep: float | None = None,
    cell: Any | None = None,
    units: str | None = None,
) -> Trajectory:
    """Open a structure or trajectory file, the folder of a growing run, or, where no file of that
    name exists, a crystal that ships (``zif4``, ``zif8``; `io.structures.NAMES`).

    format: one of `FORMATS`; by default it is found from the content, then the name.
    species_map: label or LAMMPS type → element symbol ({"1": "C"}, ("C", "H"), "1=C,2=H").
    timestep: fs per step of the file's own clock (LAMMPS dumps), or between frames for a file
    without a clock. cell: (3,) or (3, 3) Å, for a file without one. units: metal or real, for
    LAMMPS files that do not say (metal otherwise).

    Frames of text trajectories, ASE trajectories and native files are read when asked for.
    What is left out (a truncated last frame) is warned of as InputWarning and kept in `notes`.
    Raises InputError with file and line or frame on anything that cannot be used.
    """
    path = file_of(path)
    options = ReadOptions.checked(species_map, timestep, cell, units)
    if path.is_dir():
        trajectory: Trajectory = _read_folder(path)
    else:
        name = format or recognised(path)
        trajectory = _module(name).read(path, options)
    for note in trajectory.notes:
        warnings.warn(note, InputWarning, stacklevel=2)
    return trajectory


def file_of(path: str | Path) -> Path:
    """`path`, or the file of the crystal that ships under this name where no such file exists."""
    if str(path) in shipped.NAMES and not Path(path).exists():
        return shipped.path_of(str(path))
    return Path(path)


def _read_folder(folder: Path) -> Trajectory:
    joined = folder / "trajectory.h5"
    if joined.is_file():
        return native.NativeTrajectory(joined)
    for candidate in (folder, folder / "trajectory"):
        if candidate.is_dir() and chunks.holds_chunks(candidate):
            return chunks.ChunkFolder(candidate)
    raise InputError("this folder holds no run: no chunk-000000.h5 and no trajectory.h5", folder)


def recognised(path: Path) -> str:
    """The name of the format of a file. Raises InputError if it is empty, missing or unknown."""
    with open_binary(path) as file:
        head = file.read(_head_bytes).removeprefix(BOM)
    if not head.strip():
        raise InputError("the file is empty", path)
    by_content = [name for name in FORMATS if _module(name).recognise(path, head)]
    by_name = named(path)
    if by_name in by_content or (by_name and not by_content):
        return str(by_name)
    if len(by_content) == 1:
        return by_content[0]
    if by_content:
        raise InputError(
            f"this could be {' or '.join(by_content)}: say which with format (--format)", path
        )
    raise InputError(
        f"neither name nor content tell the format; known are {', '.join(FORMATS)}", path
    )


def named(path: Path) -> str | None:
    """The format that a file's name stands for, or None."""
    for name in FORMATS:
        module = _module(name)
        if path.suffix.lower() in module.SUFFIXES or path.name in getattr(module, "NAMES", ()):
            return name
    return None


def format_to_write(path: str | Path, *, format: str | None = None) -> str:
    """`format`, or the one that the name stands for. Raises InputError, before long work, where
    the name says none, the format is not written, or the folder cannot be."""
    path = Path(path)
    name = format or named(path)
    if name is None:
        raise InputError(
            f"the name does not tell the format to write; known are {', '.join(FORMATS)}", path
        )
    if not hasattr(_module(name), "write"):
        raise InputError(f"zifglass reads {name} but does not write it", path)
    check_writable(path.parent)
    return name


def write(
    path: str | Path,
    trajectory: Any,
    *,
    format: str | None = None,
    precision: Precision = "double",
    types: Sequence[str] | None = None,
) -> None:
    """Write a trajectory, structure, frame, ``ase.Atoms`` or a list of these, whole or not at all.

    format: one of `FORMATS`; by default the name's. precision: native only, see
    `native.write`. types: LAMMPS only, the element symbols of types 1, 2, ….
    Raises InputError if the format cannot hold it or the disk is full.
    """
    path = Path(path)
    name = format_to_write(path, format=format)
    module = _module(name)
    given = {"precision": precision if precision != "double" else None, "types": types}
    chosen = {key: value for key, value in given.items() if value is not None}
    foreign = set(chosen) - set(getattr(module, "WRITE_OPTIONS", ()))
    if foreign:
        raise InputError(f"{' and '.join(sorted(foreign))} mean nothing for {name}", path)
    module.write(path, as_trajectory(trajectory), **chosen)
