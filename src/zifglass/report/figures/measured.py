"""Measured F(Q) and D(r), a model with its band, and what is left between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zifglass.analysis import Comparison, Measured

from .style import COLOURS, band, figure

_axes = {"F(Q)": ("Q (Å⁻¹)", "X-ray F(Q)"), "D(r)": ("r (Å)", "D(r) (Å⁻²)")}


def draw_measured(
    measured: Mapping[str, Measured],
    compared: Mapping[str, Comparison],
    path: str | Path,
    *,
    model: str = "model",
    contrast: tuple[str, Mapping[str, Comparison]] | None = None,
) -> None:
    """One column per file: curves above, residual below; to `path`.png and .svg.

    model: what the model is called. contrast: the name and the comparisons of another model,
    drawn for contrast.
    """
    columns = len(compared)
    size = (5.2 if columns > 1 else 6.4, 2.2)
    with figure(path, rows=2, columns=columns, size=size, heights=(3, 1)) as (_, panels):
        for column, (name, fit) in enumerate(compared.items()):
            top, bottom = panels[:, column] if columns > 1 else panels
            others = {} if contrast is None else {contrast[0]: contrast[1][name]}
            _column(top, bottom, fit, model, others)
            x_label, y_label = _axes[measured[name].kind]
            top.set_title(name, fontsize=9)
            top.set_ylabel(y_label)
            bottom.set(xlabel=x_label, ylabel="residual", xlim=(fit.x[0], fit.x[-1]))


def _column(
    top: Any, bottom: Any, fit: Comparison, model: str, others: Mapping[str, Comparison]
) -> None:
    top.plot(fit.x, fit.measured, color="black", linewidth=1.3, label="measured")
    band(top, fit.x, fit.model, fit.model_std, label=_scaled(model, fit), color=COLOURS[0])
    bottom.plot(fit.x, fit.measured - fit.model, color=COLOURS[0], linewidth=1.0)
    for label, other in others.items():
        top.plot(
            other.x, other.model, ":", color=COLOURS[1], linewidth=1.2, label=_scaled(label, other)
        )
        bottom.plot(other.x, other.measured - other.model, ":", color=COLOURS[1], linewidth=1.0)
    bottom.axhline(0.0, color="0.5", linewidth=0.6, zorder=0)
    top.legend(loc="best")


def _scaled(name: str, fit: Comparison) -> str:
    return f"{name} × {fit.scale:.3f} (fitted); residual {fit.residual:.2f}"
