"""Parameters: one pydantic field each (default, unit, one sentence), beside its user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from .errors import InputError
from .yaml_file import Origin, read_yaml


class Settings(BaseModel):
    """Base of every group of parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_word_for_a_number(cls, values: Any) -> Any:
        """YAML reads yes and on as true, and pydantic true as 1: as a word it is refused."""
        if not isinstance(values, Mapping):
            return values
        return {
            key: str(value).lower() if isinstance(value, bool) and cls._counts(key) else value
            for key, value in values.items()
        }

    @classmethod
    def _counts(cls, name: Any) -> bool:
        """Whether a setting is a number and never true or false."""
        field = cls.model_fields.get(name)
        kinds = set() if field is None else {field.annotation, *get_args(field.annotation)}
        return bool(kinds & {int, float}) and not kinds & {bool, str}


S = TypeVar("S", bound=Settings)


def settings_from(
    model: type[S],
    values: Mapping[str, Any] | None = None,
    *,
    changes: Iterable[str] = (),
    source: str | Path | Origin | None = None,
) -> S:
    """`values`, then `changes` of the form ``a.b=c`` (c in YAML), as a checked `model`.

    source: the file that the values are from, or where in it each stands. Raises InputError naming
    the key, where it was said and, for an unknown one, the nearest known.
    """
    changes = list(changes)
    merged: dict[str, Any] = dict(values or {})
    for change in changes:
        _apply(merged, change, model)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        origin = source if isinstance(source, Origin) else Origin(source)
        raise origin.changed(changes).error(*_sentence(model, error)) from None


def read_settings(model: type[S], path: str | Path | None, *, changes: Iterable[str] = ()) -> S:
    """`model` from a YAML file (None: all defaults) and `changes` of the form ``a.b=c``."""
    if path is None:
        return settings_from(model, changes=changes)
    values, origin = values_in(path)
    return settings_from(model, values, changes=changes, source=origin)


def values_in(path: str | Path) -> tuple[dict[str, Any], Origin]:
    """What a YAML file of settings says, unchecked, and where; InputError where it is none."""
    values, origin = read_yaml(path, what="file of settings")
    if not isinstance(values or {}, dict):
        raise InputError("settings are 'key: value' lines", path)
    return values or {}, origin


def _apply(values: dict[str, Any], change: str, model: type[Settings]) -> None:
    keys, equals, _ = change.partition("=")
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
    here[last] = value_of(change)


def value_of(change: str) -> Any:
    """What a change of the form ``key=value`` gives, read as YAML."""
    import yaml

    try:
        value = yaml.safe_load(change.partition("=")[2])
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        raise InputError(f"the value is not YAML: {problem}", f"in {change}") from None
    return float(value) if isinstance(value, str) and _is_number(value) else value


def _is_number(text: str) -> bool:
    """YAML 1.1 reads 1e-5 as a word; people mean the number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


_plain = {
    "dict": "input should be 'key: value' pairs",
    "model": "input should be 'key: value' pairs",
    "tuple": "input should be a list, such as [a, b]",
    "list": "input should be a list, such as [a, b]",
    "string": "input should be text",
    "int": "input should be a whole number",
    "float": "input should be a number",
    "finite": "input should be a finite number",
    "bool": "input should be true or false",
}
"""What is wrong, by how pydantic's name of an error begins."""
_types = ("_type", "_parsing", "_from_float", "_number", "_attributes_type")


def _sentence(model: type[Settings], error: ValidationError) -> tuple[str, tuple[str, ...]]:
    """What is wrong, and with which setting."""
    first = error.errors()[0]
    parts, group = _follow(model, [str(part) for part in first["loc"]])
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        known = list(group.model_fields)
        near = get_close_matches(parts[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"unknown setting {key!r}: {hint}", tuple(parts)
    subject = f"setting {key!r}: " if key else ""
    if first["type"] == "value_error":  # a sentence of ours
        return f"{subject}{first['msg'].removeprefix('Value error, ')}", tuple(parts)
    begin, _, end = first["type"].partition("_")
    wrong = _plain.get(begin) if f"_{end}" in _types else None
    wrong = wrong or f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{subject}{wrong}; got {first['input']!r}", tuple(parts)


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
