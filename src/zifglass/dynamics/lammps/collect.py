"""Dumps and logs of a deck, read back as one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.core.units import bar, ps

from .deck import THERMO_COLUMNS

Array = NDArray[np.float64]

_units = {"time": ps, "press": bar, "c_virial": bar} | {
    f"p{component}": bar for component in ("xx", "yy", "zz", "xy", "xz", "yz")
}
_names = {"press": "pressure_total", "c_virial": "pressure_virial", "vol": "volume"}


@dataclass(frozen=True, eq=False)
class Thermo:
    """columns: name → (lines,) in eV, Å, fs, K, eV/Å³. LAMMPS's ``press`` is `pressure_total`,
    its virial part `pressure_virial`. segments: name → the slice of lines it wrote."""

    columns: dict[str, Array]
    segments: dict[str, slice]


def read_thermo(folder: str | Path) -> Thermo:
    """The thermo tables of all logs of a deck, in order; lines written twice are kept once.

    Raises InputError if there are no logs or a table has other columns than the deck's.
    """
    folder = Path(folder)
    logs = sorted(folder.glob("log.*"))
    if not logs:
        raise InputError("no LAMMPS logs (log.*) here", folder)
    rows: list[list[float]] = []
    segments: dict[str, slice] = {}
    for log in logs:
        start = len(rows)
        rows += _rows(log)
        segments[log.name.removeprefix("log.")] = slice(start, len(rows))
    table = np.array(rows, dtype=np.float64).reshape(-1, len(THERMO_COLUMNS))
    columns = {
        _names.get(name, name): table[:, k] * _units.get(name, 1.0)
        for k, name in enumerate(THERMO_COLUMNS)
    }
    return Thermo(columns, segments)


def _rows(log: Path) -> list[list[float]]:
    """Lines of the log's tables; after a resumed run the later line of a step stands."""
    rows: dict[int, list[float]] = {}
    inside = False
    with log.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if words[:1] == ["Step"]:
                if len(words) != len(THERMO_COLUMNS):
                    raise InputError(
                        f"the thermo table has {len(words)} columns, a zifglass deck writes "
                        f"{len(THERMO_COLUMNS)}",
                        log,
                        line=number,
                    )
                inside = True
            elif inside and line.startswith("Loop time"):
                inside = False
            elif inside and len(words) == len(THERMO_COLUMNS):
                try:
                    rows[int(words[0])] = [float(word) for word in words]
                except ValueError:
                    continue  # a warning in the middle of the table
    return [rows[step] for step in sorted(rows)]
