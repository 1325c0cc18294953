"""Figures of protocols and of melt–quench runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Protocol
from zifglass.core.units import GPa, ps
from zifglass.dynamics.estimate import timeline

from .style import COLOURS, figure

Array = NDArray[np.float64]


def draw_timeline(protocol: Protocol, path: str | Path) -> None:
    """Temperature, pressure and box of a protocol against time; `path`.png and .svg."""
    with figure(path, rows=2, size=(7.0, 2.6)) as (_, (top, bottom)):
        volume = 1.0
        for stretch in timeline(protocol):
            segment = stretch.segment
            times = [stretch.start / ps, stretch.end / ps]
            style = "--" if segment.when else "-"
            if stretch.temperatures:
                top.plot(times, stretch.temperatures, style, color=COLOURS[1])
            before = volume * float(np.prod(segment.length_jump or (1.0, 1.0, 1.0)))
            if before != volume:
                bottom.plot([times[0]] * 2, [volume, before], ":", color=COLOURS[0])
            volume = before * float(np.prod(segment.length_ramp or (1.0, 1.0, 1.0)))
            free = segment.is_npt or segment.ensemble == "minimise-cell"
            colour = COLOURS[2] if free else COLOURS[0]
            bottom.plot(times, [before, volume], ":" if free else style, color=colour)
            if segment.pressure_total is not None and segment.duration:
                label = f"free at {segment.pressure_total / GPa:g} GPa"
                bottom.annotate(label, (np.mean(times), volume), ha="center", va="bottom")
            for axes in (top, bottom):
                axes.axvline(times[1], color=COLOURS[7], linewidth=0.5)
        top.set_ylabel("target temperature (K)")
        bottom.set_ylabel("box volume / first")
        bottom.set_xlabel("time (ps)")


def draw_melt_quench(thermo: dict[str, Array], path: str | Path) -> None:
    """Temperature, total pressure, volume and density along a run; thermo: as `read_thermo`."""
    time = thermo["time_ps"]
    panels = (
        ("temperature_K", "temperature (K)"),
        ("pressure_total_GPa", "total pressure (GPa)"),
        ("volume_A3", "volume (Å³)"),
        ("density_g_cm3", "density (g/cm³)"),
    )
    width = max(1, len(time) // 200)
    with figure(path, rows=2, columns=2) as (_, axes):
        for (name, label), panel in zip(panels, axes.ravel(), strict=True):
            panel.plot(time, thermo[name], color=COLOURS[5], linewidth=0.5, alpha=0.6)
            panel.plot(_smooth(time, width), _smooth(thermo[name], width), color=COLOURS[0])
            panel.set_ylabel(label)
            panel.set_xlabel("time (ps)")
            panel.ticklabel_format(useOffset=False)
        axes[0, 0].plot(time, thermo["target_K"], "--", color=COLOURS[1], label="target")
        axes[0, 0].legend()


def _smooth(values: Array, width: int) -> Array:
    """Means of `width` consecutive values."""
    count = len(values) // width
    return values[: count * width].reshape(count, width).mean(axis=1)
