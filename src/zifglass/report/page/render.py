"""A page as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from zifglass import __version__
from zifglass.core import InputError
from zifglass.core.files import plain, write_text

from .chart import chart_html
from .html import Html, data_uri, join, packed, tag
from .model import (
    Chart,
    Download,
    Facts,
    Figure,
    Fold,
    Grid,
    Mark,
    Notice,
    Page,
    Part,
    Section,
    Table,
    Text,
    Viewer3D,
)
from .numbers import number
from .tables import downloads_html, mark_html, table_html
from .viewer import viewer_html

# Nothing may be fetched, whatever a picture or a library inside tries.
_policy = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)


def write_page(page: Page, path: str | Path) -> None:
    """Write `page` to `path` as one HTML file, whole or not at all. It loads nothing: pictures,
    data, scripts and the viewer (only where a part is a `Viewer3D`) are inside."""
    write_text(path, page_html(page))


def page_html(page: Page) -> str:
    """The whole document."""
    if not page.sections:
        raise InputError(f"page {page.title!r} has no sections: there is nothing to show")
    names = _names()
    anchors = [f"s{k}-{_slug(section.title)}" for k, section in enumerate(page.sections, 1)]
    sections = [
        _section(section, anchor, names)
        for section, anchor in zip(page.sections, anchors, strict=True)
    ]
    has_viewer = any(isinstance(part, Viewer3D) for part in _parts_of(page))
    links = [
        tag("li", tag("a", section.title, href=f"#{anchor}"))
        for section, anchor in zip(page.sections, anchors, strict=True)
    ]
    contents = tag("nav", tag("ol", *links), aria_label="Contents") if len(links) > 2 else ""
    subtitle = tag("p", page.subtitle, class_="subtitle") if page.subtitle else ""
    footer = tag("footer", tag("p", f"Written by zifglass {__version__}."), *_thanks(has_viewer))
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("h1", page.title), subtitle, contents),
        tag("main", *sections, id="content"),
        footer,
        _zoom(),
        tag(
            "noscript",
            tag("p", "Without scripts the charts stand still and long parts stay closed."),
        ),
        *_scripts(has_viewer),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(page), body, lang='en')}\n"


def part_html(part: Part, names: Iterator[str]) -> Html:
    """One part; `names` gives identifiers that are free."""
    return _renderers[type(part)](part, names)


def _names() -> Iterator[str]:
    return (f"p{k}" for k in count(1))


def _head(page: Page) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"zifglass {__version__}"),
        tag("title", page.title),
        Html('<link rel="icon" href="data:,">'),
        tag("style", Html(_asset("page.css"))),
    )


def _scripts(has_viewer: bool) -> list[Html]:
    names = ["vendor/3Dmol-min.js", "viewer.js", "page.js"] if has_viewer else ["page.js"]
    # The library is parsed when the first viewer comes into sight, not when the page opens.
    kinds = {"vendor/3Dmol-min.js": "text/plain"}
    return [
        tag("script", Html(_script(name)), type=kinds.get(name), id=_slug(name)) for name in names
    ]


def _script(name: str) -> str:
    """A script that cannot end its element early."""
    return re.sub(r"</(?=script)", r"<\\/", _asset(name), flags=re.IGNORECASE)


@lru_cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _thanks(has_viewer: bool) -> list[Html]:
    if not has_viewer:
        return []
    licence = _asset("vendor/3Dmol-LICENSE.txt")
    return [
        tag("p", "The 3D view is 3Dmol.js, DOI 10.1093/bioinformatics/btu829."),
        tag(
            "details", tag("summary", "Licence of 3Dmol.js"), tag("pre", licence),
            class_="screen long",
        ),
    ]  # fmt: skip


def _zoom() -> Html:
    """Where a figure is enlarged."""
    buttons = [
        tag("button", text, type="button", data_zoom=key, aria_label=label)
        for key, text, label in (
            ("in", "+", "Enlarge"), ("out", "−", "Reduce"), ("fit", "Fit", "Fit to the window"),
            ("close", "Close", "Close"),
        )
    ]  # fmt: skip
    return tag(
        "dialog", tag("div", *buttons, class_="zoombar"), tag("div", class_="zoomed", tabindex="0"),
        id="zoom", aria_label="Figure, enlarged",
    )  # fmt: skip


def _section(section: Section, anchor: str, names: Iterator[str]) -> Html:
    parts = [part_html(part, names) for part in section.parts]
    return tag("section", tag("h2", section.title), *parts, id=anchor)


def _text(part: Text, names: Iterator[str]) -> Html:
    paragraphs = (text.strip() for text in re.split(r"\n\s*\n", part.text))
    return join(tag("p", text) for text in paragraphs if text)


def _notice(part: Notice, names: Iterator[str]) -> Html:
    word = mark_html(Mark(part.word, part.tone))
    return tag("div", tag("p", word, " ", part.text), class_=f"notice {part.tone}")


def _facts(part: Facts, names: Iterator[str]) -> Html:
    items = [
        tag("div", tag("dt", str(key)), tag("dd", _fact(value)))
        for key, value in part.items.items()
        if value is not None
    ]
    return tag("dl", *items)


def _fact(value: Any) -> str:
    value = plain(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_fact(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_fact(item) for item in value)
    return number(value)


def _figure(part: Figure, names: Iterator[str]) -> Html:
    image = tag(
        "img", src=data_uri(shortened(part.svg), "image/svg+xml;charset=utf-8"),
        alt=part.alt or part.caption, decoding="async",
    )  # fmt: skip
    button = tag(
        "button", image, type="button", class_="enlarge", aria_label=f"Enlarge: {part.caption}"
    )
    return tag("figure", button, tag("figcaption", part.caption), downloads_html(part.downloads))


_coordinates = re.compile(r'\b(?:d|x|y|points)="[^"]*"')
_digits = re.compile(r"(\.\d\d)\d+(?![\de])")


def shortened(svg: str) -> str:
    """Coordinates to a hundredth of a point: what can be seen, in half the bytes."""
    return _coordinates.sub(lambda found: _digits.sub(r"\1", found[0]), svg)


def _fold(part: Fold, names: Iterator[str]) -> Html:
    parts = [part_html(item, names) for item in part.parts]
    inside = tag("div", *parts, class_="inside")
    title = tag("summary", part.title)
    if not part.long:
        return tag("details", title, inside)
    name = next(names)
    return tag("details", title, packed(name, inside), class_="long", data_packed=name)


def _grid(part: Grid, names: Iterator[str]) -> Html:
    return tag("div", *(part_html(item, names) for item in part.parts), class_="side")


_renderers: dict[type, Callable[[Any, Iterator[str]], Html]] = {
    Text: _text,
    Notice: _notice,
    Facts: _facts,
    Table: lambda part, names: table_html(part),
    Download: lambda part, names: downloads_html([part]),
    Figure: _figure,
    Chart: lambda part, names: chart_html(part, next(names)),
    Viewer3D: lambda part, names: viewer_html(part, next(names)),
    Fold: _fold,
    Grid: _grid,
}


def _parts_of(page: Page) -> Iterator[Part]:
    """Every part, those in folds and grids too."""
    waiting = [part for section in page.sections for part in section.parts]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, Fold | Grid):
            waiting += part.parts


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
