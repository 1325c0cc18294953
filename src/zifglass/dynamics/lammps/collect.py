"""Dumps and logs of a deck, read back as one run.

The clock is the protocol's: LAMMPS counts the iterations of a minimisation as steps and sets its
own clock back after them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Protocol, Segment, Trajectory
from zifglass.core.files import write_text
from zifglass.core.units import GPa, bar, kB, ps
from zifglass.io import read, write

from ..protocol_file import read_protocol
from .deck import PROTOCOL, THERMO_COLUMNS, Place, places

Array = NDArray[np.float64]

_units = {"time": ps, "press": bar, "c_virial": bar} | {
    f"p{component}": bar for component in ("xx", "yy", "zz", "xy", "xz", "yz")
}
_names = {"press": "pressure_total", "c_virial": "pressure_virial", "vol": "volume"}


@dataclass(frozen=True, eq=False)
class Thermo:
    """columns: name → (lines,) in eV, Å, fs, K, eV/Å³. `pressure_virial` is LAMMPS's virial part,
    `pressure_total` its ``press`` + k_B T/V: LAMMPS counts (N − 1) k_B T/V, the centre of mass
    being at rest, everything else here N k_B T/V. pxx … pyz stay as LAMMPS prints them.
    segments: name → the slice of lines it wrote."""

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
    columns["pressure_total"] += kB * columns["temp"] / columns["volume"]
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


@dataclass(frozen=True)
class Collected:
    """What `collect` wrote: files, and how many lines and frames they hold."""

    thermo: Path
    lines: int
    trajectory: Path
    frames: int


_table = {  # column of thermo.csv: (column of the log, unit)
    "temperature_K": ("temp", 1.0),
    "energy_potential_eV": ("pe", 1.0),
    "energy_kinetic_eV": ("ke", 1.0),
    "conserved_eV": ("econserve", 1.0),
    "pressure_total_GPa": ("pressure_total", GPa),
    "pressure_virial_GPa": ("pressure_virial", GPa),
    "volume_A3": ("volume", 1.0),
}


def collect(folder: str | Path, out: str | Path) -> Collected:
    """The run of a deck as ``out/thermo.csv`` and ``out/trajectory.h5``.

    The columns of the table are called as in a run of ours. Frames carry time, and energy and
    temperature where the table has a line of their step; positions stay unwrapped. A step that
    two segments wrote, the last of one and the first of the next, is kept once, from the
    earlier. Raises InputError if `folder` holds no deck of zifglass, no logs or no dumps.
    """
    folder, out = Path(folder), Path(out)
    if not (folder / PROTOCOL).is_file():
        raise InputError(f"no {PROTOCOL} here: expected the folder of a deck of zifglass", folder)
    clock = _Clock(read_protocol(folder / PROTOCOL))
    thermo = read_thermo(folder)
    frames = JoinedDumps(folder, clock, thermo)
    out.mkdir(parents=True, exist_ok=True)
    table = _lines(thermo, clock)
    write_text(out / "thermo.csv", "\n".join(table) + "\n")
    write(out / "trajectory.h5", frames)
    return Collected(out / "thermo.csv", len(table) - 1, out / "trajectory.h5", len(frames))


class _Clock:
    """Steps of the deck's segments as times of the protocol, fs."""

    def __init__(self, protocol: Protocol) -> None:
        self.labels: list[str] = []
        self._of: dict[str, tuple[Place, Segment, float]] = {}
        start = 0.0
        for place, segment in places(protocol):
            self.labels.append(place.label)
            self._of[place.label] = place, segment, start
            start += segment.n_steps * segment.timestep

    def time(self, label: str, step: int) -> float:
        place, segment, start = self._of[label]
        if segment.is_minimisation:
            return start
        return start + (step - place.first_step) * segment.timestep

    def is_minimisation(self, label: str) -> bool:
        return self._of[label][1].is_minimisation

    def repeats(self, label: str, step: int, seen: bool) -> bool:
        """Whether `step` was `seen` before: the last of the segment of dynamics before this."""
        place, segment, _ = self._of[label]
        return seen and not segment.is_minimisation and step == place.first_step


def _lines(thermo: Thermo, clock: _Clock) -> list[str]:
    lines = [",".join(["segment", "step", "time_ps", *_table])]
    moving = False  # dynamics has begun
    for number, label in enumerate(clock.labels):
        if label not in thermo.segments:
            continue
        for row in range(*thermo.segments[label].indices(len(thermo.columns["step"]))):
            step = int(thermo.columns["step"][row])
            if clock.repeats(label, step, moving):
                continue
            values = [thermo.columns[name][row] / unit for name, unit in _table.values()]
            time = clock.time(label, step) / ps
            lines.append(f"{number},{step}," + ",".join(f"{v:.10g}" for v in [time, *values]))
        moving = moving or not clock.is_minimisation(label)
    return lines


class JoinedDumps(Trajectory):
    """The dumps of a deck one after another; frames are read when asked for."""

    def __init__(self, folder: Path, clock: _Clock, thermo: Thermo) -> None:
        self.source = str(folder)
        self._parts: list[tuple[Trajectory, int, float, int | None]] = []
        for label in clock.labels:
            if (folder / f"dump.{label}").is_file():
                self._add(
                    label, read(folder / f"dump.{label}", format="lammps_dump"), clock, thermo
                )
        if not self._parts:
            raise InputError("no LAMMPS dumps (dump.*) here", folder)
        self.numbers = self._parts[0][0].numbers
        self._energy, self._temperature = thermo.columns["pe"], thermo.columns["temp"]

    def _add(self, label: str, dump: Trajectory, clock: _Clock, thermo: Thermo) -> None:
        # After a resumed run the later frame of a step stands, as in the table.
        frames = {int(frame.extras["step"]): index for index, frame in enumerate(dump)}
        span = thermo.segments.get(label, slice(0, 0))
        line = {int(s): span.start + k for k, s in enumerate(thermo.columns["step"][span])}
        begun = bool(self._parts)
        self._parts += [
            (dump, frames[step], clock.time(label, step), line.get(step))
            for step in sorted(frames)
            if not clock.repeats(label, step, begun)
        ]

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def times(self) -> Array:
        return np.array([time for _, _, time, _ in self._parts])

    def frame(self, index: int) -> Frame:
        dump, number, time, line = self._parts[index]
        frame = replace(dump.frame(number), time=time, index=index)
        if line is None:
            return frame
        return replace(
            frame, energy=float(self._energy[line]), temperature=float(self._temperature[line])
        )
