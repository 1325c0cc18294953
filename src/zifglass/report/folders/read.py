"""Files of a folder, read for a page; what cannot be read is one sentence."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from zifglass.analysis import LinkerSettings
from zifglass.core import InputError
from zifglass.core.settings import settings_from

from ..page import Column, Download, Figure, Grid, Part, Table
from ..page.model import Cell
from .captions import caption_of

_widest_in_grid = 480.0  # points
_largest_csv = 2_000_000  # bytes; a page carries no more of one file


def read_json(path: Path) -> dict[str, Any]:
    """An object; raises InputError on anything else."""
    return _mapping(path, json.loads, "JSON")


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping; raises InputError on anything else."""
    return _mapping(path, yaml.safe_load, "YAML")


def linkers_in(settings: Any) -> LinkerSettings:
    """What a run or an analysis wrote of the linkers it looked for; None: the known ones."""
    return settings_from(LinkerSettings, settings or {})


def _mapping(path: Path, parse: Any, what: str) -> dict[str, Any]:
    try:
        value = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from error
    except (ValueError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"this is not {what}: {first}; was it cut or edited?", path) from None
    if not isinstance(value, dict):
        raise InputError("expected names and values, found something else", path)
    return value


def figures_in(folder: Path, *, without: frozenset[str] = frozenset()) -> list[Figure]:
    """Every SVG of a folder with its caption, and the CSV of the same name as its download."""
    return [figure_of(path) for path in svgs_in(folder) if path.stem not in without]


def figures_within(folder: Path, room: float) -> tuple[list[Figure], list[str]]:
    """Figures that fit `room` bytes when packed, and a sentence where some do not: first the CSV
    of the largest figures stay in the folder, then the largest figures themselves."""
    figures = figures_in(folder)
    sizes = [(_packed(f.svg), sum(_packed(str(d.content)) for d in f.downloads)) for f in figures]
    left: list[str] = []
    for part in (1, 0):  # tables, then pictures
        for k in sorted(range(len(figures)), key=lambda k: -sizes[k][part]):
            if sum(map(sum, sizes)) <= room:
                break
            if sizes[k][part]:
                figure = figures[k]
                left.append(figure.downloads[0].name if part else figure.caption.rstrip("."))
                sizes[k] = (sizes[k][0] if part else 0.0, 0.0)
                figures[k] = replace(figure, downloads=())
    kept = [figure for figure, size in zip(figures, sizes, strict=True) if size[0]]
    said = [f"To keep this page small, left in the folder: {'; '.join(left)}."] if left else []
    return kept, said


def _packed(text: str) -> float:
    """Bytes that a text takes in a packed part of a page."""
    return len(gzip.compress(text.encode(), compresslevel=6)) * 4 / 3


def side_by_side(figures: Sequence[Figure]) -> list[Part]:
    """Wide figures one below the other, then the narrow ones in a grid."""
    wide = [figure for figure in figures if _width(figure.svg) > _widest_in_grid]
    narrow = [figure for figure in figures if _width(figure.svg) <= _widest_in_grid]
    return [*wide, *([Grid(narrow)] if narrow else [])]


def _width(svg: str) -> float:
    """Points, of the SVG's own statement; 0 where it makes none."""
    found = re.search(r'<svg[^>]*?\bwidth="([\d.]+)', svg, re.DOTALL)
    return 0.0 if found is None else float(found[1])


def svgs_in(folder: Path) -> list[Path]:
    """In the order in which a reader wants them: as `captions` lists them, then by name."""
    from .captions import ORDER

    paths = [path for path in folder.glob("*.svg") if not path.name.startswith(".")]
    return sorted(paths, key=lambda path: (ORDER.get(path.stem, len(ORDER)), path.stem))


def figure_of(path: Path) -> Figure:
    """One SVG file as a part of a page."""
    try:
        svg = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"this figure cannot be read: {error}", path) from error
    if "<svg" not in svg[:4000]:
        raise InputError("this is no SVG figure; was it cut or edited?", path)
    table = path.with_suffix(".csv")
    downloads = [download_of(table)] if _is_small(table) else []
    return Figure(svg, caption_of(path.stem), downloads=downloads)


def download_of(path: Path) -> Download:
    """A text file that the page carries."""
    return Download(path.name, path.read_text(encoding="utf-8"))


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _largest_csv


def csv_table(path: Path, caption: str, *, units: Mapping[str, str] | None = None) -> Table:
    """A CSV file as a table with its download; numbers are numbers, empty fields empty."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} columns, found {len(row)}", path, line=line)
    columns = [Column(name, (units or {}).get(name, "")) for name in names]
    return Table(columns, [[_cell(text) for text in row] for row in rows], caption, path.stem)


def _cell(text: str) -> Cell:
    if not text:
        return None
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
