"""Frames as extended XYZ."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import Frame, InputError, Trajectory
from zifglass.core.files import atomic_path
from zifglass.core.trajectory import check_same_atoms
from zifglass.core.units import kinetic_unit

ase_velocity = float(np.sqrt(kinetic_unit))
"""Å/fs → ASE's velocities: its unit of time makes amu Å²/t² an eV."""


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write every frame, whole or not at all. Numbers are written so that reading gives back
    the same floating-point values (up to the masses' rounding in velocities)."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for frame in trajectory:
            check_same_atoms(
                trajectory.numbers, frame.structure.numbers, trajectory.source, frame.index
            )
            file.write(text_of_frame(frame))


def text_of_frame(frame: Frame) -> str:
    """One frame as extended XYZ."""
    structure = frame.structure
    atoms = len(structure)
    arrays: dict[str, Any] = {"pos": structure.positions}
    if frame.velocities is not None:
        arrays["momenta"] = frame.velocities * (structure.masses[:, None] * ase_velocity)
    if frame.forces is not None:
        arrays["forces"] = frame.forces
    info = {
        "Lattice": _joined(structure.cell.ravel()),
        "energy": frame.energy,
        "stress": None if frame.stress is None else frame.stress.ravel(order="F"),
        "time": frame.time,
        "temperature": frame.temperature,
        "unwrapped": True if frame.unwrapped else None,
    }
    for name, value in frame.extras.items():
        (arrays if _is_per_atom(value, atoms) else info).setdefault(name, value)
    columns = [(name, *_written(np.asarray(value))) for name, value in arrays.items()]
    properties = "species:S:1" + "".join(
        f":{name}:{letter}:{table.shape[1]}" for name, letter, table in columns
    )
    head = [f'Lattice="{info.pop("Lattice")}"', f"Properties={properties}"]
    head += [f"{key}={_quoted(value)}" for key, value in info.items() if value is not None]
    head.append('pbc="' + " ".join("FT"[int(flag)] for flag in structure.pbc) + '"')
    table = np.concatenate([np.array(structure.symbols, dtype=object)[:, None]]
                           + [table for _, _, table in columns], axis=1)  # fmt: skip
    rows = "\n".join(" ".join(row) for row in table.tolist())
    return f"{atoms}\n{' '.join(head)}\n{rows}\n"


def _is_per_atom(value: Any, atoms: int) -> bool:
    shape = np.shape(value)
    return len(shape) in (1, 2) and shape[0] == atoms and shape not in ((3,), (3, 3))


def _written(array: Any) -> tuple[str, Any]:
    """(letter, (atoms, width) of text) of one column of `Properties`."""
    table = array.reshape(len(array), -1)
    if table.dtype.kind == "b":
        return "L", np.where(table, "T", "F").astype(object)
    if table.dtype.kind in "iu":
        return "I", table.astype(str).astype(object)
    if table.dtype.kind == "f":
        flat = [repr(x) for x in table.ravel().tolist()]
        return "R", np.array(flat, dtype=object).reshape(table.shape)
    return "S", table.astype(str).astype(object)


def _joined(values: Any) -> str:
    return " ".join(repr(float(x)) for x in values)


def _quoted(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "FT"[int(value)]
    if isinstance(value, str):
        if "\n" in value:
            raise InputError(f"a word of extended XYZ has no line breaks; got {value!r}")
        plain = re.fullmatch(r"[\w.+-]+", value)
        return value if plain else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0:
        return repr(float(array))
    if array.ndim == 1:
        return f'"{_joined(array)}"'
    return '"_JSON ' + json.dumps(array.tolist()) + '"'
