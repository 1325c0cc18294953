"""A still of a structure as SVG: for paper, and for browsers without WebGL or scripts."""

from __future__ import annotations

import numpy as np

from zifglass.core.structure import symbols_of

from .html import Html, tag
from .model import Array, Model

# A restrained palette told apart with any colour vision; page.js draws with the same.
COLOURS = {"Zn": "#0072B2", "N": "#56B4E9", "C": "#555555", "H": "#D0D0D0", "Co": "#CC79A7"}
_other = "#E69F00"
_radii = {"H": 0.22, "C": 0.34, "N": 0.36, "Zn": 0.62}
_size = 520.0


def still_svg(model: Model, frame: int = -1) -> str:
    """Orthographic view along a slightly turned axis; far atoms fade."""
    turn = _rotation(-0.32, 0.28)
    cell = model.cells[frame]
    centre = 0.5 * cell.sum(axis=0)
    points = (model.positions[frame] - centre) @ turn
    corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) @ cell
    corners = (corners - centre) @ turn
    everything = np.vstack([points, corners])[:, :2]
    reach = float(np.abs(everything).max()) + 0.8
    scale = 0.5 * _size / reach
    symbols = symbols_of(model.numbers)
    depth = points[:, 2]
    near = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-9)
    parts = _edges(corners, scale)
    flat = np.column_stack([points[:, 0], -points[:, 1]]) * scale + 0.5 * _size
    order = np.argsort(depth)
    for atom in order:
        symbol = symbols[atom]
        parts.append(
            tag(
                "circle", cx=f"{flat[atom, 0]:.1f}", cy=f"{flat[atom, 1]:.1f}",
                r=f"{_radii.get(symbol, 0.45) * scale:.1f}", fill=COLOURS.get(symbol, _other),
                opacity=f"{0.35 + 0.65 * near[atom]:.2f}",
            )
        )  # fmt: skip
    return tag(
        "svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_size:g} {_size:g}",
        width=f"{_size:g}", height=f"{_size:g}",
    )  # fmt: skip


def _edges(corners: Array, scale: float) -> list[Html]:
    flat = np.column_stack([corners[:, 0], -corners[:, 1]]) * scale + 0.5 * _size
    pairs = [(a, b) for a in range(8) for b in range(a) if bin(a ^ b).count("1") == 1]
    return [
        tag(
            "line", x1=f"{flat[a, 0]:.1f}", y1=f"{flat[a, 1]:.1f}", x2=f"{flat[b, 0]:.1f}",
            y2=f"{flat[b, 1]:.1f}", stroke="#333", stroke_width="1",
        )
        for a, b in pairs
    ]  # fmt: skip


def _rotation(about_y: float, about_x: float) -> Array:
    cy, sy, cx, sx = np.cos(about_y), np.sin(about_y), np.cos(about_x), np.sin(about_x)
    return np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array(
        [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
    )
