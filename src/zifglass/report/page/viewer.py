"""The 3D viewer's half that runs here: models packed small, and a still for paper.

Positions travel as fractional coordinates in 16 bits (0.001 Å in a 30 Å cell), base64, so that a
frame of 272 atoms takes 2.2 kB.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from zifglass.core.structure import symbols_of

from .html import Html, data_uri, island, tag
from .model import Model, Pore, Viewer3D
from .still import still_svg

LOWEST, WIDTH = -1.0, 3.0
"""Fractional coordinates from −1 to 2 are kept: every atom stands near the home cell."""

_choices = (
    ("atoms", "Atoms", True),
    ("hydrogen", "Hydrogen", True),
    ("cell", "Unit cell", True),
    ("tetrahedra", "Metal tetrahedra", False),
    ("rings", "Rings", False),
    ("broken", "Broken linkers", True),
    ("pores", "Pores", False),
)


def viewer_html(viewer: Viewer3D, name: str) -> Html:
    """Canvas, controls, still and data."""
    models = [packed(model) for model in viewer.models]
    still = tag(
        "img", src=data_uri(still_svg(viewer.models[0]), "image/svg+xml"), class_="still",
        alt=f"{viewer.models[0].name}: the atoms in their cell, seen from the front",
    )  # fmt: skip
    stage = tag(
        "div", still, class_="stage", tabindex="0", role="application",
        aria_label="3D view: arrow keys turn it, plus and minus zoom, 0 resets", id=f"{name}-stage",
    )  # fmt: skip
    caption = tag("figcaption", viewer.caption) if viewer.caption else Html("")
    islands = [island(f"{name}-model-{k}", model) for k, model in enumerate(models)]
    return tag(
        "figure", stage, tag("div", *_controls(viewer, name), class_="controls screen"),
        tag("p", "", class_="at", id=f"{name}-at", role="status"), caption, *islands,
        class_="viewer", data_viewer=name,
    )  # fmt: skip


def _controls(viewer: Viewer3D, name: str) -> list[Html]:
    parts = []
    if len(viewer.models) > 1:
        options = [tag("option", m.name, value=k) for k, m in enumerate(viewer.models)]
        select = tag("select", *options, id=f"{name}-model", data_do="model")
        parts.append(tag("label", "Model ", select, class_="choose"))
    player = [
        tag("button", "Play", type="button", data_do="play", aria_pressed="false"),
        tag(
            "input", type="range", min=0, max=0, value=0, data_do="frame",
            aria_label="Frame of the trajectory",
        ),
        tag("output", "", data_shows="frame"),
    ]  # fmt: skip
    parts.append(tag("div", *player, class_="player"))
    boxes = [
        tag(
            "label", tag("input", type="checkbox", data_show=key, checked=on), f" {title}",
        )
        for key, title, on in _choices
    ]  # fmt: skip
    sizes = tag(
        "label", "of ", tag("select", data_do="ringsize", aria_label="Ring size, metal atoms"),
        " metals", data_for="rings", hidden=True,
    )  # fmt: skip
    parts.append(tag("fieldset", tag("legend", "Show"), *boxes, sizes))
    moves = [
        tag("button", text, type="button", data_do=key, aria_label=label)
        for key, text, label in (
            ("left", "←", "Turn left"), ("right", "→", "Turn right"), ("up", "↑", "Turn up"),
            ("down", "↓", "Turn down"), ("closer", "+", "Closer"), ("away", "−", "Further away"),
            ("reset", "Reset", "Reset the view"),
        )
    ]  # fmt: skip
    parts.append(tag("div", *moves, class_="moves", role="group", aria_label="Turn and zoom"))
    return parts


def packed(model: Model) -> dict[str, Any]:
    """A model as the page's script reads it."""
    inverse = np.linalg.inv(model.cells)
    fractional = np.einsum("fai,fij->faj", model.positions, inverse)
    whole = np.clip(np.rint((fractional - LOWEST) / WIDTH * 65535.0), 0, 65535)
    return {
        "name": model.name,
        "symbols": _runs(symbols_of(model.numbers)),
        "frames": len(model.positions),
        "atoms": len(model.numbers),
        "scale": [LOWEST, WIDTH],
        "positions": _base64(whole.astype("<u2")),
        "cells": _cells(model),
        "labels": list(model.labels),
        "metal": model.metal,
        "donor": model.donor,
        "cutoff": model.cutoff,
        "broken": [overlay.broken.tolist() for overlay in model.overlays],
        "rings": [_rings(overlay.rings) for overlay in model.overlays],
        "pores": [None if o.pore is None else _pore(o.pore) for o in model.overlays],
        "note": model.left_out,
    }


def _runs(symbols: Sequence[str]) -> list[list[Any]]:
    """[[symbol, count], …] in order."""
    runs: list[list[Any]] = []
    for symbol in symbols:
        if runs and runs[-1][0] == symbol:
            runs[-1][1] += 1
        else:
            runs.append([symbol, 1])
    return runs


def _cells(model: Model) -> list[list[float]]:
    """One row of nine per frame, or a single one where all are alike."""
    rows = [[round(float(x), 4) for x in cell.ravel()] for cell in model.cells]
    return rows[:1] if all(row == rows[0] for row in rows) else rows


def _rings(rings: Sequence[Any] | None) -> list[list[float]] | None:
    if rings is None:
        return None
    return [[round(float(x), 2) for x in ring.ravel()] for ring in rings]


def _pore(pore: Pore) -> dict[str, Any]:
    """Clearance in 8 bits between −1 Å and its largest."""
    top = max(float(pore.clearance.max()), pore.probe + 0.1)
    whole = np.clip(np.rint((pore.clearance + 1.0) / (top + 1.0) * 255.0), 0, 255)
    return {
        "size": list(pore.clearance.shape),
        "low": -1.0,
        "high": round(top, 4),
        "probe": pore.probe,
        "values": _base64(whole.astype(np.uint8)),
    }


def _base64(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
