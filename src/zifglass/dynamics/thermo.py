"""The thermo table: one CSV line per stride, whole lines only, the same bytes after a restart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np

from zifglass.core import InputError, ZifglassError
from zifglass.core.units import GPa, g_per_cm3, ps

from .state import Array, State
from .system import System, volume

_tensor = ("xx", "yy", "zz", "yz", "xz", "xy")
columns: Final = (
    "segment", "step", "time_ps", "target_K", "temperature_K", "energy_potential_eV",
    "energy_kinetic_eV", "conserved_eV", "pressure_total_GPa", "pressure_virial_GPa",
    "volume_A3", "density_g_cm3",
    *(f"cell_{row}{axis}_A" for row in "abc" for axis in "xyz"),
    *(f"stress_virial_{c}_GPa" for c in _tensor),
    *(f"stress_kinetic_{c}_GPa" for c in _tensor),
)  # fmt: skip
"""Names with units. segment counts from 0. Stresses are tension positive; pressure_total =
pressure_virial + N k_B T/V. density is that of standard atomic weights. conserved is nan in a
minimisation."""

_header = ",".join(columns) + "\n"
_upper = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))


class ThermoTable:
    """Lines gather in memory and go to disk at `flush`, synced; `truncate` cuts back to a length
    that a checkpoint recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: list[str] = []
        self._length = 0

    def add(self, state: State, system: System, *, time: float, conserved: float) -> None:
        """A line for `state`; time in fs."""
        kinetic = system.kinetic_stress(state)
        size = volume(state)
        values = (
            int(state.segment), int(state.step), time / ps, state.target,
            system.temperature(state), state.energy, 0.5 * system.twice_kinetic(state), conserved,
            system.pressure_total(state) / GPa, system.pressure_virial(state) / GPa,
            size, system.weight / size / g_per_cm3,
            *state.cell.ravel().tolist(),
            *(state.stress[_upper] / GPa).tolist(),
            *(kinetic[_upper] / GPa).tolist(),
        )  # fmt: skip
        self._pending.append(",".join(f"{value:.10g}" for value in values) + "\n")

    def flush(self) -> int:
        """Write what is pending; returns the table's length in bytes."""
        text = "".join(self._pending)
        if self._length == 0:
            text = _header + text
        content = text.encode()
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                file.seek(self._length)
                file.write(content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ZifglassError(f"could not write {self.path}: {error.strerror}") from error
        self._pending = []
        self._length += len(content)
        return self._length

    def truncate(self, length: int) -> None:
        """Keep the first `length` bytes; raises InputError if the table is shorter."""
        self._pending = []
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < length:
            raise InputError(
                f"the thermo table holds {size} bytes, fewer than the {length} of the checkpoint",
                self.path,
            )
        if self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(length)
        self._length = length


def read_thermo(path: str | Path) -> dict[str, Array]:
    """Columns (lines,) by name, as in `columns`; a run's folder stands for its table.

    A last line that a running writer has not finished is left out.
    """
    path = Path(path)
    if path.is_dir():
        path /= "thermo.csv"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the thermo table: {error.strerror}", path) from error
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines or lines[0] + "\n" != _header:
        raise InputError("this is no thermo table of zifglass: its first line differs", path)
    if len(lines) == 1:
        return {name: np.empty(0) for name in columns}
    rows = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
    return dict(zip(columns, rows.T, strict=True))
