"""Tables: as HTML and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from zifglass.core import Quantity
from zifglass.core.files import plain

from .html import Html, data_uri, join, tag
from .model import Cell, Column, Download, Mark, Table
from .numbers import number, with_error

_signs = {"good": "✓", "bad": "✗", "caution": "!", "plain": "–"}


def table_html(table: Table) -> Html:
    """The table in a box that scrolls sideways by itself, and its download."""
    numeric = [_is_numeric(column) for column in zip(*table.rows, strict=True)]
    numeric = numeric or [False] * len(table.columns)
    head = [
        tag("th", *_title(column), scope="col", class_="n" if right else None)
        for column, right in zip(table.columns, numeric, strict=True)
    ]
    body = [
        tag(
            "tr",
            *(
                _cell(cell, column, right, first=index == 0)
                for index, (cell, column, right) in enumerate(
                    zip(row, table.columns, numeric, strict=True)
                )
            ),
        )
        for row in table.rows
    ]
    caption = [tag("caption", table.caption)] if table.caption else []
    grid = tag("table", *caption, tag("thead", tag("tr", *head)), tag("tbody", *body))
    label = table.caption or table.name or "table"
    box = tag("div", grid, class_="wide", tabindex="0", role="region", aria_label=label)
    if table.name is None:
        return box
    return join([box, downloads_html([csv_of(table)])])


def csv_of(table: Table) -> Download:
    """The table as CSV: quantities in two columns, numbers with every digit."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    names: list[str] = []
    values: list[list[object]] = []
    for column, cells in zip(table.columns, columns, strict=True):
        title = f"{column.title} ({column.unit})" if column.unit else column.title
        names.append(title)
        values.append([_plain(cell) for cell in cells])
        quantities = [cell for cell in cells if isinstance(cell, Quantity)]
        if quantities:
            names.append(f"{title} std")
            values.append([c.std if isinstance(c, Quantity) else None for c in cells])
            if not column.unit and any(c.unit for c in quantities):
                names.append(f"{title} unit")
                values.append([c.unit if isinstance(c, Quantity) else None for c in cells])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in zip(*values, strict=True):
        writer.writerow(["" if value is None else value for value in plain(row)])
    return Download(f"{table.name or 'table'}.csv", text.getvalue())


def downloads_html(downloads: Sequence[Download]) -> Html:
    """Links to files that the page itself carries."""
    links = [
        tag(
            "a",
            item.label or f"{item.name} ({_size(item.content)})",
            class_="download",
            href=data_uri(item.content, _kind(item.name)),
            download=item.name,
        )
        for item in downloads
    ]
    return tag("p", *links, class_="downloads") if links else Html("")


def mark_html(mark: Mark) -> Html:
    """A word with its sign."""
    sign = tag("span", _signs[mark.tone], aria_hidden="true", class_="sign")
    return tag("span", sign, mark.word, class_=f"mark {mark.tone}")


def _title(column: Column) -> list[Html | str]:
    unit = [tag("span", column.unit, class_="unit")] if column.unit else []
    return [column.title, *([" ", *unit] if unit else [])]


def _cell(cell: Cell, column: Column, right: bool, *, first: bool) -> Html:
    content: Html | str
    title = None
    if isinstance(cell, Mark):
        content = mark_html(cell)
    elif isinstance(cell, Quantity):
        content = quantity_text(cell, with_unit=not column.unit)
        title = cell.note
    elif cell is None:
        content = ""
    else:
        content = number(plain(cell))
    name = "th" if first and not right else "td"
    return tag(
        name, content, scope="row" if name == "th" else None, class_="n" if right else None,
        title=title, data_value=_sorted_by(cell),
    )  # fmt: skip


def _sorted_by(cell: Cell) -> str | None:
    """The number of a cell to six digits; its text is written for people."""
    value = plain(cell.value if isinstance(cell, Quantity) else cell)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.6g}" if is_number else None


def quantity_text(quantity: Quantity, *, with_unit: bool = True) -> str:
    """value ± std unit; the unit 1 is not written."""
    value = plain(quantity.value)
    text = "–" if value is None else with_error(value, plain(quantity.std))
    has_unit = with_unit and quantity.unit not in ("", "1", "verdict")
    return f"{text} {quantity.unit}" if has_unit and value is not None else text


def _is_numeric(cells: Sequence[Cell]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(
        isinstance(cell, int | float | np.number)
        or (isinstance(cell, Quantity) and not isinstance(cell.value, str))
        for cell in known
    )


def _plain(cell: Cell) -> object:
    if isinstance(cell, Mark):
        return cell.word
    return cell.value if isinstance(cell, Quantity) else cell


def _size(content: str | bytes) -> str:
    size = len(content.encode() if isinstance(content, str) else content)
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB"


def _kind(name: str) -> str:
    kinds = {"csv": "text/csv;charset=utf-8", "svg": "image/svg+xml", "json": "application/json"}
    return kinds.get(name.rsplit(".", 1)[-1].lower(), "application/octet-stream")
