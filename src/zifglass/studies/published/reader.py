"""The published numbers, typed. Data: castel2024.yaml in this folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from zifglass.core import InputError

By = Literal["AIMD", "MLP", "training"]
Rule = Literal["exact", "one-run", "test-set"]
_number = re.compile(r"([-−]?\d+(?:\.(\d+))?)(?:\s*±\s*(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Printed:
    """A number as it stands on paper: 1.30 ± 0.09 has two decimals and the spread 0.09."""

    value: float
    spread: float | None
    decimals: int


@dataclass(frozen=True)
class PublishedValue:
    """One number of a table.

    key: ``S8/K-volume/glass``: table, row, column. printed: as it stands. value, spread: in
    `unit`; spread is the printed ±, over `glasses` glasses. decimals: printed, so that rounding
    is known to half a unit of the last. by: what it was computed with: ``AIMD``, ``MLP`` (the
    NequIP potential) or ``training``. rule: how it is compared, see `compare`: ``exact`` (a
    setting), ``one-run`` (sampled once, for `sampled` ps where that is stated), ``test-set``.
    glasses: how many it is a mean over, None for one system.
    """

    key: str
    table: str
    row: str
    column: str
    name: str
    printed: str
    value: float
    spread: float | None
    decimals: int
    unit: str
    by: By
    rule: Rule
    sampled: float | None
    glasses: int | None
    source: str

    @property
    def rounding(self) -> float:
        """Standard deviation of what rounding took away: a uniform one, half a unit each way."""
        return float(10.0**-self.decimals / 12.0**0.5)


@dataclass(frozen=True)
class PublishedTable:
    """values: row by row. columns: key → title."""

    name: str
    title: str
    columns: Mapping[str, str]
    values: tuple[PublishedValue, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """A number of the running text. unit: what is meant; printed_unit: what stands there."""

    key: str
    name: str
    value: float
    spread: float | None
    unit: str
    printed_unit: str


@dataclass(frozen=True)
class Contradiction:
    """Where the document contradicts itself: what it says, and what is done about it here."""

    key: str
    where: str
    says: str
    taken_as: str


@dataclass(frozen=True)
class Published:
    """Everything; figures: name → what it shows."""

    doi: str
    document: str
    tables: Mapping[str, PublishedTable]
    statements: Mapping[str, Statement]
    contradictions: tuple[Contradiction, ...]
    figures: Mapping[str, str]

    def values(self) -> Iterator[PublishedValue]:
        """Of every table, in their order."""
        for table in self.tables.values():
            yield from table.values

    def value(self, key: str) -> PublishedValue:
        """By its key. Raises InputError naming those of the same table."""
        for one in self.values():
            if one.key == key:
                return one
        known = [one.key for one in self.values() if one.table == key.split("/")[0]]
        raise InputError(
            f"no published number {key!r}; there are {', '.join(known or self.tables)}"
        )


def number_as_printed(text: str) -> Printed:
    """ "1.30 ± 0.09" → 1.30, 0.09, two decimals. Raises InputError on anything else."""
    found = _number.fullmatch(text.strip())
    if found is None:
        raise InputError(f"a number is printed like 1.30 or 1.30 ± 0.09; got {text!r}")
    value, decimals, spread = found.groups()
    return Printed(
        float(value.replace("−", "-")),
        None if spread is None else float(spread),
        len(decimals or ""),
    )


@cache
def castel2024() -> Published:
    """The supplementary information of Castel et al., Digital Discovery 2024."""
    path = Path(__file__).with_name("castel2024.yaml")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    source = f"DOI {raw['doi']}, {raw['document']}"
    return Published(
        doi=raw["doi"],
        document=raw["document"],
        tables={name: _table(name, entry, source) for name, entry in raw["tables"].items()},
        statements={entry["key"]: _statement(entry) for entry in raw["statements"]},
        contradictions=tuple(Contradiction(**entry) for entry in raw["contradictions"]),
        figures=raw["figures"],
    )


def _table(name: str, entry: Mapping[str, Any], source: str) -> PublishedTable:
    columns = entry["columns"]
    values = [
        _value(name, columns, row, column, text, source)
        for row in entry["rows"]
        for column, text in row["values"].items()
    ]
    return PublishedTable(
        name, entry["title"], columns, tuple(values), tuple(entry.get("notes", ()))
    )


def _value(
    table: str,
    columns: Mapping[str, str],
    row: Mapping[str, Any],
    column: str,
    text: str,
    source: str,
) -> PublishedValue:
    number = number_as_printed(text)
    sampled = row.get("sampled")
    if isinstance(sampled, Mapping):
        sampled = sampled.get(column)
    return PublishedValue(
        key=f"{table}/{row['key']}/{column}",
        table=table,
        row=row["key"],
        column=columns[column],
        name=row["name"],
        printed=text,
        value=number.value,
        spread=number.spread,
        decimals=number.decimals,
        unit=row["unit"],
        by=row["by"],
        rule=row["rule"],
        sampled=None if sampled is None else float(sampled),
        glasses=row.get("glasses", {}).get(column),
        source=f"{source}, Table {table}",
    )


def _statement(entry: Mapping[str, Any]) -> Statement:
    number = number_as_printed(entry["value"])
    return Statement(
        entry["key"],
        entry["name"],
        number.value,
        number.spread,
        entry["unit"],
        entry.get("printed_unit", entry["unit"]),
    )
