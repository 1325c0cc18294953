"""Leakage: frames of one part of a split that know those of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zifglass.core.statistics import statistical_inefficiency

from .findings import Finding
from .labelled import LabelledSet
from .settings import LintSettings

Array = NDArray[np.float64]


def correlation_time(times: Array, energies: Array) -> float:
    """fs: (g − 1)/2 steps of the potential energy's autocorrelation, g its statistical
    inefficiency (DOI 10.1021/ct0502864); at least half a step. Frames in the order of time."""
    order = np.argsort(times)
    step = float(np.median(np.diff(times[order]))) if len(times) > 1 else 0.0
    return max(0.5, (statistical_inefficiency(energies[order]) - 1) / 2) * step


def lint_split(
    parts: dict[str, list[LabelledSet]], settings: LintSettings
) -> tuple[list[Finding], list[str]]:
    """Frames of every part but the first within a correlation time of a frame of the first.

    Frames belong to the same run if they have the same atoms and the same cell. Judged by time
    where frames have times, else not at all (a note says so).
    """
    names = list(parts)
    if len(names) < 2:
        return [], []
    findings: list[Finding] = []
    notes: list[str] = []
    runs = _runs(parts)
    for name in names[1:]:
        leaked = total = 0
        longest = 0.0
        for by_part in runs.values():
            if name not in by_part:
                continue
            times, _ = by_part[name]
            total += len(times)
            if names[0] not in by_part:
                continue
            training, energies = by_part[names[0]]
            if np.isnan(times).any() or np.isnan(training).any():
                notes.append(f"{name}: leakage not judged in frames without time")
                continue
            memory = correlation_time(training, energies)
            longest = max(longest, memory)
            leaked += int((_nearest(times, np.sort(training)) < memory).sum())
        if total and leaked / total > settings.leak_fraction:
            what = (
                f"{leaked} of {total} frames of {name} lie within a correlation time "
                f"({longest:.3g} fs) of a frame of {names[0]}: their errors say little"
            )
            mend = "split by blocks of time with a gap (zifglass dataset split)"
            values = {"leaked": leaked, "total": total, "correlation_time": longest}
            severity = "error" if leaked > total / 2 else "warning"
            findings.append(Finding("split.leak", severity, what, name, mend, values))  # type: ignore[arg-type]
        elif total:
            notes.append(f"{name}: {leaked} of {total} frames within a correlation time")
    return findings, sorted(set(notes))


def _runs(
    parts: dict[str, list[LabelledSet]],
) -> dict[bytes, dict[str, tuple[Array, Array]]]:
    """run → part → (times, energies). A run is a set of atoms in a cell."""
    gathered: dict[bytes, dict[str, list[tuple[Array, Array]]]] = {}
    for name, sets in parts.items():
        for data in sets:
            times = data.times if data.times is not None else np.full(len(data), np.nan)
            energies = data.energies if data.energies is not None else np.zeros(len(data))
            keys = [_key(data, index) for index in range(len(data))]
            for key in dict.fromkeys(keys):
                mine = np.array([other == key for other in keys])
                gathered.setdefault(key, {}).setdefault(name, []).append(
                    (times[mine], energies[mine])
                )
    return {
        key: {
            name: (np.concatenate([x[0] for x in items]), np.concatenate([x[1] for x in items]))
            for name, items in by_part.items()
        }
        for key, by_part in gathered.items()
    }


def _key(data: LabelledSet, index: int) -> bytes:
    return data.numbers.tobytes() + np.round(data.cells[index], 4).tobytes()


def _nearest(times: Array, training: Array) -> Array:
    """Distance in time of each of `times` to the nearest of `training`, sorted."""
    right = np.clip(np.searchsorted(training, times), 1, max(1, len(training) - 1))
    left = right - 1
    right = np.minimum(right, len(training) - 1)
    return np.minimum(np.abs(times - training[left]), np.abs(times - training[right]))
