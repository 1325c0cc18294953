"""Figures of mechanics: P(V) with its fit (Figs. S2, S8), running moduli (Figs. S9, S10)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zifglass.core.units import GPa, ps
from zifglass.mechanics import ElasticFluctuations, StrainSweep

from .style import figure


def pressure_volume(path: str | Path, sweeps: Mapping[str, StrainSweep]) -> None:
    """`path`.png and .svg: total pressure (GPa) against volume (Å³), one curve per sweep.

    Filled: fitted. Open: left out.
    """
    with figure(path) as (_, axes):
        for label, sweep in sweeps.items():
            points = sweep.window.points
            volume = np.array([p.volume for p in points])
            pressure = np.array([p.pressure_total for p in points]) / GPa
            error = np.array([p.pressure_std for p in points]) / GPa
            used = np.isin(np.arange(len(points)), sweep.window.chosen)
            ends = volume[used]
            fine = np.linspace(ends.min(), ends.max(), 100)
            text = (
                f"{label}: K₀ = {sweep.bulk_modulus / GPa:.2f} ± "
                f"{sweep.bulk_modulus_std / GPa:.2f} GPa"
            )
            line = axes.plot(fine, sweep.window.fit.pressure_total(fine) / GPa, label=text)[0]
            for chosen, face in ((used, line.get_color()), (~used, "none")):
                axes.errorbar(
                    volume[chosen], pressure[chosen], error[chosen],
                    fmt="o", color=line.get_color(), mfc=face, ms=5,
                )  # fmt: skip
        axes.axhline(0.0, color="#999999", linewidth=0.8)
        axes.set_xlabel("volume (Å³)")
        axes.set_ylabel("total pressure (GPa)")
        axes.legend()


def running(path: str | Path, result: ElasticFluctuations) -> None:
    """`path`.png and .svg: K(t) and the nine orthotropic C_ij(t), GPa, against time."""
    run = result.running
    with_clock = run.times is not None
    x = run.frames if run.times is None else run.times / ps
    with figure(path, columns=2) as (_, (left, right)):
        left.plot(x, run.bulk_volume / GPa, label="K, volume")
        for kind in ("reuss", "voigt"):
            left.plot(x, getattr(run.averages, f"bulk_{kind}") / GPa, label=f"K, {kind.title()}")
        left.set_ylabel("bulk modulus (GPa)")
        for i, j in ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (0, 1), (0, 2), (1, 2)):
            style = "-" if i == j else "--"
            label = f"C{i + 1}{j + 1}"
            right.plot(x, run.stiffness[:, i, j] / GPa, style, label=label, linewidth=1.2)
        right.set_ylabel("elastic constant (GPa)")
        for axes in (left, right):
            axes.set_xlabel("time (ps)" if with_clock else "frames")
            axes.legend(ncols=2 if axes is right else 1)
