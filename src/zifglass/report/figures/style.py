"""One look for every figure: colour-blind safe, legible in print, PNG and SVG of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zifglass.core.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, https://jfly.uni-koeln.de/color/: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
LINES = ("-", "--", "-.", ":")

_settings: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: searchable, editable
    "svg.hashsalt": "zifglass",  # the same figure gives the same file
}


@contextmanager
def figure(
    path: str | Path,
    *,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] | None = None,
    heights: tuple[float, ...] | None = None,
) -> Iterator[tuple[Figure, Any]]:
    """Yield (figure, axes); on leaving, write `path`.png and `path`.svg, each whole or not at all.

    `size` is one panel's width and height in inches. With `heights` the rows have these relative
    heights and share the axis below. Draws without a display.
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = size or (4.6, 3.3)
    settings: Any = _settings | {"axes.prop_cycle": cycler(color=COLOURS)}
    with mpl.rc_context(settings):
        drawing = Figure(figsize=(width * columns, height * rows), layout="constrained")
        FigureCanvasAgg(drawing)
        yield (
            drawing,
            drawing.subplots(
                rows, columns, height_ratios=heights, sharex="col" if heights else False
            ),
        )
        # Laid out once for both files: the layout takes as long as the drawing.
        layout = drawing.get_layout_engine()
        if layout is not None:
            layout.execute(drawing)
            drawing.set_layout_engine(None)
        for suffix in (".png", ".svg"):
            with atomic_path(Path(path).with_suffix(suffix)) as temporary:
                drawing.savefig(
                    temporary,
                    metadata={"Date": None} if suffix == ".svg" else {},
                )


def band(axes: Axes, x: Any, y: Any, y_std: Any, *, label: str | None = None, **line: Any) -> None:
    """A line with its one-standard-error band."""
    drawn = axes.plot(x, y, label=label, **line)[0]
    axes.fill_between(x, y - y_std, y + y_std, color=drawn.get_color(), alpha=0.25, linewidth=0)
