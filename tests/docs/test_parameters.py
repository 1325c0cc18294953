"""docs/parameters.md is what the definitions of the settings say, and holds every one of them."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

import zifglass
from zifglass.core.settings import Settings
from zifglass.dynamics.settings import WatchSettings
from zifglass.studies import parameters

_page = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"


def test_the_page_is_what_the_generator_writes() -> None:
    assert parameters.page() == _page.read_text(), (
        "a setting has changed: python -m zifglass.studies.parameters docs/parameters.md"
    )


def test_every_group_of_settings_is_on_the_page() -> None:
    there = {model for models in parameters.placed().values() for model in models}
    assert there == _defined() and len(there) > 30


def _defined() -> set[type[Settings]]:
    """Every group of settings that a module of zifglass defines, found by reading the sources."""
    root = Path(zifglass.__file__).parent
    found: set[type[Settings]] = set()
    for path in sorted(root.rglob("*.py")):
        if re.search(r"^class \w+\((\w*Settings|Common)\):", path.read_text(), re.M):
            name = ".".join(("zifglass", *path.relative_to(root).with_suffix("").parts))
            module = importlib.import_module(name)
            found |= {
                kind
                for _, kind in inspect.getmembers(module, inspect.isclass)
                if issubclass(kind, Settings) and kind.__module__ == name
            }
    return found - {Settings}


def test_every_setting_says_what_it_means() -> None:
    for models in parameters.placed().values():
        for model in models:
            for name, field in model.model_fields.items():
                assert field.description or name == "kind", f"{model.__name__}.{name}"


class _Inner(Settings):
    """Inner."""

    depth: int | None = Field(default=None, ge=1, lt=5, description="How deep, Å.")


class _Outer(Settings):
    """Outer, of ``things``."""

    way: Literal["no", "up"] = Field(default="no", description="Which | way.")
    pair: tuple[int, int] = Field(default=(1, 2), description="Two.")
    many: tuple[float, ...] = Field(default=(), description="Many.")
    given: str = Field(description="Given.")
    inner: _Inner = Field(default=_Inner(), description="Inside.")


def test_lines_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (_Inner, _Outer):
        monkeypatch.setattr(model, "__module__", "zifglass.dynamics.here")
    monkeypatch.setattr(parameters, "USERS", {_Outer: "nobody"})
    text = parameters.page()
    assert "Outer, of `things`.\n\nTaken by nobody." in text
    assert "| `way` | `'no'` | `'no'`, `up` | Which \\| way. |" in text
    assert "| `pair` | `[1, 2]` | 2 whole numbers | Two. |" in text
    assert "| `many` | `[]` | a list of numbers | Many. |" in text
    assert "| `given` | must be given | text | Given. |" in text
    assert "| `inner` |  | a group | Inside; [_Inner](#_inner) |" in text
    assert "Taken by [_Outer](#_outer) as `inner`." in text
    assert "| `depth` | `null` | a whole number ≥ 1 and < 5 or `null` | How deep, Å. |" in text


def test_anchors_lead_to_headings() -> None:
    text = _page.read_text()
    anchors = {title.lower() for title in re.findall(r"^### (\w+)$", text, re.M)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= anchors
    assert WatchSettings.__name__.lower() in anchors
