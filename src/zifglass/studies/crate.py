"""A finished study as an RO-Crate: what is in its folder, what made it, from what, and by whom.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the Process Run Crate profile 0.5: every stage
is a CreateAction with its software, settings, input, result files and times; every file has its
SHA-256 as recorded when it was made. The crate is the study folder itself.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zifglass.core import InputError
from zifglass.core.files import write_json

from .citation import keys_of, references
from .place import Place, Plan
from .record import Record, now, read_record
from .stage import Stage
from .states import StageState, count

METADATA = "ro-crate-metadata.json"
_specification = "https://w3id.org/ro/crate/1.1"
_profile = "https://w3id.org/ro/wfrun/process/0.5"
_formats = {
    ".h5": "application/x-hdf5", ".extxyz": "chemical/x-xyz", ".yaml": "application/yaml",
    ".ckpt": "application/octet-stream",
}  # fmt: skip
Entity = dict[str, Any]


def write_crate(
    place: Place,
    plan: Plan,
    found: Mapping[str, StageState],
    *,
    name: str,
    authors: Sequence[str] = (),
    licence: str | None = None,
    unfinished: bool = False,
) -> Path:
    """Write ro-crate-metadata.json into the study folder; where it is.

    licence: URL of that of the results. unfinished: describe what has finished though the rest
    has not. Raises InputError where stages have not finished, or were edited since.
    """
    edited = [state.name for state in found.values() if state.word == "edited"]
    if edited:
        raise InputError(
            f"results of stage {edited[0]} were changed by hand since they were made; run the "
            "study again before it is exported",
            found[edited[0]].folder,
        )
    if not unfinished and not all(state.is_finished for state in found.values()):
        raise InputError(
            f"this study has not finished ({count(found)}): finish it, or export what there is "
            "with --unfinished",
            place.root,
        )
    crate = _Crate(place)
    for stage in plan.stages:
        record = read_record(place.record(stage.name))
        if record is not None and found[stage.name].is_finished:
            crate.add_stage(record, stage)
    crate.add_files_beside()
    path = place.root / METADATA
    cited = keys_of(place, plan)
    write_json(path, crate.document(name, authors, licence, cited))
    return path


class _Crate:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._files: list[Entity] = []
        self._actions: list[Entity] = []
        self._others: dict[str, Entity] = {}

    def add_stage(self, record: Record, stage: Stage) -> None:
        """A CreateAction with its files, inputs and settings."""
        folder = f"stages/{record.name}"
        results = []
        for name, facts in record.results.items():
            entity = _file(f"{folder}/{name}", facts["bytes"], facts["sha256"])
            self._files.append(entity)
            results.append({"@id": entity["@id"]})
        self._actions.append(
            {
                "@id": f"#{quote(record.name)}",
                "@type": "CreateAction",
                "name": f"{record.name} ({record.kind})",
                "startTime": record.began,
                "endTime": record.ended,
                "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
                "instrument": {"@id": self._software(record)},
                "object": [
                    *({"@id": self._input(role, path, record)}
                      for role, path in stage.inputs.items()),
                    *({"@id": f"stages/{quote(need)}/results.json"}
                      for need in stage.needs.values() if self._has(need)),
                    *self._settings(record, stage.potential),
                ],
                "result": results,
                "description": f"method {record.identity['method']} on {record.host}, "
                f"{record.threads} threads, {record.seconds:.1f} s; fingerprint "
                f"{record.fingerprint}",
            }
        )  # fmt: skip

    def add_files_beside(self) -> None:
        """The study file, the plan, the records and the logs."""
        root = self._place.root
        names = ["study.yaml", "plan.json", "page.html"]
        found = [root / name for name in names]
        found += sorted((root / "stages").rglob("stage.json"))
        found += sorted((root / "logs").rglob("*.log"))
        for path in found:
            if path.is_file():
                name = path.relative_to(root).as_posix()
                self._files.append(_file(name, path.stat().st_size, None))

    def document(
        self,
        name: str,
        authors: Sequence[str],
        licence: str | None,
        cited: Mapping[str, Sequence[str]],
    ) -> Entity:
        """The whole JSON-LD."""
        people = [{"@id": f"#author-{i}", "@type": "Person", "name": author}
                  for i, author in enumerate(authors, start=1)]  # fmt: skip
        works = [_work(key) for key in cited]
        terms = {"@id": licence or "#licence", "@type": "CreativeWork",
                 "name": licence or "not stated"}  # fmt: skip
        if licence is None:
            terms["description"] = "No licence was stated at export: ask the authors."
        root: Entity = {
            "@id": "./",
            "@type": "Dataset",
            "conformsTo": {"@id": _profile},
            "name": name,
            "description": f"The study {name!r}: molecular dynamics and analysis of zeolitic "
            "imidazolate frameworks with zifglass. Numbers are in the results.json of each stage, "
            "with standard error and unit.",
            "datePublished": now(),
            "license": {"@id": terms["@id"]},
            "hasPart": [{"@id": file["@id"]} for file in self._files],
            "mentions": [{"@id": action["@id"]} for action in self._actions],
            "citation": [{"@id": work["@id"]} for work in works],
        }
        if people:
            root["author"] = [{"@id": person["@id"]} for person in people]
        descriptor = {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _specification},
            "about": {"@id": "./"},
        }
        profile = {"@id": _profile, "@type": "CreativeWork", "name": "Process Run Crate",
                   "version": "0.5"}  # fmt: skip
        graph = [descriptor, root, profile, terms, *people, *self._others.values(), *works,
                 *self._actions, *self._files]  # fmt: skip
        context = [f"{_specification}/context", {"sha256": "https://schema.org/sha256"}]
        return {"@context": context, "@graph": graph}

    def _software(self, record: Record) -> str:
        version = record.versions.get("zifglass", "unknown")
        key = f"#zifglass-{version}-{record.commit or 'release'}"
        others = ", ".join(f"{k} {v}" for k, v in record.versions.items() if k != "zifglass")
        self._others[key] = {
            "@id": key, "@type": "SoftwareApplication", "name": "zifglass",
            "softwareVersion": f"{version} (commit {record.commit})" if record.commit else version,
            "softwareRequirements": others,
        }  # fmt: skip
        return key

    def _input(self, role: str, path: Path, record: Record) -> str:
        digest = record.identity["inputs"][role]
        key = f"#input-{digest[:16]}"
        self._others[key] = {
            "@id": key, "@type": "CreativeWork", "name": path.name,
            "description": f"input file of role {role}, not part of this crate",
            "sha256": digest,
        }  # fmt: skip
        return key

    def _settings(self, record: Record, potential: str | None) -> list[Entity]:
        """Settings and potential, as PropertyValues."""
        import json

        rows = {"settings": json.dumps(record.identity["settings"], ensure_ascii=False)}
        if potential is not None:
            label = potential if ":" in potential else Path(potential).name
            rows["potential"] = f"{label}, SHA-256 {record.identity['potential']}"
        found = []
        for name, value in rows.items():
            key = f"#{quote(record.name)}-{name}"
            self._others[key] = {
                "@id": key, "@type": "PropertyValue", "name": name, "value": value,
            }  # fmt: skip
            found.append({"@id": key})
        return found

    def _has(self, stage: str) -> bool:
        return (self._place.stage(stage) / "results.json").is_file()


def _file(name: str, size: int, sha256: str | None) -> Entity:
    suffix = Path(name).suffix
    kind = _formats.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    entity = {
        "@id": quote(name), "@type": "File", "name": name, "contentSize": str(size),
        "encodingFormat": kind,
    }  # fmt: skip
    return entity | ({} if sha256 is None else {"sha256": sha256})


def _work(key: str) -> Entity:
    reference = references()[key]
    if reference.doi is None:
        return {"@id": f"#{key}", "@type": "SoftwareSourceCode", "name": reference.title}
    link = f"https://doi.org/{reference.doi}"
    return {"@id": link, "@type": "ScholarlyArticle", "name": reference.title}
