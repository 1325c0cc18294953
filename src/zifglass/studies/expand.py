"""A study becomes its stages.

STRUCTURE/prepare                          (STRUCTURE/POTENTIAL/prepare where it is relaxed)
STRUCTURE/POTENTIAL/PROTOCOL/run-1 …       replicas
STRUCTURE/POTENTIAL/PROTOCOL/ANALYSIS      of all replicas together
STRUCTURE/POTENTIAL/PROTOCOL/MECHANICS-1 … of each replica's last structure; fluctuations have
                                           …-1/run and …-1/moduli
STRUCTURE/POTENTIAL/PROTOCOL/MECHANICS-all mean and spread over replicas
STRUCTURE/POTENTIAL/PROTOCOL/compare-1 …   where two methods give moduli of one structure
STRUCTURE/start/ANALYSIS                   of the prepared structure
STRUCTURE/POTENTIAL/start/MECHANICS-1      of the prepared structure
files/ANALYSIS                             of trajectories made elsewhere
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from zifglass.analysis import read_linker
from zifglass.analysis.survey import SurveySettings
from zifglass.core import InputError
from zifglass.dynamics import RunSettings, flexible_npt
from zifglass.io import structures as shipped
from zifglass.mechanics import StrainSweepSettings

from .stage import Resources, Stage
from .study_file import START, nearest, protocol_of, replicas_of
from .study_settings import AnalysisEntry, MechanicsEntry, ProtocolEntry, Study
from .work.dynamics import md_stage
from .work.mechanics import fluctuations_stage, static_stage, strain_sweep_stage
from .work.prepare import PrepareSettings, prepare_stage
from .work.structure import analyse_stage
from .work.verdicts import compare_stage, ensemble_stage

L = TypeVar("L", RunSettings, SurveySettings, StrainSweepSettings)


def stages_of(study: Study, folder: str | Path = ".") -> list[Stage]:
    """Every stage of a checked study. folder: that of its file, from where paths are seen.

    Raises InputError where a pattern of resources matches no stage, or nothing is to be done.
    """
    stages = list(_Expansion(study, Path(folder).resolve()).stages())
    if not stages:
        raise InputError("this study has nothing to do: give it structures, protocols or analyses")
    return _with_resources(stages, study.resources)


def seed_of(study: Study, name: str) -> int:
    """The seed of a stage: of the study's and the stage's name, so that no stage's depends on
    which others there are."""
    digest = hashlib.sha256(f"{study.seed} {name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class _Expansion:
    def __init__(self, study: Study, folder: Path) -> None:
        self._study, self._folder = study, folder
        self._potentials = {n: self._potential(text) for n, text in study.potentials.items()}
        self._linkers = [
            read_linker(self._path(file), name=name) for name, file in study.linkers.items()
        ]

    def stages(self) -> Iterator[Stage]:
        yield from self._prepared()
        for name, entry in self._study.protocols.items():
            yield from self._dynamics(name, entry)
        for name, analysis in self._study.analyses.items():
            yield from self._analysis(name, analysis)
        yield from self._mechanics()

    def _prepared(self) -> Iterator[Stage]:
        for name, entry in self._study.structures.items():
            chosen = PrepareSettings(**{k: getattr(entry, k) for k in PrepareSettings.model_fields})
            source = entry.source
            path = source if source in shipped.NAMES else self._path(source)
            if isinstance(path, Path):
                _require_structure(path, name, source)
            if entry.relax == "no":
                yield prepare_stage(f"{name}/prepare", path, settings=chosen)
                continue
            if not self._potentials:
                raise InputError(f"structure {name!r} is relaxed, and there are no potentials")
            for label, potential in self._potentials.items():
                yield prepare_stage(
                    f"{name}/{label}/prepare", path, settings=chosen,
                    relaxation=entry.relaxation, potential=potential,
                )  # fmt: skip

    def _dynamics(self, name: str, entry: ProtocolEntry) -> Iterator[Stage]:
        count = replicas_of(self._study, name)
        for structure, potential in self._pairs(name):
            group = f"{structure}/{potential}/{name}"
            before = self._ends(structure, potential, entry.after or START)
            for i in range(count):
                protocol = protocol_of(entry, i, self._folder, label=f"protocol {name!r}")
                segments = {segment.name for segment in protocol.segments}
                stage = f"{group}/run-{i + 1}"
                yield md_stage(
                    stage,
                    protocol,
                    potential=self._potentials[potential],
                    structure=before[i % len(before)],
                    seed=seed_of(self._study, stage),
                    run=self._with_linkers(entry.run),
                    kind="melt-quench" if {"quench", "glass"} <= segments else "md",
                    array=group if count > 1 else None,
                )

    def _analysis(self, name: str, entry: AnalysisEntry) -> Iterator[Stage]:
        measured = [self._path(file) for file in entry.measured]
        settings = self._with_linkers(entry.settings)
        for group, stages in self._analysed(entry):
            of_runs = not group.endswith(f"/{START}")
            yield analyse_stage(
                f"{group}/{name}",
                stages=stages,
                measured=measured,
                segment=entry.segment if of_runs else None,
                first=entry.first if of_runs else None,
                last=entry.last if of_runs else None,
                every=entry.every if of_runs else 1,
                settings=settings,
            )
        if entry.files:
            yield analyse_stage(
                f"files/{name}",
                files={Path(file).stem: self._path(file) for file in entry.files},
                measured=measured,
                first=entry.first,
                last=entry.last,
                every=entry.every,
                settings=settings,
            )

    def _analysed(self, entry: AnalysisEntry) -> Iterator[tuple[str, dict[str, str]]]:
        """(where, name → stage) of the trajectories that are analysed together."""
        targets = entry.of
        if targets is None:
            targets = () if entry.files else tuple(self._study.protocols)
        for target in targets:
            if target == START:
                for structure, one in self._study.structures.items():
                    labels = [None] if one.relax == "no" else list(self._potentials)
                    for label in labels:
                        above = structure if label is None else f"{structure}/{label}"
                        yield f"{above}/{START}", {structure: f"{above}/prepare"}
                continue
            for structure, potential in self._pairs(target):
                ends = self._ends(structure, potential, target)
                runs = {stage.rsplit("/", 1)[1]: stage for stage in ends}
                yield f"{structure}/{potential}/{target}", runs

    def _mechanics(self) -> Iterator[Stage]:
        moduli: dict[tuple[str, int], dict[str, str]] = {}
        for name, entry in self._study.mechanics.items():
            for group, potential, starts in self._strained(entry):
                results = []
                for i, start in enumerate(starts, start=1):
                    stages = self._moduli(f"{group}/{name}-{i}", entry, potential, start)
                    yield from stages
                    results.append(stages[-1].name)
                    if entry.method != "static":
                        moduli.setdefault((group, i), {})[name] = stages[-1].name
                if len(results) > 1:
                    glasses = {f"glass-{i}": stage for i, stage in enumerate(results, start=1)}
                    yield ensemble_stage(f"{group}/{name}-all", glasses)
        for (group, i), found in moduli.items():
            if len(found) > 1:
                yield compare_stage(f"{group}/compare-{i}", found)

    def _moduli(self, name: str, entry: MechanicsEntry, potential: str, start: str) -> list[Stage]:
        seed = seed_of(self._study, name)
        if entry.method == "strain-sweep":
            return [
                strain_sweep_stage(
                    name,
                    potential=potential,
                    structure=start,
                    settings=self._with_linkers(entry.sweep),
                    seed=seed,
                )
            ]
        if entry.method == "static":
            return [static_stage(name, potential=potential, structure=start, settings=entry.static)]
        run = md_stage(
            f"{name}/run",
            flexible_npt(entry.dynamics),
            potential=potential,
            structure=start,
            seed=seed,
            run=self._with_linkers(entry.run),
            array=name.rsplit("-", 1)[0],
        )
        temperature = entry.dynamics.temperature
        return [
            run,
            fluctuations_stage(
                f"{name}/moduli", run.name, temperature=temperature, segment="keep",
                settings=entry.fluctuations, seed=seed,
            ),
        ]  # fmt: skip

    def _strained(self, entry: MechanicsEntry) -> Iterator[tuple[str, str, list[str]]]:
        """(where, potential, the stages whose structures are strained)."""
        for target in (START, *self._study.protocols) if entry.of is None else entry.of:
            for structure, potential in self._pairs(target):
                starts = self._ends(structure, potential, target)
                yield f"{structure}/{potential}/{target}", self._potentials[potential], starts

    def _pairs(self, target: str) -> list[tuple[str, str]]:
        """Structures and potentials with which a protocol, and all before it, is run."""
        structures, potentials = list(self._study.structures), list(self._potentials)
        here: str | None = None if target == START else target
        while here is not None:
            entry = self._study.protocols[here]
            if entry.structures is not None:
                structures = [name for name in structures if name in entry.structures]
            if entry.potentials is not None:
                potentials = [name for name in potentials if name in entry.potentials]
            here = entry.after
        return [(s, p) for s in structures for p in potentials]

    def _ends(self, structure: str, potential: str, target: str) -> list[str]:
        """The stages that a target of this structure and potential ends in."""
        if target == START:
            relaxed = self._study.structures[structure].relax != "no"
            return [f"{structure}/{potential}/prepare" if relaxed else f"{structure}/prepare"]
        count = replicas_of(self._study, target)
        return [f"{structure}/{potential}/{target}/run-{i + 1}" for i in range(count)]

    def _with_linkers(self, settings: L) -> L:
        """Settings that look for the study's linkers too: the graphs, so that a stage depends on
        the molecule and not on its file."""
        linkers = settings.linkers.with_own(self._linkers)
        return settings.model_copy(update={"linkers": linkers})

    def _path(self, text: str) -> Path:
        return self._folder / Path(text).expanduser()

    def _potential(self, text: str) -> str:
        """A name as it is, a file seen from the study's folder."""
        prefix = "nequip:" if text.startswith("nequip:") else ""
        bare = text.removeprefix(prefix)
        if bare.startswith("python:"):
            where, _, function = bare.removeprefix("python:").rpartition(":")
            return f"python:{self._path(where)}:{function}" if where.endswith(".py") else text
        is_file = os.sep in bare or Path(bare).suffix in (".safetensors", ".pth", ".ckpt", ".pt2")
        return f"{prefix}{self._path(bare)}" if prefix or is_file else text


def _require_structure(path: Path, name: str, source: str) -> None:
    if path.is_dir():
        raise InputError(f"structure {name!r}: this is a folder; a structure file is needed", path)
    if not path.is_file():
        hint = nearest(source, shipped.NAMES)
        raise InputError(
            f"structure {name!r}: no such file, and none of that name ships{hint}", path
        )


def _with_resources(stages: list[Stage], given: Mapping[str, Resources]) -> list[Stage]:
    from dataclasses import replace

    for pattern, wanted in given.items():
        hits = [fnmatchcase(s.name, pattern) or s.kind == pattern for s in stages]
        if not any(hits):
            known = sorted({stage.kind for stage in stages})
            raise InputError(
                f"resources: stage names have the form {stages[-1].name}; none is called or of "
                f"kind {pattern!r}{nearest(pattern, known)}"
            )
        stages = [
            replace(stage, resources=wanted) if hit else stage
            for stage, hit in zip(stages, hits, strict=True)
        ]
    return stages
