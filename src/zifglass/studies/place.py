"""The folder of a study.

plan.json          the stages as last planned, with their fingerprints, and where the folder was
study.lock         held by the one runner that works here
stages/NAME/       a stage's results, and stage.json: its record
locks/NAME.lock    held by the process that works on the stage
logs/NAME.log      what its processes said
old/NAME-1         results that a change has made out of date
slurm/             jobs and their logs
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError
from zifglass.core.files import plain, write_json

from .fingerprint import Identity, identities
from .kinds import kind_of
from .stage import Resources, Stage, in_order

_CUT = "this plan was cut or edited; run the study again, what has finished is not repeated"


@dataclass(frozen=True)
class Place:
    """Paths in a study folder."""

    root: Path

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def lock(self) -> Path:
        return self.root / "study.lock"

    def stage(self, name: str) -> Path:
        return self.root / "stages" / name

    def record(self, name: str) -> Path:
        return self.stage(name) / "stage.json"

    def stage_lock(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def put_aside(self, name: str) -> Path:
        """Move a stage's folder to old/; where it went."""
        number = 1
        while (target := self.root / "old" / f"{name}-{number}").exists():
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        self.stage(name).rename(target)
        return target


@dataclass(frozen=True)
class Plan:
    """study: an identifier kept for the life of the folder. root: where it was when planned."""

    study: str
    root: str
    stages: tuple[Stage, ...]
    identities: Mapping[str, Identity]


def make_plan(place: Place, stages: Sequence[Stage]) -> Plan:
    """Check and fingerprint `stages`; the identifier of a study planned here before is kept."""
    try:
        study = str(_read(place.plan)["study"])
    except (InputError, KeyError):  # none yet, or one that was cut: this makes it anew
        study = uuid.uuid4().hex[:12]
    ordered = tuple(in_order(stages))
    return Plan(study, str(place.root.resolve()), ordered, identities(ordered))


def write_plan(place: Place, plan: Plan) -> None:
    """Write plan.json, from which every job knows its stage."""
    stages = [
        _as_dict(stage)
        | {"identity": plan.identities[stage.name].parts}
        | {"fingerprint": plan.identities[stage.name].fingerprint}
        for stage in plan.stages
    ]
    write_json(place.plan, {"study": plan.study, "root": plan.root, "stages": stages})


def read_plan(place: Place) -> Plan:
    """The plan of a study folder. Raises InputError where there is none."""
    value = _read(place.plan)
    stages, found = [], {}
    try:
        for item in value["stages"]:
            parts, fingerprint = item.pop("identity"), item.pop("fingerprint")
            stage = _stage_from(item)
            stages.append(stage)
            found[stage.name] = Identity(fingerprint, parts)
        return Plan(value["study"], value["root"], tuple(stages), found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(_CUT, place.plan) from error
    except ImportError as error:
        raise InputError(
            f"this study has a kind of stage that is not installed here: {error}", place.plan
        ) from error


def _as_dict(stage: Stage) -> dict[str, Any]:
    """Plain data, with the module of the kind, which a job imports first."""
    own = {"module": kind_of(stage.kind).module, "resources": stage.resources.model_dump()}
    return plain(asdict(stage) | own)


def _stage_from(value: Mapping[str, Any]) -> Stage:
    """The stage that `_as_dict` wrote; its kind is made known."""
    importlib.import_module(value["module"])
    given = {key: item for key, item in value.items() if key != "module"}
    return Stage(**given | {"resources": Resources(**value["resources"])})


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            "this is no study folder: it has no plan.json; zifglass run STUDY.yaml makes one",
            path.parent,
        ) from error
    except NotADirectoryError as error:
        raise InputError("this is a file; the folder of a study is needed", path.parent) from error
    except OSError as error:
        raise InputError(f"cannot read this plan: {error.strerror}", path) from error
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InputError(_CUT, path)
    return value
