"""The study file: YAML in, a checked `Study` out. Paths in it are seen from its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from zifglass.core import InputError, Protocol
from zifglass.core.files import write_text
from zifglass.core.settings import settings_from
from zifglass.core.yaml_file import Origin, read_yaml
from zifglass.dynamics import protocols, read_protocol

from .study_settings import AnalysisEntry, ProtocolEntry, Study, groups_of_method

_groups = ("structures", "potentials", "linkers", "protocols", "analyses", "mechanics", "resources")
_name = re.compile(r"[A-Za-z0-9][\w.+=-]*")
START = "start"


def read_study(path: str | Path, *, changes: Iterable[str] = ()) -> Study:
    """The study in a YAML file, after `changes` of the form ``protocols.glass.replicas=3``.

    Raises InputError on unknown keys (with the nearest known one), values out of range, names
    that nothing in the study bears, and protocols that follow each other in a circle.
    """
    path = Path(path)
    values, origin = _read(path)
    changes = list(changes)
    for change in changes:
        _refuse_new_name(change, values)
    study = settings_from(Study, values, changes=changes, source=origin)
    check(study, path.parent, origin.changed(changes))
    return study


def write_study(path: str | Path, study: Study, *, seen_from: str | Path = ".") -> None:
    """Every setting as it was used, defaults included. seen_from: the folder of paths in it."""
    plain = study.model_dump(mode="json")
    for name, entry in study.mechanics.items():
        used = ("method", "of", *groups_of_method[entry.method])
        plain["mechanics"][name] = {key: plain["mechanics"][name][key] for key in used}
    head = f"# As used by zifglass run; paths are seen from {Path(seen_from).resolve()}\n"
    write_text(path, head + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


def protocol_of(
    entry: ProtocolEntry, replica: int, folder: Path, *, label: str, origin: Origin | None = None
) -> Protocol:
    """The protocol of a replica, counted from 0. folder: of the study file; origin: of the entry
    in it."""
    origin = origin or Origin()
    if entry.protocol not in protocols.builders:
        if Path(entry.protocol).suffix in (".yaml", ".yml"):
            return _protocol_file(entry, folder, label)
        hint = nearest(entry.protocol, [*protocols.builders, "a YAML file"])
        raise InputError(f"{label}: no protocol {entry.protocol!r}{hint}")
    model, build = protocols.builders[entry.protocol]
    values = dict(entry.settings) | {key: given[replica] for key, given in entry.vary.items()}
    where = origin.below("vary").over(origin.below("settings"))
    try:
        return build(settings_from(model, values, source=where))
    except InputError as error:
        raise InputError(f"{label}: {error.message}", error.path, line=error.line) from error


def replicas_of(study: Study, name: str) -> int:
    """Runs of a protocol on each structure with each potential."""
    entry = study.protocols[name]
    if entry.vary:
        return len(next(iter(entry.vary.values())))
    if entry.replicas is not None:
        return entry.replicas
    return 1 if entry.after is None else replicas_of(study, entry.after)


def check(study: Study, folder: Path, origin: Origin | None = None) -> None:
    """What the types cannot say. origin: of the study. Raises InputError."""
    origin = origin or Origin()
    with origin.at():
        if (study.protocols or study.mechanics) and not study.structures:
            raise InputError("protocols and mechanics need structures to start from; give some")
        if (study.protocols or study.mechanics) and not study.potentials:
            raise InputError("protocols and mechanics need potentials; this study has none")
    _check_names(study, origin)
    for name, entry in study.protocols.items():
        label = f"protocol {name!r}"
        own = origin.below("protocols", name)
        with own.at("structures"):
            _known(entry.structures, study.structures, label, "structure")
        with own.at("potentials"):
            _known(entry.potentials, study.potentials, label, "potential")
        with own.at("after"):
            after = None if entry.after is None else [entry.after]
            _known(after, study.protocols, label, "protocol")
            _check_chain(study, name)
        with own.at("vary"):
            _check_replicas(study, name)
        with own.at("protocol"):
            for replica in range(replicas_of(study, name)):
                protocol_of(entry, replica, folder, label=label, origin=own)
    for group in ("analyses", "mechanics"):
        for name, one in getattr(study, group).items():
            with origin.at(group, name, "of"):
                _known(one.of, [START, *study.protocols], repr(name), "protocol")
    for name, analysis in study.analyses.items():
        with origin.at("analyses", name, "files"):
            _check_files(study, name, analysis)


def nearest(name: str, known: Sequence[str]) -> str:
    """ ": did you mean …?", or what there is; the end of a sentence."""
    near = get_close_matches(name, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f": there are {', '.join(known) or 'none'}"


def _read(path: Path) -> tuple[dict[str, Any], Origin]:
    if not path.exists():
        raise InputError("there is no such file; zifglass init writes one to begin with", path)
    values, origin = read_yaml(path, what="study file")
    if not isinstance(values, dict):
        raise InputError("a study is 'key: value' lines; zifglass init writes one", path)
    for group in _groups:
        # A heading with everything below it commented out.
        if group in values and values[group] is None:
            values[group] = {}
        if isinstance(values.get(group), dict) and group not in ("potentials", "linkers"):
            values[group] = {k: {} if v is None else v for k, v in values[group].items()}
    return values, origin


def _refuse_new_name(change: str, values: Mapping[str, Any]) -> None:
    """--set changes what is there: a slip in a name must not make a new entry."""
    keys = change.partition("=")[0].strip().split(".")
    plain = keys[0] in ("potentials", "linkers")
    if len(keys) > 2 - plain and keys[0] in _groups and keys[0] != "resources":
        there = values.get(keys[0]) or {}
        if isinstance(there, Mapping) and keys[1] not in there:
            hint = nearest(keys[1], list(there))
            raise InputError(f"{keys[0]} has no {keys[1]!r}{hint}", f"in {change}")


def _protocol_file(entry: ProtocolEntry, folder: Path, label: str) -> Protocol:
    if entry.settings or entry.vary:
        raise InputError(
            f"{label}: settings and vary change a ready-made protocol; the numbers of a file are "
            "changed in the file"
        )
    return read_protocol(folder / entry.protocol)


def _check_names(study: Study, origin: Origin) -> None:
    named = [(group, name) for group in _groups[:-1] for name in getattr(study, group)]
    for group, name in named:
        with origin.at(group, name):
            if not _name.fullmatch(name):
                raise InputError(
                    f"{group}: a name is made of letters, digits and . _ + = -; got {name!r}"
                )
            if group in ("structures", "potentials", "protocols") and name in (START, "files"):
                raise InputError(f"{group}: {name!r} has a meaning of its own; choose another name")
            if group == "mechanics" and name in study.analyses:
                raise InputError(f"{name!r} names an analysis and mechanics; rename one")


def _check_files(study: Study, name: str, analysis: AnalysisEntry) -> None:
    if not (analysis.files or analysis.of or study.protocols):
        raise InputError(f"analysis {name!r} has nothing to analyse: give it of or files")
    stems = [Path(file).stem for file in analysis.files]
    if len(set(stems)) < len(stems):
        raise InputError(f"analysis {name!r}: two files have the same name; rename one")


def _known(names: Iterable[str] | None, known: Iterable[str], label: str, what: str) -> None:
    known = list(known)
    for name in names or ():
        if name not in known:
            raise InputError(f"{label}: no {what} is called {name!r}{nearest(name, known)}")


def _check_chain(study: Study, name: str) -> None:
    chain: list[str] = []
    here: str | None = name
    while here is not None and here in study.protocols:
        if here in chain:
            circle = " → ".join([*chain[chain.index(here) :], here])
            raise InputError(f"protocols that follow each other in a circle: {circle}")
        chain.append(here)
        here = study.protocols[here].after


def _check_replicas(study: Study, name: str) -> None:
    entry = study.protocols[name]
    lengths = {key: len(values) for key, values in entry.vary.items()}
    if len({*lengths.values(), *([entry.replicas] if entry.replicas else [])}) > 1:
        told = ", ".join(f"{key} has {count} values" for key, count in lengths.items())
        more = f"replicas is {entry.replicas}, " if entry.replicas else ""
        raise InputError(f"protocol {name!r}: {more}{told}; vary gives one value per replica")
    if 0 in lengths.values():
        raise InputError(f"protocol {name!r}: vary without values")
    if entry.after is not None:
        before, own = replicas_of(study, entry.after), replicas_of(study, name)
        if before not in (1, own):
            raise InputError(
                f"protocol {name!r} has {own} replicas and follows {entry.after!r}, which has "
                f"{before}: give it {before}, or leave replicas out"
            )
