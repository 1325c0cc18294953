"""The run folder: its files, its lock, and what it was started with.

run.yaml          the resolved protocol, seed, versions, potential, structure and own linkers
status.json       where the run is, renewed at every checkpoint
thermo.csv        the thermo table
trajectory/       whole chunk files while the run goes on
trajectory.h5     the same frames in one file, once it has finished
checkpoints/      the last two
harvest.extxyz    frames around a watchdog's event
run.lock          held by the process that writes here
"""

from __future__ import annotations

import hashlib
import platform
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zifglass import __version__
from zifglass.analysis.linker_settings import LinkerSettings, is_default
from zifglass.core import InputError, Potential, Protocol, Structure
from zifglass.core.files import write_json, write_text
from zifglass.core.locks import locked

from .protocol_file import dump, protocol_as_dict


class RunFolder:
    """Opened for writing by one process at a time; the lock is the kernel's, so it goes with the
    process that held it, however that ended."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.run_file = self.path / "run.yaml"
        self.thermo = self.path / "thermo.csv"
        self.chunks = self.path / "trajectory"
        self.trajectory = self.path / "trajectory.h5"
        self.checkpoints = self.path / "checkpoints"
        self.harvest = self.path / "harvest.extxyz"
        self._lock = ExitStack()

    def __enter__(self) -> RunFolder:
        self._lock.enter_context(locked(self.path / "run.lock", what="this run"))
        self._remove_unfinished()
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.close()

    def write_status(self, status: dict[str, Any]) -> None:
        """Renew status.json."""
        write_json(self.path / "status.json", status)

    def settle(self, identity: dict[str, Any]) -> None:
        """Compare with what the run was started as, if it was.

        Raises InputError naming the first difference.
        """
        if not self.run_file.exists():
            return
        try:
            started = yaml.safe_load(self.run_file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"cannot read what this run is: {error}", self.run_file) from error
        if not isinstance(started, dict):
            raise InputError("this does not describe a run", self.run_file)
        for key, value in identity.items():
            if difference := first_difference(started.get(key), value, key):
                raise InputError(
                    f"this run was started with other input: {difference}; give another output "
                    "folder, or another one with --fork to branch off from this run",
                    self.run_file,
                )

    def begin(self, identity: dict[str, Any]) -> None:
        """Record what the run is, once it can start: what was refused leaves no run behind."""
        if not self.run_file.exists():
            write_text(self.run_file, dump(identity | {"versions": versions()}))

    def _remove_unfinished(self) -> None:
        """What a killed process left half written."""
        for folder in (self.path, self.checkpoints):
            for path in folder.glob(".*"):
                if path.is_file() and path.suffix in (
                    ".yaml", ".json", ".ckpt", ".h5", ".csv", ".extxyz", ".cif"
                ):  # fmt: skip
                    path.unlink()


def identity_of(
    protocol: Protocol, structure: Structure, potential: Potential, seed: int, velocities: str
) -> dict[str, Any]:
    """What makes a run the run it is, as plain data."""
    return {
        "seed": seed,
        "starting_velocities": velocities,
        "potential": {"name": potential.name, "sha256": potential.sha256},
        "structure": {
            "formula": structure.formula,
            "sha256": sha256_of_arrays(structure.numbers, structure.positions, structure.cell),
        },
        "protocol": protocol_as_dict(protocol),
    }


def linkers_as_dict(settings: LinkerSettings) -> dict[str, Any] | None:
    """The graphs themselves, not the files they came from; None where only known ones count."""
    return None if is_default(settings) else settings.model_dump(mode="json")


def sha256_of_arrays(*arrays: Any) -> str:
    """SHA-256 over the arrays' bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Of what computes."""
    return {
        "zifglass": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def first_difference(old: Any, new: Any, where: str) -> str | None:
    """'where was old and is now new', for the first place in which plain data differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            if found := first_difference(old.get(key), new.get(key), f"{where}.{key}"):
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            if found := first_difference(a, b, f"{where}[{i}]"):
                return found
        return None
    if old == new:
        return None
    return f"{where} was {_short(old)} and is now {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
