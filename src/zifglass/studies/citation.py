"""What to cite: BibTeX of the methods and data that results rest on.

The entries are in references.bib. A kind of stage names those that every result of it rests on;
what depends on its settings it records as it works (`StageContext.cite`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zifglass.core import InputError

from .place import Place, Plan
from .record import read_record

_file = Path(__file__).with_name("references.bib")
ALWAYS = ("zifglass", "harris2020", "virtanen2020", "larsen2017")
"""Cited by every result: what computes."""


@dataclass(frozen=True)
class Reference:
    """text: BibTeX. doi: bare, None where it has none."""

    key: str
    text: str
    title: str
    doi: str | None


@cache
def references() -> dict[str, Reference]:
    """Key → entry, in the order of the file."""
    found = {}
    for text in re.split(r"\n(?=@)", _file.read_text(encoding="utf-8")):
        head = re.match(r"@\w+\{([^,\s]+),", text)
        if head:
            title = _field(text, "title") or head[1]
            found[head[1]] = Reference(head[1], text.strip(), title, _field(text, "doi"))
    return found


def keys_of(place: Place, plan: Plan) -> dict[str, list[str]]:
    """Key → the stages whose results rest on it, of the finished ones; what always counts first.

    Raises InputError where no stage has finished.
    """
    found: dict[str, list[str]] = {key: [] for key in ALWAYS}
    for stage in plan.stages:
        record = read_record(place.record(stage.name))
        if record is None or record.status != "finished":
            continue
        for key in (*ALWAYS, *record.references):
            found.setdefault(key, []).append(stage.name)
    if not found[ALWAYS[0]]:
        raise InputError("no stage of this study has finished, so there is nothing to cite yet",
                         place.root)  # fmt: skip
    return found


def bibtex(keys: Iterable[str], *, used_by: Mapping[str, list[str]] | None = None) -> str:
    """The entries, each once. used_by: key → stages, said above each entry."""
    known = references()
    parts = []
    for key in dict.fromkeys(keys):
        if key not in known:
            raise InputError(f"no reference is called {key!r}", _file)
        stages = (used_by or {}).get(key, [])
        said = "" if not stages else f"% {_summary(stages)}\n"
        parts.append(said + known[key].text)
    return "\n\n".join(parts) + "\n"


def _summary(stages: list[str]) -> str:
    if len(stages) > 3:
        return f"{stages[0]} and {len(stages) - 1} more stages"
    return ", ".join(stages)


def _field(text: str, name: str) -> str | None:
    found = re.search(rf"^\s*{name}\s*=\s*\{{(.*)\}},?\s*$", text, re.MULTILINE | re.IGNORECASE)
    return None if found is None else found[1].replace("{", "").replace("}", "")
