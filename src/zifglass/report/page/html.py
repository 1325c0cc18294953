"""HTML from data: every string is escaped on the way in."""

from __future__ import annotations

import base64
import gzip
import json
from html import escape
from typing import Any
from urllib.parse import quote

# All but what ends a URL, starts an escape or is not ASCII; tag() escapes the rest.
_safe = "".join(chr(c) for c in range(32, 127) if chr(c) not in "#%")


class Html(str):
    """Text that is HTML already; all other text is escaped by `tag`."""

    __slots__ = ()


Content = Html | str


def tag(name: str, /, *content: Content, **attributes: Any) -> Html:
    """``<name …>content</name>``. Attributes: ``class_`` and ``for_`` lose their underscore,
    ``data_x`` becomes ``data-x``; True stands alone, None and False are left out."""
    start = name + "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in ("img", "input", "meta", "br"):
        return Html(f"<{start}>")
    return Html(f"<{start}>{join(content)}</{name}>")


def join(parts: Any) -> Html:
    """Parts one after the other; text is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def island(name: str, value: Any) -> Html:
    """Data for the page's own scripts: JSON that cannot end its element early."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Html(f'<script type="application/json" id="{escape(name)}">{text}</script>')


def data_uri(content: str | bytes, kind: str) -> str:
    """``data:kind,…``: text stays text, which is shorter than base64 and packs better."""
    if isinstance(content, str):
        return f"data:{kind},{quote(content, safe=_safe)}"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def packed(name: str, content: Html) -> Html:
    """HTML kept small until a script asks for it: gzip in base64."""
    raw = gzip.compress(content.encode(), compresslevel=9, mtime=0)
    text = base64.b64encode(raw).decode()
    return Html(f'<script type="application/gzip" id="{escape(name)}">{text}</script>')
