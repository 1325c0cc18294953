"""Settings as names and values: nested groups get dotted names, as ``--set`` takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..page import Facts


def facts_of(values: Mapping[str, Any]) -> Facts:
    """One line per value; a list of groups is numbered from 1."""
    return Facts(dict(_flat(values, "")))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif _is_list_of_groups(value):
        for place, item in enumerate(value, start=1):
            title = item.get("name", place)
            inside = {key: one for key, one in item.items() if key != "name"}
            yield from _flat(inside, f"{name}.{title}")
    else:
        yield name, "–" if value is None or value in ({}, []) else value


def _is_list_of_groups(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and bool(value) and all(isinstance(item, Mapping) for item in value)
