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
from zifglass.dynamics import protocols, read_protocol

from .study_settings import ProtocolEntry, Study, groups_of_method

_groups = ("structures", "potentials", "linkers", "protocols", "analyses", "mechanics", "resources")
_name = re.compile(r"[A-Za-z0-9][\w.+=-]*")
START = "start"


def read_study(path: str | Path, *, changes: Iterable[str] = ()) -> Study:
    """The study in a YAML file, after `changes` of the form ``protocols.glass.replicas=3``.

    Raises InputError on unknown keys (with the nearest known one), values out of range, names
    that nothing in the study bears, and protocols that follow each other in a circle.
    """
    path = Path(path)
    values = _read(path)
    changes = list(changes)
    for change in changes:
        _refuse_new_name(change, values, path)
    study = settings_from(Study, values, changes=changes, source=path)
    try:
        check(study, path.parent)
    except InputError as error:
        if error.path is not None:
            raise
        raise InputError(error.message, path) from error
    return study


def write_study(path: str | Path, study: Study, *, seen_from: str | Path = ".") -> None:
    """Every setting as it was used, defaults included. seen_from: the folder of paths in it."""
    plain = study.model_dump(mode="json")
    for name, entry in study.mechanics.items():
        used = ("method", "of", *groups_of_method[entry.method])
        plain["mechanics"][name] = {key: plain["mechanics"][name][key] for key in used}
    head = f"# As used by zifglass run; paths are seen from {Path(seen_from).resolve()}\n"
    write_text(path, head + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


def protocol_of(entry: ProtocolEntry, replica: int, folder: Path, *, label: str) -> Protocol:
    """The protocol of a replica, counted from 0. folder: of the study file."""
    if entry.protocol not in protocols.builders:
        if Path(entry.protocol).suffix in (".yaml", ".yml"):
            return _protocol_file(entry, folder, label)
        raise InputError(
            f"{label}: no protocol {entry.protocol!r}"
            f"{nearest(entry.protocol, list(protocols.builders))}, or a YAML file"
        )
    model, build = protocols.builders[entry.protocol]
    values = dict(entry.settings) | {key: given[replica] for key, given in entry.vary.items()}
    try:
        return build(settings_from(model, values))
    except InputError as error:
        raise InputError(f"{label}: {error.message}") from error


def replicas_of(study: Study, name: str) -> int:
    """Runs of a protocol on each structure with each potential."""
    entry = study.protocols[name]
    if entry.vary:
        return len(next(iter(entry.vary.values())))
    if entry.replicas is not None:
        return entry.replicas
    return 1 if entry.after is None else replicas_of(study, entry.after)


def check(study: Study, folder: Path) -> None:
    """What the types cannot say. Raises InputError."""
    _check_names(study)
    if (study.protocols or study.mechanics) and not study.structures:
        raise InputError("protocols and mechanics need structures to start from; this has none")
    if (study.protocols or study.mechanics) and not study.potentials:
        raise InputError("protocols and mechanics need potentials; this study has none")
    for name, entry in study.protocols.items():
        label = f"protocol {name!r}"
        _known(entry.structures, study.structures, label, "structure")
        _known(entry.potentials, study.potentials, label, "potential")
        _known(None if entry.after is None else [entry.after], study.protocols, label, "protocol")
        _check_chain(study, name)
        _check_replicas(study, name)
        for replica in range(replicas_of(study, name)):
            protocol_of(entry, replica, folder, label=label)
    for group in (study.analyses, study.mechanics):
        for name, one in group.items():
            _known(one.of, [START, *study.protocols], repr(name), "protocol")
    for name, analysis in study.analyses.items():
        if not (analysis.files or analysis.of or study.protocols):
            raise InputError(f"analysis {name!r} has nothing to analyse: give it of or files")
        stems = [Path(file).stem for file in analysis.files]
        if len(set(stems)) < len(stems):
            raise InputError(f"analysis {name!r}: two files have the same name; rename one")


def nearest(name: str, known: Sequence[str]) -> str:
    """ ": did you mean …?", or what there is."""
    near = get_close_matches(name, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f"; there are {', '.join(known) or 'none'}"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError("this is no text, so no study file", path) from error
    except OSError as error:
        raise InputError(
            f"cannot read this study: {error.strerror}; zifglass init writes one to begin with",
            path,
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"this is not YAML: {problem}", path, line=line) from None
    if not isinstance(values, dict):
        raise InputError("a study is 'key: value' lines; zifglass init writes one", path)
    for group in _groups:
        # A heading with everything below it commented out.
        if group in values and values[group] is None:
            values[group] = {}
        if isinstance(values.get(group), dict) and group not in ("potentials", "linkers"):
            values[group] = {str(k): {} if v is None else v for k, v in values[group].items()}
    return values


def _refuse_new_name(change: str, values: Mapping[str, Any], path: Path) -> None:
    """--set changes what is there: a slip in a name must not make a new entry."""
    keys = change.partition("=")[0].strip().split(".")
    if len(keys) > 2 and keys[0] in _groups and keys[0] != "resources":
        there = values.get(keys[0]) or {}
        if isinstance(there, Mapping) and keys[1] not in there:
            known = [str(name) for name in there]
            raise InputError(f"{keys[0]} has no {keys[1]!r}{nearest(keys[1], known)}", path)


def _protocol_file(entry: ProtocolEntry, folder: Path, label: str) -> Protocol:
    if entry.settings or entry.vary:
        raise InputError(
            f"{label}: settings and vary change a ready-made protocol; the numbers of a file are "
            "changed in the file"
        )
    return read_protocol(folder / entry.protocol)


def _check_names(study: Study) -> None:
    named = [(group, name) for group in _groups[:-1] for name in getattr(study, group)]
    for group, name in named:
        if not _name.fullmatch(name):
            raise InputError(
                f"{group}: a name is made of letters, digits and . _ + = -; got {name!r}"
            )
        if group in ("structures", "potentials", "protocols") and name in (START, "files"):
            raise InputError(f"{group}: {name!r} has a meaning of its own; choose another name")
    for name in study.analyses:
        if name in study.mechanics:
            raise InputError(f"{name!r} names an analysis and mechanics; rename one")


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
