"""A run's thermo table as a chart, thinned to what a screen can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .model import Array, Chart, Download, Line, Panel, Span

_most_points = 600

# Column of the table (names and units as in dynamics.thermo), title; a second line is dashed.
_panels = (
    (("temperature_K", "temperature"), ("target_K", "target"), "Temperature", "K"),
    (("pressure_total_GPa", "pressure_total"), ("pressure_virial_GPa", "pressure_virial"),
     "Pressure", "GPa"),
    (("density_g_cm3", "density"), None, "Density", "g/cm³"),
    (("energy_potential_eV", "potential energy"), None, "Potential energy", "eV"),
    (("conserved_eV", "conserved quantity"), None, "Conserved quantity", "eV"),
)  # fmt: skip


def thermo_chart(
    columns: Mapping[str, Array],
    *,
    segments: Sequence[str] = (),
    downloads: Sequence[Download] = (),
    most_points: int = _most_points,
) -> Chart:
    """Temperature, pressure_total beside pressure_virial, density, potential energy and the
    conserved quantity against time (ps).

    columns: of `dynamics.read_thermo`. segments: names by number. More than `most_points` lines
    are thinned: every n-th is a point, and a band has the extremes of the lines between.
    """
    times = np.asarray(columns["time_ps"], dtype=float)
    every = max(1, -(-len(times) // most_points))
    panels = []
    for first, second, title, unit in _panels:
        values = np.asarray(columns.get(first[0], []), dtype=float)
        known = values[np.isfinite(values)]
        if not len(known) or np.ptp(known) == 0:  # one that never changes is a number, no curve
            continue
        lines = [_thinned(first[1], values, every)]
        if second is not None and second[0] in columns:
            other = np.asarray(columns[second[0]], dtype=float)[::every]
            lines.append(Line(second[1], other, dashed=True))
        panels.append(Panel(title, unit, lines))
    thinned = (
        f" Every {every}th of {len(times)} lines is drawn; the band has the extremes between."
        if every > 1
        else ""
    )
    return Chart(
        "time", "ps", times[::every], panels,
        caption="The thermo log along the run; move the slider, or point, to read it." + thinned,
        spans=_spans(columns, segments), downloads=downloads,
    )  # fmt: skip


def _thinned(title: str, values: Array, every: int) -> Line:
    if every == 1:
        return Line(title, values)
    count = -(-len(values) // every)
    filled = np.full(count * every, np.nan)
    filled[: len(values)] = values
    blocks = filled.reshape(count, every)
    known = np.isfinite(blocks)
    low = np.where(known, blocks, np.inf).min(axis=1)
    high = np.where(known, blocks, -np.inf).max(axis=1)
    empty = ~known.any(axis=1)
    low[empty] = high[empty] = np.nan
    return Line(title, values[::every], low, high)


def _spans(columns: Mapping[str, Array], names: Sequence[str]) -> list[Span]:
    """Where each segment lies."""
    segment, times = columns.get("segment"), columns["time_ps"]
    if segment is None or not len(segment):
        return []
    numbers = np.asarray(segment).astype(int)
    starts = np.concatenate([[0], np.nonzero(np.diff(numbers))[0] + 1])
    ends = np.concatenate([starts[1:], [len(numbers) - 1]])
    return [
        Span(
            names[numbers[start]] if numbers[start] < len(names) else f"segment {numbers[start]}",
            float(times[start]), float(times[end]),
        )
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]  # fmt: skip
