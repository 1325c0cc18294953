"""The page of every parameter, made from its one definition:
``python -m zifglass.studies.parameters docs/parameters.md``.

A group of settings stands under the room that owns it, with who takes it. Groups inside a group
are links. A test keeps docs/parameters.md equal to what comes out here.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from zifglass.abinitio import settings as abinitio
from zifglass.analysis.angles import AnglesSettings
from zifglass.analysis.bonds import BondsSettings
from zifglass.analysis.coordination import CoordinationSettings
from zifglass.analysis.melting_clocks import MeltingSettings
from zifglass.analysis.msd import MsdSettings
from zifglass.analysis.network import NetworkSettings
from zifglass.analysis.pmf import PmfSettings
from zifglass.analysis.survey import SurveySettings
from zifglass.core.files import write_text
from zifglass.core.settings import Settings
from zifglass.datasets import settings as datasets
from zifglass.dynamics import protocols
from zifglass.dynamics import settings as dynamics
from zifglass.mechanics import FluctuationSettings, StaticSettings, StrainSweepSettings
from zifglass.mechanics.audit import PressureAuditSettings
from zifglass.potentials.audit import CheckSettings
from zifglass.potentials.relax import RelaxSettings
from zifglass.training import settings as training

from .reproduce import budgets
from .slurm_settings import SlurmSettings
from .study_settings import Study
from .template import default_of, yaml_of
from .work.prepare import PrepareSettings

_head = """\
# Parameters

Every setting, its default, what it takes and what it means, as the code itself reads them. Written
by `python -m zifglass.studies.parameters docs/parameters.md`; a test keeps it so.

Where a command takes `--set`, a setting is changed by `--set name=value`, one inside a group by
`--set group.name=value`; in a study file, and in a file given by `--settings`, it is
`name: value`. An unknown name is refused, with the nearest known one. `null` means not given.
Which options a command takes besides, `--help` says.
"""

ROOMS = (
    *("abinitio", "datasets", "training", "potentials"),
    *("dynamics", "analysis", "mechanics", "studies"),
)

# Who takes it, in the order of the page. Groups inside these follow them by themselves.
USERS: dict[type[Settings], str] = {
    abinitio.LevelOfTheory: "`zifglass label`",
    abinitio.AimdSettings: "`zifglass aimd`",
    datasets.LintSettings: "`zifglass dataset lint`",
    training.TrainingSettings: "`zifglass train`",
    CheckSettings: "`zifglass potential check`",
    RelaxSettings: "`zifglass relax`",
    protocols.Common: "every ready-made protocol",
    protocols.MeltQuench: "`zifglass melt-quench`, `zifglass md --protocol melt-quench`",
    protocols.Liquid: "`zifglass md --protocol liquid`",
    protocols.CrystalPreparation: "`zifglass md --protocol crystal-preparation`",
    protocols.StrainSweep: "`zifglass md --protocol strain-sweep`",
    protocols.FlexibleNPT: "`zifglass md --protocol flexible-npt`",
    dynamics.RunSettings: "`zifglass md --run-set`, `zifglass melt-quench --run-set`",
    SurveySettings: "`zifglass analyse`",
    CoordinationSettings: "`analysis.coordination`",
    AnglesSettings: "`analysis.angles`",
    PmfSettings: "`analysis.pmf`",
    MsdSettings: "`analysis.msd`",
    BondsSettings: "`analysis.bonds`",
    NetworkSettings: "`analysis.network`",
    MeltingSettings: "`analysis.melting`",
    StrainSweepSettings: "`zifglass mechanics strain-sweep`",
    FluctuationSettings: "`zifglass mechanics fluctuations`",
    StaticSettings: "`zifglass mechanics static`",
    PressureAuditSettings: "`zifglass mechanics audit`",
    Study: "the study file of `zifglass run`",
    PrepareSettings: "every structure of a study",
    SlurmSettings: "`zifglass run --slurm`",
    budgets.Budget: "`zifglass reproduce --budget`; the defaults are those of `full`",
}


def page() -> str:
    """docs/parameters.md."""
    within = _within()
    parts = [_head]
    for room, models in placed().items():
        parts.append(f"## {room}\n")
        parts += [_section(model, USERS.get(model), within.get(model, [])) for model in models]
    return "\n".join(parts)


def placed() -> dict[str, list[type[Settings]]]:
    """Room → its groups, each after the group that holds it where both are of one room."""
    found: dict[str, list[type[Settings]]] = {room: [] for room in ROOMS}

    def place(model: type[Settings]) -> None:
        room = found[model.__module__.split(".")[1]]
        if model not in room:
            room.append(model)
            for field in model.model_fields.values():
                for inner in groups_in(field):
                    place(inner)

    for model in USERS:
        place(model)
    return found


def groups_in(field: FieldInfo) -> list[type[Settings]]:
    """The groups of settings that a field may hold, also by name (``dict[str, Group]``)."""
    annotations = (field.annotation, *get_args(field.annotation))
    return [kind for kind in annotations if isinstance(kind, type) and issubclass(kind, Settings)]


def _within() -> dict[type[Settings], list[tuple[type[Settings], str]]]:
    """Group → the groups that hold it, and as what."""
    found: dict[type[Settings], list[tuple[type[Settings], str]]] = {}
    for models in placed().values():
        for model in models:
            for name, field in model.model_fields.items():
                for inner in groups_in(field):
                    found.setdefault(inner, []).append((model, name))
    return found


def _section(
    model: type[Settings], users: str | None, within: list[tuple[type[Settings], str]]
) -> str:
    above = [base for base in model.__bases__ if base is not Settings]
    inherited = {name for base in above for name in getattr(base, "model_fields", {})}
    taken = [users] if users else []
    taken += [f"{_link(outer)} as `{name}`" for outer, name in within]
    lines = [f"### {model.__name__}\n", _said(model), f"\nTaken by {'; '.join(taken)}."]
    if above:
        lines[-1] += f" Besides these, the settings of {', '.join(map(_link, above))}."
    lines += ["", "| setting | default | takes | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in inherited:
            lines.append(f"| `{name}` | {_default(field)} | {_takes(field)} | {_meaning(field)} |")
    return "\n".join(lines) + "\n"


def _said(model: type[Settings]) -> str:
    """The docstring, without its markup of code; the field's own sentence follows in the table."""
    return inspect.cleandoc(model.__doc__ or "").replace("``", "`")


def _link(model: type[Any]) -> str:
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _meaning(field: FieldInfo) -> str:
    said = " ".join((field.description or "").split()).replace("|", "\\|")
    links = ", ".join(_link(kind) for kind in groups_in(field))
    return "; ".join(filter(None, (said.rstrip(".") if links else said, links)))


def _default(field: FieldInfo) -> str:
    """The default as YAML; a group's own stand in its section."""
    if field.is_required():
        return "must be given"
    if groups_in(field):
        if get_origin(field.annotation) is tuple:
            return "`[]`"
        return "`{}`" if get_origin(field.annotation) is dict else ""
    return f"`{default_of(field)}`"


def _takes(field: FieldInfo) -> str:
    """The kind of value and its bounds, in words."""
    annotation = field.annotation
    if groups_in(field):
        if get_origin(annotation) is tuple:
            return "a list of groups"
        return "groups by name" if get_origin(annotation) is dict else "a group"
    # A tuple keeps its `...`; a union loses its None, which stands after the bounds.
    kinds = [annotation]
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    words = [" or ".join(map(_kind, kinds)), " and ".join(_bounds(field))]
    return " ".join(filter(None, words)) + (" or `null`" if _may_be_null(annotation) else "")


def _may_be_null(annotation: Any) -> bool:
    return NoneType in get_args(annotation)


def _bounds(field: FieldInfo) -> Iterator[str]:
    for constraint in field.metadata:
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
            value = getattr(constraint, name, None)
            if value is not None:
                yield f"{sign} {value:g}"


_words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{yaml_of(choice)}`" for choice in inner)
    if origin is dict:
        return "name: value"
    if origin is tuple and Ellipsis in inner:
        return f"a list of {_plural(_kind(inner[0]))}"
    if origin is tuple:
        return f"{len(inner)} {_plural(_kind(inner[0]))}"
    return " or ".join(map(_kind, inner)) if inner else _words.get(annotation, "anything")


def _plural(words: str) -> str:
    """'a whole number' → 'whole numbers'; choices and 'text' stay."""
    return re.sub(r"^an? (.*)$", r"\1s", words)


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), page())
