"""Any other folder with results.json: its quantities and figures, as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zifglass.io import read

from ..page import Part, model_of
from .account import Account
from .read import figures_within, read_json, read_yaml, side_by_side
from .results import array_tables, label, quantities_in, quantity_table
from .settings import facts_of

_most_key = 8


def results_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """Quantities, figures and settings of a folder that no other builder knows."""
    results = read_json(folder / "results.json")
    found = quantities_in(results)
    about = results.get("about", {})
    figures, left = figures_within(folder, room)
    structure = folder / "structure.extxyz"
    models = [model_of(folder.name, read(structure), budget=budget)] if structure.exists() else []
    numbers: list[Part] = [quantity_table(found), *array_tables(found)] if found else []
    if isinstance(about, dict) and about:
        numbers.append(facts_of({label(key): value for key, value in about.items()}))
    return Account(
        title=folder.name,
        kind="Results",
        sentences=[_sentence(len(found), len(figures)), *left],
        key=dict(list(found.items())[:_most_key]) if len(found) <= _most_key else {},
        models=models if budget else (),
        figures=side_by_side(figures),
        numbers=numbers,
        settings=_settings(folder),
    )


def _sentence(count: int, figures: int) -> str:
    drawn = f" and {figures} figure{'s' * (figures > 1)}" if figures else ""
    return f"{count} {'quantity' if count == 1 else 'quantities'}{drawn}."


def _settings(folder: Path) -> list[Part]:
    values: dict[str, Any] = {}
    if (folder / "settings.yaml").exists():
        values = read_yaml(folder / "settings.yaml")
    elif (folder / "settings.json").exists():
        values = read_json(folder / "settings.json")
    return [facts_of(values)] if values else []
