"""Protocols as YAML, every number with its unit.

    name: heat
    masses: {H: 2.0141 amu}
    segments:
      - name: up
        ensemble: nvt-csvr
        duration: 240 ps
        timestep: 0.5 fs
        temperature: 300 K to 1500 K

The keys of a segment are the fields of `zifglass.core.Segment`. Besides these, ``volume_ramp`` and
``volume_jump`` give one factor for the volume in place of ``length_ramp`` and ``length_jump``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

import yaml

from zifglass.core import InputError, Protocol, Segment
from zifglass.core import units as u
from zifglass.core.files import write_text
from zifglass.core.protocol import Lengths, equal_lengths
from zifglass.core.yaml_file import read_yaml

_units: Final[dict[str, dict[str, float]]] = {
    "time": {"ps": u.ps, "fs": u.fs, "ns": u.ns},
    "temperature": {"K": u.kelvin},
    "pressure": {
        "GPa": u.GPa, "MPa": u.MPa, "bar": u.bar, "atm": u.atm, "eV/Å³": 1.0, "eV/A^3": 1.0,
    },
    "force": {"eV/Å": 1.0, "eV/A": 1.0, "meV/Å": u.meV, "meV/A": u.meV},
    "mass": {"amu": u.amu},
}  # fmt: skip
_kinds: Final = {
    "duration": "time",
    "timestep": "time",
    "pressure_total": "pressure",
    "thermostat_damping": "time",
    "barostat_damping": "time",
    "frames_every": "time",
    "thermo_every": "time",
    "monitor_every": "time",
    "force_tolerance": "force",
    "stress_tolerance": "pressure",
}
_quantity = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\W\d]\S*)\s*")


def read_protocol(path: str | Path) -> Protocol:
    """The protocol in a YAML file; raises InputError with file and line."""
    content, origin = read_yaml(path, what="protocol")
    try:
        return protocol_from(content)
    except _SegmentError as error:
        raise origin.error(error.message, ("segments", str(error.number))) from error
    except InputError as error:
        raise InputError(error.message, path) from error


def write_protocol(path: str | Path, protocol: Protocol) -> None:
    """Write `protocol` as YAML; reading it gives an equal one."""
    write_text(path, dump(protocol_as_dict(protocol)))


def dump(value: dict[str, Any]) -> str:
    """YAML with keys in their order."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))


def protocol_as_dict(protocol: Protocol) -> dict[str, Any]:
    """Plain data with units, exact: `protocol_from` gives an equal protocol."""
    value: dict[str, Any] = {"name": protocol.name}
    if protocol.masses:
        value["masses"] = {s: _text(m, "mass") for s, m in sorted(protocol.masses.items())}
    if protocol.outputs:
        value["outputs"] = list(protocol.outputs)
    value["segments"] = [_segment_as_dict(segment) for segment in protocol.segments]
    return value


def protocol_from(value: Any) -> Protocol:
    """A protocol from plain data; raises InputError on unknown keys and missing units."""
    if not isinstance(value, Mapping):
        raise InputError("a protocol holds name and segments; got something else")
    _refuse_unknown(value, ("name", "masses", "outputs", "segments"), "a protocol")
    segments = value.get("segments")
    if not isinstance(segments, list):
        raise InputError("a protocol needs segments, a list")
    masses = value.get("masses") or {}
    if not isinstance(masses, Mapping):
        raise InputError("masses are given by element, such as {H: 2.0141 amu}")
    return Protocol(
        name=str(value.get("name", "protocol")),
        segments=tuple(_numbered(i, segment) for i, segment in enumerate(segments)),
        masses={str(s): _number(m, "mass", f"the mass of {s}") for s, m in masses.items()},
        outputs=tuple(value.get("outputs") or ()),
    )


class _SegmentError(InputError):
    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def _numbered(number: int, value: Any) -> Segment:
    try:
        return _segment_from(value)
    except InputError as error:
        raise _SegmentError(error.message, number) from error


def _segment_from(value: Any) -> Segment:
    if not isinstance(value, Mapping):
        raise InputError("a segment is a set of keys, name and ensemble first")
    known = [field.name for field in fields(Segment)]
    name = str(value.get("name", "?"))
    _refuse_unknown(value, (*known, "volume_ramp", "volume_jump"), f"segment {name!r}")
    for key in ("name", "ensemble"):
        if key not in value:
            raise InputError(f"segment {name!r} has no {key}")
    given: dict[str, Any] = {}
    for key, item in value.items():
        label = f"segment {name!r}: {key}"
        if key in _kinds:
            given[key] = _number(item, _kinds[key], label)
        elif key == "temperature":
            given[key] = _temperatures(item, label)
        elif key in ("length_ramp", "length_jump"):
            given[key] = _lengths(item, label)
        elif key in ("volume_ramp", "volume_jump"):
            length_key = key.replace("volume", "length")
            if length_key in value:
                raise InputError(f"{label} and {length_key} say the same thing twice")
            given[length_key] = equal_lengths(_factor(item, label))
        elif key == "max_iterations":
            if not isinstance(item, int) or isinstance(item, bool):
                raise InputError(f"{label} is a whole number; got {item!r}")
            given[key] = item
        else:
            given[key] = str(item)
    return Segment(**given)


def _segment_as_dict(segment: Segment) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for field in fields(Segment):
        item = getattr(segment, field.name)
        if field.default is not MISSING and item == field.default and field.name != "timestep":
            continue
        if field.name in _kinds:
            value[field.name] = _text(item, _kinds[field.name])
        elif field.name == "temperature":
            start, end = (_text(t, "temperature") for t in item)
            value[field.name] = start if start == end else f"{start} to {end}"
        else:
            value[field.name] = list(item) if isinstance(item, tuple) else item
    if segment.is_minimisation:
        value.pop("timestep")
    return value


def _text(value: float, kind: str) -> str:
    """The shortest 'number unit' that reads back as `value` exactly."""
    choices = []
    for unit, factor in _units[kind].items():
        number = float(f"{value / factor:.12g}")
        text = f"{int(number)}" if number == int(number) else repr(number)
        if number * factor == value:
            choices.append(f"{text} {unit}")
    if choices:
        return min(choices, key=len)
    inner = next(unit for unit, factor in _units[kind].items() if factor == 1.0)
    return f"{float(value)!r} {inner}"


def _number(value: Any, kind: str, label: str) -> float:
    match = _quantity.fullmatch(str(value))
    if not match:
        example = next(iter(_units[kind]))
        raise InputError(
            f"{label} needs a number and its unit, such as '1 {example}'; got {value!r}"
        )
    if match[2] not in _units[kind]:
        raise InputError(
            f"{label}: {match[2]!r} is no unit of {kind}; use {', '.join(_units[kind])}"
        )
    return float(match[1]) * _units[kind][match[2]]


def _temperatures(value: Any, label: str) -> tuple[float, float]:
    parts = value if isinstance(value, list) else re.split(r"\s+to\b\s*|\s*→\s*", str(value))
    if len(parts) not in (1, 2) or any(not str(part).strip() for part in parts):
        raise InputError(
            f"{label} is one temperature or a ramp with both ends, '300 K to 1500 K'; got {value!r}"
        )
    ends = [_number(part, "temperature", label) for part in parts]
    return ends[0], ends[-1]


def _lengths(value: Any, label: str) -> Lengths:
    if not isinstance(value, list):
        factor = _factor(value, label)
        return factor, factor, factor
    factors = tuple(_factor(item, label) for item in value)
    if len(factors) != 3:
        raise InputError(f"{label} holds three factors, one per cell vector; got {value!r}")
    return factors


def _factor(value: Any, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{label} is a factor, 0.985 for −1.5 %; got {value!r}")
    return float(value)


def _refuse_unknown(value: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    known = list(known)
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it knows {', '.join(known)}"
            raise InputError(f"{what} has no key {key!r}{hint}")
