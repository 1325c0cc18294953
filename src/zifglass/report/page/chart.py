"""Charts: drawn as SVG here, so that they print and need no script; the cursor is page.js's."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

import numpy as np

from .html import Html, island, tag
from .model import Array, Chart, Panel
from .numbers import number
from .tables import downloads_html

WIDTH, LEFT, RIGHT, TOP = 860.0, 72.0, 12.0, 38.0
_panel, _gap, _bottom = 118.0, 16.0, 34.0
_colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # as in report.figures.style
_dashes = (None, "6 3")


def chart_html(chart: Chart, name: str) -> Html:
    """The chart, a slider that moves its cursor, the values there, and the data for both."""
    x = np.asarray(chart.x, dtype=float)
    low, high = _range([x])
    height = TOP + len(chart.panels) * (_panel + _gap) - _gap + _bottom
    parts = [_spans(chart, low, high, height)]
    tops = [TOP + k * (_panel + _gap) for k in range(len(chart.panels))]
    ticks = _ticks(low, high, 8)
    for panel, top in zip(chart.panels, tops, strict=True):
        parts.append(_panel_svg(panel, x, (low, high), top, ticks))
    parts += [_horizontal(chart, ticks, low, high, height), _cursor(height)]
    svg = tag(
        "svg", *parts, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", class_="chart",
        aria_label=chart.caption or chart.title, data_chart=name,
    )  # fmt: skip
    slider = tag(
        "input", type="range", min=0, max=max(0, len(x) - 1), value=0, class_="cursor",
        id=f"{name}-cursor", aria_label=f"{chart.title}: move the cursor",
        aria_describedby=f"{name}-at",
    )  # fmt: skip
    shown = tag("output", "", id=f"{name}-at", class_="at", for_=f"{name}-cursor")
    data = island(name, _data(chart, x, low, high))
    caption = tag("figcaption", chart.caption) if chart.caption else Html("")
    box = tag("div", svg, class_="chartbox")
    controls = tag("div", slider, shown, class_="reader screen")
    return tag(
        "figure", box, controls, caption, downloads_html(chart.downloads), data, class_="charted"
    )


def _data(chart: Chart, x: Array, low: float, high: float) -> dict[str, object]:
    return {
        "title": chart.title,
        "unit": chart.unit,
        "x": _short(x),
        "at": [LEFT, WIDTH - RIGHT, low, high],
        "spans": [[span.title, span.start, span.end] for span in chart.spans],
        "lines": [
            {"title": line.title or panel.title, "unit": panel.unit, "y": _short(line.y)}
            for panel in chart.panels
            for line in panel.lines
        ],
    }


def _short(values: Array) -> list[float | None]:
    """Six significant digits, NaN as null."""
    return [float(f"{v:.6g}") if isfinite(v) else None for v in np.asarray(values, dtype=float)]


def _range(series: Sequence[Array], margin: float = 0.0) -> tuple[float, float]:
    values = np.concatenate([np.asarray(one, dtype=float).ravel() for one in series])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low == high:
        room = abs(low) * 0.05 or 0.5
        return low - room, high + room
    room = margin * (high - low)
    return low - room, high + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = np.ceil(low / step - 1e-9)
    return [float(k * step) + 0.0 for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def _scale(values: Array, domain: tuple[float, float], pixels: tuple[float, float]) -> Array:
    share = (np.asarray(values, dtype=float) - domain[0]) / (domain[1] - domain[0])
    return pixels[0] + share * (pixels[1] - pixels[0])


def _panel_svg(
    panel: Panel, x: Array, across: tuple[float, float], top: float, ticks: Sequence[float]
) -> Html:
    known = [a for line in panel.lines for a in (line.y, line.low, line.high) if a is not None]
    low, high = _range(known, 0.06)
    parts = []
    sideways = _scale(x, across, (LEFT, WIDTH - RIGHT))
    for value in ticks:
        at = float(_scale(np.array(value), across, (LEFT, WIDTH - RIGHT)))
        parts.append(_line(at, top, at, top + _panel, "grid"))
    for value in _ticks(low, high, 4):
        at = float(_scale(np.array(value), (low, high), (top + _panel, top)))
        parts.append(_line(LEFT, at, WIDTH - RIGHT, at, "grid"))
        parts.append(_text(LEFT - 8, at + 4, _tick_text(value, high - low), "end"))
    for index, line in enumerate(panel.lines):
        colour = _colours[index % len(_colours)]
        if line.low is not None and line.high is not None:
            parts.append(_band(sideways, line.low, line.high, (low, high), top, colour))
        upright = _scale(line.y, (low, high), (top + _panel, top))
        parts.append(
            tag(
                "path", d=_path(sideways, upright), fill="none", stroke=colour,
                stroke_width="1.5", stroke_dasharray=_dashes[line.dashed],
            )
        )  # fmt: skip
    parts.append(_line(LEFT, top, LEFT, top + _panel, "axis"))
    unit = f" ({panel.unit})" if panel.unit else ""
    parts.append(_text(LEFT + 6, top - 5, f"{panel.title}{unit}", "start", "name"))
    if len(panel.lines) > 1:
        parts += _legend(panel, top)
    return tag("g", *parts)


def _legend(panel: Panel, top: float) -> list[Html]:
    right, parts = WIDTH - RIGHT, []
    for index, line in reversed(list(enumerate(panel.lines))):
        right -= 7.0 * len(line.title)
        parts.append(_text(right, top - 5, line.title, "start"))
        parts.append(
            tag(
                "path", d=f"M{right - 26:.1f} {top - 9:.1f}h20", fill="none",
                stroke=_colours[index % len(_colours)], stroke_width="1.8",
                stroke_dasharray=_dashes[line.dashed],
            )
        )  # fmt: skip
        right -= 40.0
    return parts


def _spans(chart: Chart, low: float, high: float, height: float) -> Html:
    """Every other stretch lightly shaded, each named above where the name fits."""
    parts = []
    for index, span in enumerate(chart.spans):
        ends = _scale(np.array([span.start, span.end]), (low, high), (LEFT, WIDTH - RIGHT))
        start, end = (float(np.clip(end, LEFT, WIDTH - RIGHT)) for end in ends)
        if index % 2 == 0:
            parts.append(
                tag(
                    "rect", x=f"{start:.1f}", y=f"{TOP - 34:g}",
                    width=f"{max(0.0, end - start):.1f}",
                    height=f"{height - TOP - _bottom + 34:.1f}", class_="span",
                )
            )  # fmt: skip
        if end - start > 6.5 * len(span.title):
            at = 0.5 * (start + end)
            parts.append(_text(at, TOP - 22, span.title, "middle", "spanname"))
    return tag("g", *parts)


def _horizontal(
    chart: Chart, ticks: Sequence[float], low: float, high: float, height: float
) -> Html:
    base = height - _bottom
    parts = [_line(LEFT, base, WIDTH - RIGHT, base, "axis")]
    for value in ticks:
        at = float(_scale(np.array(value), (low, high), (LEFT, WIDTH - RIGHT)))
        parts.append(_text(at, base + 15, _tick_text(value, high - low), "middle"))
    unit = f" ({chart.unit})" if chart.unit else ""
    parts.append(
        _text(0.5 * (LEFT + WIDTH - RIGHT), base + 31, f"{chart.title}{unit}", "middle", "name")
    )
    return tag("g", *parts)


def _cursor(height: float) -> Html:
    return tag(
        "g", _line(LEFT, TOP, LEFT, height - _bottom, "cursorline"), class_="cursor", hidden=True
    )


def _tick_text(value: float, width: float) -> str:
    """As many places as tell neighbouring ticks apart."""
    places = max(0, 1 - floor(log10(width))) if width < 50 else 0
    if places > 5 or abs(value) >= 1e7:
        return number(value)
    text = f"{value + 0.0:.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def _path(x: Array, y: Array) -> str:
    """A polyline; it is interrupted where a value is missing."""
    found, down = [], False
    for a, b in zip(x, y, strict=True):
        if not isfinite(b):
            down = False
            continue
        found.append(f"{'L' if down else 'M'}{a:.1f} {b:.1f}")
        down = True
    return "".join(found)


def _band(
    x: Array, low: Array, high: Array, domain: tuple[float, float], top: float, colour: str
) -> Html:
    good = np.isfinite(low) & np.isfinite(high)
    upper, lower = (_scale(v[good], domain, (top + _panel, top)) for v in (high, low))
    around = np.concatenate([x[good], x[good][::-1]])
    path = _path(around, np.concatenate([upper, lower[::-1]]))
    return tag("path", d=f"{path}Z" if path else "", fill=colour, opacity="0.22", stroke="none")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> Html:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)
