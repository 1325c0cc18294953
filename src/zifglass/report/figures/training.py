"""Figures of training (Fig. S11), of sweeps, and of predictions beside labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.analysis.survey import Survey
from zifglass.core.units import ps
from zifglass.training.curves import LearningCurves
from zifglass.training.evaluate import Evaluation
from zifglass.training.sweep import SweepRow

from .style import COLOURS, band, figure

_panels = (
    ("loss_train", "training loss"),
    ("loss_validation", "validation loss"),
    ("energy_mae", "energy MAE (meV/atom)"),
    ("force_mae", "force MAE (meV/Å)"),
)


def draw_curves(runs: Mapping[str, LearningCurves], path: str | Path) -> None:
    """Losses and MAEs against the epoch, as Fig. S11; a MAE's training part is dashed."""
    stress = any(np.isfinite(curves.stress_mae_validation).any() for curves in runs.values())
    panels = (*_panels, ("stress_mae", "stress MAE (MPa)")) if stress else _panels
    rows = (len(panels) + 1) // 2
    with figure(path, rows=rows, columns=2) as (drawing, axes):
        for (name, label), panel in zip(panels, axes.ravel(), strict=False):
            for number, (run, curves) in enumerate(runs.items()):
                colour = COLOURS[number % len(COLOURS)]
                x = curves.epochs + 1
                marker = "o" if len(x) < 12 else ""
                style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3}
                if name.startswith("loss"):
                    panel.plot(x, getattr(curves, name), label=run, **style)
                else:
                    panel.plot(x, getattr(curves, f"{name}_validation"), label=run, **style)
                    panel.plot(x, getattr(curves, f"{name}_train"), "--", **style)
            panel.set_yscale("log")
            panel.set_xlabel("epoch")
            panel.set_ylabel(label)
        for empty in axes.ravel()[len(panels) :]:
            empty.set_visible(False)
        if len(runs) > 1:
            handles, names = axes[0, 0].get_legend_handles_labels()
            drawing.legend(handles, names, loc="outside lower center", ncols=2)
        axes[1, 1].plot([], [], "-", color=COLOURS[7], label="validation")
        axes[1, 1].plot([], [], "--", color=COLOURS[7], label="training")
        handles, labels = axes[1, 1].get_legend_handles_labels()
        axes[1, 1].legend(handles[-2:], labels[-2:])


def draw_sweep(rows: Sequence[SweepRow], path: str | Path) -> None:
    """Validation errors, gap and time per epoch of each combination; bars of one standard
    deviation over seeds."""
    names = [
        ("force_mae_validation", "force MAE (meV/Å)"),
        ("energy_mae_validation", "energy MAE (meV/atom)"),
        ("gap", "validation − training\nforce MAE (meV/Å)"),
        ("time_per_epoch", "time per epoch (s)"),
    ]
    if all("stress_mae_validation" in row.found for row in rows):
        names.insert(2, ("stress_mae_validation", "stress MAE (MPa)"))
    labels = [", ".join(f"{k} = {v}" for k, v in row.values.items()) for row in rows]
    size = (max(4.6, 0.45 * len(rows)), 1.9)
    with figure(path, rows=len(names), size=size, heights=(1.0,) * len(names)) as (_, axes):
        for (name, label), panel in zip(names, axes, strict=True):
            shown = [(i, row.found[name]) for i, row in enumerate(rows) if name in row.found]
            panel.errorbar(
                [i for i, _ in shown],
                [q.value for _, q in shown],
                yerr=[q.std or 0.0 for _, q in shown],
                fmt="o",
                color=COLOURS[0],
                capsize=3,
            )
            panel.set_ylabel(label)
            panel.margins(x=0.1, y=0.15)
            panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
        axes[-1].set_xticks(range(len(rows)), labels, rotation=45 if len(rows) > 4 else 0)
        if len(rows) > 4:
            for text in axes[-1].get_xticklabels():
                text.set_horizontalalignment("right")


def draw_parity(evaluation: Evaluation, path: str | Path) -> None:
    """Predicted against labelled energy, forces by species, stress; the diagonal is agreement."""
    stress = evaluation.stress is not None
    with figure(path, columns=3 if stress else 2, size=(3.6, 3.4)) as (_, axes):
        pairs = evaluation.parity
        shift = float(np.mean(pairs.energy_label))
        axes[0].plot(
            pairs.energy_label - shift, pairs.energy - shift, "o", markersize=3, color=COLOURS[0]
        )
        axes[0].set_xlabel("labelled energy, its mean at 0 (meV/atom)")
        axes[0].set_ylabel("predicted")
        for number, symbol in enumerate(evaluation.forces_of):
            chosen = pairs.symbols == symbol
            axes[1].plot(
                pairs.forces_label[:, chosen].ravel(),
                pairs.forces[:, chosen].ravel(),
                ".",
                markersize=2,
                color=COLOURS[number % len(COLOURS)],
                label=symbol,
                rasterized=True,
            )
        axes[1].set_xlabel("labelled force (eV/Å)")
        axes[1].set_ylabel("predicted")
        axes[1].legend(markerscale=4)
        if stress:
            axes[2].plot(
                pairs.stress_label.ravel(),
                pairs.stress.ravel(),
                "o",
                markersize=3,
                color=COLOURS[2],
            )
            axes[2].set_xlabel("labelled stress (GPa)")
            axes[2].set_ylabel("predicted")
        for panel in axes:
            low, high = panel.get_xlim()
            panel.plot([low, high], [low, high], "-", color=COLOURS[7], linewidth=0.8, zorder=0)


def draw_scorecard(reference: Survey, model: Survey, pair: str, path: str | Path) -> None:
    """RDF, PMF, angles (as Figs. S3, S12), coordination, rings (Fig. S16), broken linkers in time
    (Fig. S14) of two trajectories, bands of one standard error."""
    surveys = {"reference": reference, "model": model}
    with figure(path, rows=2, columns=3, size=(4.0, 3.1)) as (_, axes):
        for name, survey in surveys.items():
            found = survey.results
            if "rdf" in found:
                band(axes[0, 0], found["rdf"].r, *found["rdf"].of(pair), label=name)
            if "pmf" in found:
                energy = np.where(np.isfinite(found["pmf"].energy), found["pmf"].energy, np.nan)
                band(axes[0, 1], found["pmf"].r, energy, found["pmf"].energy_std)
            if "angles" in found:
                angles = found["angles"]
                band(axes[0, 2], angles.degrees, angles.density, angles.density_std)
            if "coordination" in found:
                near = found["coordination"]
                _bars(axes[1, 0], near.numbers, near.distribution, near.distribution_std, name)
            if "rings" in found:
                rings = found["rings"]
                _bars(axes[1, 1], rings.sizes, rings.per_metal, rings.per_metal_std, name)
            if "linkers" in found:
                broken = found["linkers"]
                clock = np.arange(len(broken.fraction)) if broken.times is None else broken.times
                axes[1, 2].plot(clock / (1.0 if broken.times is None else ps), broken.fraction)
        timed = all(s.results["linkers"].times is not None for s in surveys.values()
                    if "linkers" in s.results)  # fmt: skip
        labels = (
            ("r (Å)", f"g {pair}"), ("r (Å)", f"PMF {pair} (kJ/mol)"),
            ("angle (degree)", "density (1/degree)"), ("coordination", "fraction"),
            ("ring size (metal atoms)", "rings per metal"),
            ("time (ps)" if timed else "frame", "broken linkers (fraction)"),
        )  # fmt: skip
        for panel, (x, y) in zip(axes.ravel(), labels, strict=True):
            panel.set_xlabel(x)
            panel.set_ylabel(y)
        axes[0, 0].legend()
        axes[1, 1].locator_params(axis="x", integer=True)
        axes[1, 2].set_ylim(-0.002, max(0.05, axes[1, 2].get_ylim()[1]))


def _bars(axes: Any, x: Any, y: Any, y_std: Any, name: str) -> None:
    offset = -0.2 if name == "reference" else 0.2
    errors = np.nan_to_num(y_std)
    axes.bar(np.asarray(x) + offset, y, 0.4, yerr=errors, error_kw={"elinewidth": 0.8})
