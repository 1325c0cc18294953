"""Parameters: one pydantic field each (default, unit, one sentence), beside its user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError


class Settings(BaseModel):
    """Base of every group of parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def settings_from(
    model: type[S],
    values: Mapping[str, Any] | None = None,
    *,
    changes: Iterable[str] = (),
    source: str | Path | None = None,
) -> S:
    """`values`, then `changes` of the form ``a.b=c`` (c in YAML), as a checked `model`.

    Raises InputError naming the key and, for an unknown one, the nearest known.
    """
    merged: dict[str, Any] = dict(values or {})
    for change in changes:
        _apply(merged, change, model)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise InputError(_sentence(model, error), source) from None


def read_settings(model: type[S], path: str | Path | None, *, changes: Iterable[str] = ()) -> S:
    """`model` from a YAML file (None: all defaults) and `changes` of the form ``a.b=c``."""
    if path is None:
        return settings_from(model, changes=changes)
    return settings_from(model, values_in(path), changes=changes, source=path)


def values_in(path: str | Path) -> dict[str, Any]:
    """What a YAML file of settings says, unchecked; InputError where it is none."""
    import yaml

    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except OSError as error:
        raise InputError(f"cannot read these settings: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise InputError("this is no text, so no settings", path) from error
    except yaml.YAMLError as error:
        raise InputError(f"this is not YAML: {error}".replace("\n", " "), path) from None
    if not isinstance(values, dict):
        raise InputError("settings are 'key: value' lines", path)
    return values


def _apply(values: dict[str, Any], change: str, model: type[Settings]) -> None:
    import yaml

    keys, equals, text = change.partition("=")
    if not equals or not keys.strip():
        raise InputError(f"a setting is changed by 'key=value'; got {change!r}")
    *above, last = keys.strip().split(".")
    here = values
    if above and above[0] not in values and above[0] in model.model_fields:
        # A change inside a group leaves the rest of the group at its defaults.
        default = model.model_fields[above[0]].get_default(call_default_factory=True)
        here[above[0]] = default.model_dump() if isinstance(default, BaseModel) else default
    for key in above:
        below = here.get(key)
        here[key] = dict(below) if isinstance(below, Mapping) else {}
        here = here[key]
    value = yaml.safe_load(text)
    here[last] = float(value) if isinstance(value, str) and _is_number(value) else value


def _is_number(text: str) -> bool:
    """YAML 1.1 reads 1e-5 as a word; people mean the number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _sentence(model: type[Settings], error: ValidationError) -> str:
    first = error.errors()[0]
    parts, group = _follow(model, [str(part) for part in first["loc"]])
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        known = list(group.model_fields)
        near = get_close_matches(parts[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"unknown setting {key!r}: {hint}"
    return f"setting {key!r}: {first['msg'][0].lower()}{first['msg'][1:]}; got {first['input']!r}"


def _follow(model: type[BaseModel], location: list[str]) -> tuple[list[str], type[BaseModel]]:
    """A location of pydantic's as people write it, and the group of settings that it ends in;
    through groups by name too. Where a group is one of several kinds pydantic puts the kind into
    the location, and people do not."""
    parts: list[str] = []
    inner: Any = model
    for name in location:
        kinds = [kind for kind in get_args(inner) if _is_group(kind)]
        if get_origin(inner) is dict:
            inner = get_args(inner)[1]
        elif len(kinds) > 1:
            of_name = (k for k in kinds if any(f.default == name for f in k.model_fields.values()))
            inner = next(of_name, None)
            model = inner or model
            continue
        elif _is_group(inner):
            field = inner.model_fields.get(name)
            inner = None if field is None else field.annotation
        parts.append(name)
        alone = [kind for kind in get_args(inner) if _is_group(kind)]
        if get_origin(inner) is not dict and len(alone) == 1:
            inner = alone[0]  # a group or None
        if _is_group(inner):
            model = inner
    return parts, model


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
