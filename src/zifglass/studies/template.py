"""The commented study that `zifglass init` writes, made from the definitions of every setting.

What is set runs as it stands, a small glass in minutes; every other setting stands beside it,
commented out, with its default, unit and meaning.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zifglass.core.settings import Settings
from zifglass.dynamics.protocols import MeltQuench

from .slurm_settings import SlurmSettings
from .stage import Resources
from .study_settings import (
    AnalysisEntry,
    MechanicsEntry,
    ProtocolEntry,
    StructureEntry,
    Study,
    groups_of_method,
)

_head = """\
# A study: zifglass run {file} -o {name}
# First see what it takes: zifglass run {file} -o {name} --dry-run
# Started again, it goes on where it was; what has changed here, and only that, is done again.
# Settings behind a # have the value they have when left out; put a space for the # to change one
# (and for that of the groups above it).
# Paths are seen from the folder of this file."""


def template(
    *, file: str = "study.yaml", structure: str = "zif4", potential: str = "zif4-fast"
) -> str:
    """YAML that `read_study` takes as it is. structure: shipped name or file; potential: name or
    file; file: what the study will be called on disk."""
    name = file.rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".yml")
    short = {
        "t_max": 5.0, "heating_rate": 100.0, "cooling_rate": 100.0, "before": 2.0,
        "equilibration": 10.0, "timestep": 1.0, "deuterium": 2.0141,
    }  # fmt: skip
    sweep = {
        "preparation": 2.0, "ramp": 1.0, "hold": 10.0, "timestep": 1.0, "deuterium": 2.0141,
    }  # fmt: skip
    parts = [
        _head.format(file=file, name=name),
        f"name: {yaml_of(name)}\nseed: 1  # of the study; every run's own follows from it",
        _section(
            "structures",
            "What the study starts from.",
            {_label(structure): _lines(StructureEntry, {"source": structure}, 4)},
        ),
        f"# By name, each a named potential (zifglass potential list) or a file.\n"
        f"potentials:\n  {_label(potential)}: {yaml_of(potential)}",
        f"# {_described(Study, 'linkers')}\n#linkers: {{}}",
        _section(
            "protocols",
            "Molecular dynamics. The times here are short, to see it work; the published glasses\n"
            "# took t_max 70 to 250 ps and rates of the order of 5 K/ps.",
            {"glass": _protocol(short)},
        ),
        _section(
            "analyses",
            "Structure, of the replicas together: mean ± standard deviation.",
            {
                "structure": _lines(
                    AnalysisEntry, {"of": ["glass"], "segment": "glass"}, 4,
                    inner={"settings": {"pore_frames": 3, "size_frames": 0}},
                )
            },
        ),
        _section(
            "mechanics",
            "Moduli and density. The published sweeps held every volume for 100 ps.",
            {
                "bulk": _lines(
                    MechanicsEntry, {"method": "strain-sweep", "of": ["glass"]}, 4,
                    inner={"sweep": sweep}, leave_out=("dynamics", "fluctuations", "static", "run"),
                )
            },
        ),
        _other_methods(),
        "# What stages are given: by kind of stage or by pattern of names.\n#resources:\n"
        "# melt-quench:\n" + "\n".join(_commented(Resources, 4)),
        "# How the study is submitted by zifglass run --slurm.\n#slurm:\n"
        + "\n".join(_commented(SlurmSettings, 2)),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _section(title: str, comment: str, entries: Mapping[str, Iterator[str]]) -> str:
    lines = [f"# {comment}", f"{title}:"]
    for name, body in entries.items():
        lines += [f"  {name}:", *body]
    return "\n".join(lines)


def _protocol(short: Mapping[str, Any]) -> Iterator[str]:
    yield from _lines(ProtocolEntry, {"protocol": "melt-quench"}, 4, only=("protocol",))
    yield "    settings:"
    yield from _lines(MeltQuench, short, 6)
    yield from _lines(ProtocolEntry, {"replicas": 2}, 4, leave_out=("protocol", "settings"))


def _other_methods() -> str:
    """The settings of the methods that the template does not use."""
    lines = []
    for method in ("fluctuations", "static"):
        lines += [f"# {method}:", f"#   method: {method}"]
        lines += _lines(
            MechanicsEntry, {}, 4, leave_out=tuple(
                name for name in MechanicsEntry.model_fields
                if name not in groups_of_method[method]
            ),
        )  # fmt: skip
    return "\n".join(lines)


def _described(model: type[Settings], name: str) -> str:
    said = " ".join((model.model_fields[name].description or "").split())
    return "\n# ".join(textwrap.wrap(said, 96))


def _commented(model: type[Settings], indent: int) -> list[str]:
    return list(_lines(model, {}, indent))


def _lines(
    model: type[BaseModel],
    live: Mapping[str, Any],
    indent: int,
    *,
    inner: Mapping[str, Mapping[str, Any]] | None = None,
    leave_out: tuple[str, ...] = (),
    only: tuple[str, ...] | None = None,
) -> Iterator[str]:
    """A line per setting: those in `live` set, groups in `inner` with their own, the rest
    commented out."""
    fields = {
        name: field
        for name, field in model.model_fields.items()
        if name not in leave_out and (only is None or name in only)
    }
    for name in sorted(fields, key=lambda n: n not in live):
        field = fields[name]
        group = _group_of(field)
        if group is not None and inner is not None and name in inner:
            yield f"{' ' * indent}{name}:"
            yield from _lines(group, inner[name], indent + 2)
        elif group is not None:
            yield _line(indent, f"{name}:", field.description, set_=False)
            yield from _lines(group, {}, indent + 2)
        elif name in live:
            yield _line(indent, f"{name}: {yaml_of(live[name])}", field.description, set_=True)
        else:
            yield _line(indent, f"{name}: {default_of(field)}", field.description, set_=False)


def _line(indent: int, text: str, description: str | None, *, set_: bool) -> str:
    start = " " * indent + text if set_ else "#" + " " * (indent - 1) + text
    said = " ".join((description or "").split())
    if len(start) + len(said) + 4 <= 100:
        return f"{start}  # {said}" if said else start
    above = textwrap.wrap(said, 96 - indent)
    margin = "#" + " " * (indent - 1) + "# " if not set_ else " " * indent + "# "
    return "\n".join([*(margin + line for line in above), start])


def _group_of(field: FieldInfo) -> type[BaseModel] | None:
    if get_origin(field.annotation) is tuple:  # a list of groups, empty unless given
        return None
    for one in (field.annotation, *get_args(field.annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def default_of(field: FieldInfo) -> str:
    """The default of a setting as YAML."""
    value = field.get_default(call_default_factory=True)
    return yaml_of(list(value) if isinstance(value, tuple) else value)


def yaml_of(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
    )
    return str(text).removesuffix("...\n").strip()


def _label(text: str) -> str:
    """A name for a structure or potential given by name or file."""
    stem = text.rsplit("/", 1)[-1].rsplit(".", 1)[0] if "/" in text or "." in text else text
    return "".join(c if c.isalnum() or c in "_+=-" else "-" for c in stem) or "own"
