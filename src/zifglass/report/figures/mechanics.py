"""Figures of mechanics: P(V) with its fit (Figs. S2, S8), running moduli (Figs. S9, S10), the
methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zifglass.core.units import GPa, g_per_cm3, ps
from zifglass.mechanics import ElasticFluctuations, Estimate, PressureAudit, StrainSweep

from .style import COLOURS, LINES, figure


def pressure_volume(path: str | Path, sweeps: Mapping[str, StrainSweep]) -> None:
    """`path`.png and .svg: total pressure (GPa) against volume (Å³), one curve per sweep.

    Filled: fitted. Open: left out.
    """
    many = len(sweeps) > 3  # the legend beside the points, not over them
    with figure(path, size=(7.4, 3.3) if many else None) as (_, axes):
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
        if any(len(s.window.chosen) < len(s.window.points) for s in sweeps.values()):
            axes.plot([], [], "o", color="#666666", mfc="none", ms=5, label="left out of the fit")
        axes.axhline(0.0, color="#999999", linewidth=0.8)
        axes.set_xlabel("volume (Å³)")
        axes.set_ylabel("total pressure (GPa)")
        if many:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
        else:
            axes.legend()


def beside_reference(
    path: str | Path, result: PressureAudit, *, pressure: str, label: str, reference: str
) -> None:
    """`path`.png and .svg: P(V) (GPa, Å³) of a potential and its reference, and their fits."""
    fine = np.linspace(result.volume.min(), result.volume.max(), 100)
    curves = (
        (reference, result.reference_pressure, result.reference_std, result.reference_fit),
        (label, result.pressure, result.pressure_std, result.fit),
    )
    with figure(path) as (_, axes):
        for name, values, std, fit in curves:
            line = axes.plot(fine, fit.pressure_total(fine) / GPa, label=name)[0]
            axes.errorbar(
                result.volume, values / GPa, std / GPa, fmt="o", color=line.get_color(), ms=5
            )
        axes.axhline(0.0, color="#999999", linewidth=0.8)
        axes.set_xlabel("volume (Å³)")
        axes.set_ylabel(f"{pressure} pressure (GPa)")
        axes.legend()


def running(path: str | Path, result: ElasticFluctuations) -> None:
    """`path`.png and .svg: K(t) and the nine orthotropic C_ij(t), GPa, against time.

    Bars at the end: the standard errors of the whole run.
    """
    run = result.running
    x = run.frames if run.times is None else run.times / ps
    averages, stds = run.averages, result.averages_std
    moduli = {
        "K, volume": (run.bulk_volume, result.bulk_modulus_volume_std),
        "K, Reuss": (averages.bulk_reuss, stds.bulk_reuss),
        "K, Voigt": (averages.bulk_voigt, stds.bulk_voigt),
    }
    orthotropic = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (0, 1), (0, 2), (1, 2))
    constants = {
        f"C{i + 1}{j + 1}": (run.stiffness[:, i, j], result.stiffness_std[i, j])
        for i, j in orthotropic
    }
    with figure(path, columns=2) as (_, panels):
        for axes, curves in zip(panels, (moduli, constants), strict=True):
            for index, (label, (values, std)) in enumerate(curves.items()):
                line = axes.plot(x, values / GPa, LINES[index // 6], label=label, linewidth=1.2)[0]
                # Side by side, so that none hides another.
                at = x[-1] + (index + 1) * 0.012 * (x[-1] - x[0])
                axes.errorbar(
                    at, values[-1] / GPa, float(std) / GPa,
                    color=line.get_color(), capsize=2, elinewidth=1.0,
                )  # fmt: skip
            axes.set_xlabel("frames" if run.times is None else "time (ps)")
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
        panels[0].set_ylabel("bulk modulus (GPa)")
        panels[1].set_ylabel("elastic constant (GPa)")


def side_by_side(path: str | Path, estimates: Sequence[Estimate]) -> None:
    """`path`.png and .svg: K (GPa) of every method and run, one colour per kind of mean; density
    (g/cm³) of every run."""
    runs = {e.run: e for e in reversed(estimates) if e.density is not None}
    height = 1.0 + 0.3 * len(estimates)
    with figure(path, columns=2 if runs else 1, size=(5.0, height)) as (drawing, axes):
        left, right = axes if runs else (axes, None)
        kinds = ("reuss", "voigt", "hill")
        for kind in kinds:
            rows = [k for k, e in enumerate(estimates) if e.average == kind]
            if rows:
                left.errorbar(
                    [estimates[k].bulk_modulus / GPa for k in rows], rows,
                    xerr=[estimates[k].bulk_modulus_std / GPa for k in rows],
                    fmt="o", ms=5, capsize=2, color=COLOURS[kinds.index(kind)], label=kind.title(),
                )  # fmt: skip
        left.set_yticks(range(len(estimates)), [f"{e.run}, {e.method}" for e in estimates])
        left.set(xlabel="bulk modulus (GPa)", ylim=(len(estimates) - 0.4, -0.6))
        drawing.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        if right is not None:
            shown = list(reversed(runs.values()))
            right.errorbar(
                [(e.density or 0.0) / g_per_cm3 for e in shown], range(len(shown)),
                xerr=[(e.density_std or 0.0) / g_per_cm3 for e in shown],
                fmt="o", ms=5, capsize=2, color="black",
            )  # fmt: skip
            right.set_yticks(range(len(shown)), [e.run for e in shown])
            right.set(xlabel="density (g/cm³)", ylim=(len(shown) - 0.4, -0.6))
            right.ticklabel_format(axis="x", useOffset=False)
            right.locator_params(axis="x", nbins=5)
