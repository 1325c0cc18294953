"""One quantity of many runs side by side: value and standard error of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zifglass.core import Quantity

from .style import COLOURS, figure

_most_names = 24
_most_letters = 40  # of all names, in one line below a panel


def draw_many(
    names: Sequence[str], series: Mapping[str, Sequence[Quantity | None]], path: str | Path
) -> None:
    """One panel per entry of `series` (axis label → a value per name), points with error bars, to
    `path`.png and .svg. Names stand below the panels; where they are many, their numbers."""
    drawn = {
        title: [None if q is None or not isinstance(q.value, int | float) else q for q in values]
        for title, values in series.items()
    }
    drawn = {title: values for title, values in drawn.items() if any(values)}
    columns = min(2, max(1, len(drawn)))
    rows = max(1, -(-len(drawn) // columns))
    x = np.arange(1, len(names) + 1)
    tall = sum(map(len, names)) > _most_letters  # room for slanted names
    with figure(path, rows=rows, columns=columns, size=(4.6, 3.2 if tall else 2.4)) as (_, axes):
        panels = np.atleast_1d(axes).ravel()
        for panel, (title, values) in zip(panels, drawn.items(), strict=False):
            value = np.array([np.nan if q is None else q.value for q in values], dtype=float)
            error = [0.0 if q is None or q.std is None else q.std for q in values]
            size = 5 if len(names) <= _most_names else 3
            panel.errorbar(
                x, value, np.nan_to_num(np.array(error, dtype=float)), fmt="o", ms=size,
                capsize=2, elinewidth=1.0, color=COLOURS[0],
            )  # fmt: skip
            panel.set_ylabel(title)
            panel.ticklabel_format(axis="y", useOffset=False)
            panel.set_xlim(0.4, len(names) + 0.6)
            if len(names) <= _most_names:
                shown = _told_apart(names)
                short = sum(map(len, shown)) <= _most_letters
                panel.set_xticks(
                    x, shown, rotation=0 if short else 40,
                    ha="center" if short else "right", fontsize=8,
                )  # fmt: skip
            else:
                panel.set_xlabel("number in the table below")
        for panel in panels[len(drawn) :]:
            panel.set_visible(False)


def _told_apart(names: Sequence[str]) -> list[str]:
    """Without the folders that all names begin with."""
    split = [name.split("/") for name in names]
    while len({parts[0] for parts in split}) == 1 and all(len(parts) > 1 for parts in split):
        split = [parts[1:] for parts in split]
    return ["/".join(parts) for parts in split]
