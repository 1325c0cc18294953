"""Data sets of nequip 0.5: one ``.npz`` of arrays.

``R`` (n, atoms, 3) Å, ``z`` or ``Z`` (atoms,) or (n, atoms), ``cell`` (3, 3) or (n, 3, 3) Å,
``pbc``, ``E`` eV, ``F`` eV/Å, ``stress`` (n, 3, 3) or Voigt's (n, 6) eV/Å³ tension positive,
``virial`` (n, 3, 3) eV = −stress × volume, ``time`` fs (ours). The units are those nequip's
models are trained in here; the file does not state them. A zip of whole arrays cannot be read
in parts: all of it is in memory while it is used.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Trajectory
from zifglass.core.files import atomic_path
from zifglass.core.trajectory import check_same_atoms

from .options import ReadOptions
from .text import clock, open_binary, structure_at

Array = NDArray[np.float64]

SUFFIXES = (".npz",)

_aliases = {
    "R": ("R", "pos", "positions", "coords"),
    "z": ("z", "Z", "atomic_numbers", "nuclear_charges"),
    "cell": ("cell", "lattice"),
    "pbc": ("pbc",),
    "E": ("E", "energy", "total_energy"),
    "F": ("F", "forces"),
    "stress": ("stress",),
    "virial": ("virial", "virials"),
    "time": ("time",),
}


def recognise(path: Path, head: bytes) -> bool:
    """A zip of arrays, positions among them."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
    return any(f"{name}.npy" in names for name in _aliases["R"])


def read(path: Path, options: ReadOptions) -> NpzTrajectory:
    """Open the file. Raises InputError on arrays that are missing or do not fit together."""
    return NpzTrajectory(path, options)


class NpzTrajectory(Trajectory):
    """Frames of a nequip data set."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path.resolve()
        self.source = str(path)
        self._options = options
        arrays = self._arrays()
        z = arrays["z"]
        rows = z.reshape(-1, z.shape[-1])
        for index, row in enumerate(rows):
            check_same_atoms(rows[0], row, self.source, index)
        self.numbers = rows[0]
        self._times = clock(arrays.get("time"), len(arrays["R"]), options, path)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        loaded: dict[str, NDArray[Any]] | None = self.__dict__.get("_loaded")
        if loaded is None:
            loaded = self.__dict__["_loaded"] = _load(self._path, self.source, self._options)
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_loaded"}

    def __len__(self) -> int:
        return len(self._arrays()["R"])

    @property
    def times(self) -> Array | None:
        return self._times

    def frame(self, index: int) -> Frame:
        arrays = self._arrays()
        cell = arrays["cell"][index if len(arrays["cell"]) > 1 else 0]
        pbc = arrays["pbc"][index if len(arrays["pbc"]) > 1 else 0]
        structure = structure_at(self.numbers, arrays["R"][index], cell, pbc, self.source, index)
        stress = arrays["stress"][index] if "stress" in arrays else None
        if stress is None and "virial" in arrays:
            stress = -arrays["virial"][index] / structure.volume
        return Frame(
            structure,
            time=None if self._times is None else float(self._times[index]),
            energy=_known(arrays["E"][index]) if "E" in arrays else None,
            forces=arrays["F"][index] if "F" in arrays else None,
            stress=None if stress is None or np.isnan(stress).all() else stress,
            index=index,
        )


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _load(path: Path, source: str, options: ReadOptions) -> dict[str, NDArray[Any]]:
    try:
        with open_binary(path) as file, np.load(file, allow_pickle=False) as archive:
            arrays = {
                name: archive[alias]
                for name, aliases in _aliases.items()
                for alias in aliases[::-1]
                if alias in archive.files
            }
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise InputError(f"cannot be opened as npz; cut or damaged? ({error})", source) from error
    except Exception as error:  # zlib.error has no public home among the built-in ones
        raise InputError(f"an array in this npz is damaged ({error})", source) from error
    for name in ("R", "z"):
        if name not in arrays:
            raise InputError(f"this npz has no array {' or '.join(_aliases[name])}", source)
    if "cell" not in arrays:
        arrays["cell"] = options.the_cell(path)
    elif options.cell is not None:
        raise InputError("this npz has its own cell: leave the given one out", source)
    arrays.setdefault("pbc", np.ones(3, dtype=bool))
    return _shaped(arrays, source)


def _shaped(arrays: dict[str, NDArray[Any]], source: str) -> dict[str, NDArray[Any]]:
    positions = arrays["R"]
    if positions.ndim != 3 or positions.shape[2] != 3 or 0 in positions.shape:
        raise InputError(f"R is (frames, atoms, 3); got {positions.shape}", source)
    n, atoms, _ = positions.shape
    if "stress" in arrays and arrays["stress"].shape == (n, 6):
        arrays["stress"] = arrays["stress"][:, [0, 5, 4, 5, 1, 3, 4, 3, 2]]
    if "E" in arrays and arrays["E"].size == n:
        arrays["E"] = arrays["E"].reshape(n)
    for name in ("stress", "virial", "cell"):
        if name in arrays and arrays[name].shape[-1:] == (9,):
            arrays[name] = arrays[name].reshape(-1, 3, 3)
    allowed = {
        "z": {(atoms,), (n, atoms)},
        "cell": {(3, 3), (1, 3, 3), (n, 3, 3)},
        "pbc": {(3,), (1, 3), (n, 3)},
        "E": {(n,)},
        "F": {(n, atoms, 3)},
        "stress": {(n, 3, 3)},
        "virial": {(n, 3, 3)},
        "time": {(n,)},
    }
    for name, shapes in allowed.items():
        if name in arrays and arrays[name].shape not in shapes:
            raise InputError(
                f"{name} has shape {arrays[name].shape}, which does not fit R {positions.shape}",
                source,
            )
    try:
        dtypes = {"z": np.int64, "pbc": np.bool_}
        arrays = {k: v.astype(dtypes.get(k, np.float64)) for k, v in arrays.items()}
    except (ValueError, TypeError) as error:
        raise InputError(f"the arrays of this npz are not all numbers ({error})", source) from error
    arrays["cell"] = arrays["cell"].reshape(-1, 3, 3)
    arrays["pbc"] = arrays["pbc"].reshape(-1, 3)
    return arrays


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write R, z, cell, pbc and, where some frame has them, E, F, stress and time.

    nequip 0.5 reads it with ``key_mapping: {z: atomic_numbers, E: total_energy, F: forces, R:
    pos}`` and ``npz_fixed_field_keys: [atomic_numbers]``. What single frames lack is NaN.
    """
    n, atoms = len(trajectory), len(trajectory.numbers)
    arrays: dict[str, NDArray[Any]] = {
        "R": np.empty((n, atoms, 3)), "cell": np.empty((n, 3, 3)), "pbc": np.empty((n, 3), bool),
        "z": trajectory.numbers,
    }  # fmt: skip
    shapes = {"E": (n,), "F": (n, atoms, 3), "stress": (n, 3, 3), "time": (n,)}
    for index, frame in enumerate(trajectory):
        structure = frame.structure
        check_same_atoms(trajectory.numbers, structure.numbers, trajectory.source, index)
        arrays["R"][index], arrays["cell"][index] = structure.positions, structure.cell
        arrays["pbc"][index] = structure.pbc
        values = {"E": frame.energy, "F": frame.forces, "stress": frame.stress, "time": frame.time}
        for name, value in values.items():
            if value is not None:
                arrays.setdefault(name, np.full(shapes[name], np.nan))[index] = value
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
