"""results.json as tables: names in words, every value with its error and unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zifglass.core import Quantity

from ..page import Column, Part, Table
from ..page.model import Cell

_abbreviations = {
    "rdf": "RDF", "pmf": "PMF", "msd": "MSD", "d": "D", "zn": "Zn", "mae": "MAE", "rmse": "RMSE",
}  # fmt: skip


_labels = {
    "bulk_modulus_volume": "Bulk modulus from the volume",
    "volume_over_reuss": "Bulk modulus from the volume over Reuss",
    "angle_mean": "Mean angle",
    "linkers_intact_least": "Least number of intact linkers",
}


def label(name: str, *, inside: bool = False) -> str:
    """``bulk_modulus_reuss`` → ``Bulk modulus Reuss``: words, first letter large unless `inside` a
    sentence."""
    if name in _labels:
        text = _labels[name]
        return text[0].lower() + text[1:] if inside else text
    words = [_abbreviations.get(word, word) for word in name.split("_")]
    words = ["Reuss" if w == "reuss" else "Voigt" if w == "voigt" else w for w in words]
    words = ["Hill" if word == "hill" else word for word in words]
    text = " ".join(words)
    return text if inside else text[:1].upper() + text[1:]


def subscripts(formula: str) -> str:
    """Zn16N64 → Zn₁₆N₆₄."""
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def quantities_in(results: Mapping[str, Any]) -> dict[str, Quantity]:
    """The entries of results.json that are quantities; ``about`` and the like are left out."""
    return {
        name: Quantity(entry["value"], entry.get("std"), str(entry.get("unit", "")),
                       entry.get("note"))
        for name, entry in results.items()
        if isinstance(entry, Mapping) and "value" in entry
    }  # fmt: skip


def is_scalar(quantity: Quantity) -> bool:
    return not isinstance(quantity.value, list | tuple | np.ndarray)


def quantity_table(
    found: Mapping[str, Quantity], *, name: str | None = "results", caption: str = ""
) -> Table:
    """One row per scalar quantity: what it is, value ± error with its unit, and its note. A note
    that all share stands once, in the caption."""
    scalars = {key: q for key, q in found.items() if is_scalar(q)}
    notes = {q.note or "" for q in scalars.values()}
    shared = next(iter(notes)) if len(notes) == 1 else ""
    with_notes = len(notes) > 1
    rows: list[list[Cell]] = [
        [label(key), Quantity(q.value, q.std, q.unit), *([q.note or ""] if with_notes else [])]
        for key, q in scalars.items()
    ]
    columns = [Column("quantity"), Column("value ± error")] + [Column("note")] * with_notes
    told = "; ".join(text for text in (caption, shared) if text)
    return Table(columns, rows, told, name)


def array_tables(found: Mapping[str, Quantity]) -> list[Part]:
    """One table per vector or matrix among the quantities, every element with its error."""
    return [_array_table(key, q) for key, q in found.items() if not is_scalar(q)]


def _array_table(key: str, quantity: Quantity) -> Table:
    values = np.atleast_2d(np.array(quantity.value, dtype=float))
    stds = np.full(values.shape, np.nan)
    if quantity.std is not None:
        stds = np.atleast_2d(np.array(quantity.std, dtype=float)).reshape(values.shape)
    note = f"; {quantity.note}" if quantity.note else ""
    head = [Column(""), *(Column(str(k + 1), quantity.unit) for k in range(values.shape[1]))]
    if quantity.unit == "1":
        head = [Column(""), *(Column(str(k + 1)) for k in range(values.shape[1]))]
    rows: list[list[Cell]] = []
    for k, (row, row_std) in enumerate(zip(values.tolist(), stds.tolist(), strict=True)):
        errors = (std if std == std else None for std in row_std)
        cells = [Quantity(v, e, quantity.unit) for v, e in zip(row, errors, strict=True)]
        rows.append([str(k + 1) if len(values) > 1 else label(key), *cells])
    return Table(head, rows, f"{label(key)}{note}", key)


def chosen(found: Mapping[str, Quantity], names: tuple[str, ...]) -> dict[str, Quantity]:
    """Those of `names` that are there, in this order, without their notes."""
    return {
        name: Quantity(found[name].value, found[name].std, found[name].unit)
        for name in names
        if name in found and found[name].value is not None
    }
