"""What one folder tells, in parts that a page of it and a page of many both use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zifglass.core import Quantity

from ..page import Fold, Model, Notice, Page, Part, Section, Table, Text, Viewer3D
from .results import quantity_table


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """title: the folder's name. kind: what it is, in words. conclusions: what was found, in
    sentences that stand alone. sentences: how, the first one standing alone. notices: verdicts.
    key: the numbers to remember, label → quantity. models: to look at. figures, numbers, settings,
    provenance: parts in the order of a page: curves; tables with errors; and where from."""

    title: str
    kind: str
    sentences: Sequence[str]
    conclusions: Sequence[str] = ()
    notices: Sequence[Notice] = ()
    key: Mapping[str, Quantity] = field(default_factory=dict)
    models: Sequence[Model] = ()
    view_caption: str = ""
    figures: Sequence[Part] = ()
    numbers: Sequence[Part] = ()
    settings: Sequence[Part] = ()
    provenance: Sequence[Part] = ()

    @property
    def summary(self) -> list[Part]:
        """Verdicts, conclusions, sentences, the numbers to remember."""
        parts: list[Part] = [*self.notices, Text(" ".join([*self.conclusions, *self.sentences]))]
        if self.key:
            parts.append(key_table(self.key))
        return parts

    @property
    def views(self) -> list[Part]:
        return [Viewer3D(self.models, self.view_caption)] if self.models else []


def key_table(key: Mapping[str, Quantity]) -> Table:
    """The numbers to remember, without a download: they are among the numbers below."""
    return quantity_table(key, name=None)


def page_of(account: Account, *, title: str | None = None) -> Page:
    """A page of its own: summary, the structure, figures, numbers, settings, provenance."""
    sections = [Section("Summary", account.summary)]
    for heading, parts in (
        ("The structure in 3D", account.views),
        ("Figures", account.figures),
        ("Numbers", account.numbers),
        ("Settings", account.settings),
        ("Provenance", account.provenance),
    ):
        if parts:
            sections.append(Section(heading, parts))
    return Page(title or account.title, sections, account.kind)


def folded(account: Account, *, word: str = "") -> Fold:
    """Everything behind one title, for a page of many; its models are shown elsewhere."""
    inside = [*account.summary, *account.figures, *account.numbers]
    if account.settings:
        inside.append(Fold("Settings", account.settings))
    if account.provenance:
        inside.append(Fold("Provenance", account.provenance))
    title = f"{account.title}: {account.kind}"
    return Fold(f"{title} ({word})" if word else title, inside, long=True)
