"""A stage: one piece of work of a study, as data, and the kinds of work there are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from zifglass.core import InputError, Potential, Quantity
from zifglass.core.files import plain, write_json
from zifglass.core.settings import Settings

if TYPE_CHECKING:
    from zifglass.core import Structure

_name = re.compile(r"[A-Za-z0-9][\w.+=-]*(/[A-Za-z0-9][\w.+=-]*)*")


class Resources(Settings):
    """What a stage is given; none of it changes its result."""

    threads: int | None = Field(
        default=None, gt=0, description="Cores; a fair share of this machine's if unset."
    )
    hours: float | None = Field(default=None, gt=0, description="Wall time asked of Slurm, h.")
    gpus: int = Field(default=0, ge=0, description="GPUs asked of Slurm.")
    memory: float | None = Field(default=None, gt=0, description="Memory asked of Slurm, GB.")
    partition: str | None = Field(
        default=None, description="Partition of Slurm; that of the study if unset."
    )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One piece of work.

    name: unique in its study and the place of its folder, such as ``zif4/fast/glass-1``.
    kind: a registered kind of work (`stage_kind`). settings: all that its result depends on,
    plain data. inputs: role → file outside the study; its content counts, not its place.
    potential: name or file (`studies.potential.load`); its SHA-256 counts. needs: role → name of
    a stage that must have finished. array: stages of equal `array` are submitted to Slurm as one
    job array. aside: settings that change no result (how often to save).
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Path] = field(default_factory=dict)
    potential: str | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    array: str | None = None
    aside: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _name.fullmatch(self.name):
            raise InputError(
                f"a stage is named by letters, digits and . _ + = - (a slash makes a folder); got "
                f"{self.name!r}"
            )
        object.__setattr__(self, "settings", plain(dict(self.settings)))
        inputs = {role: Path(path) for role, path in self.inputs.items()}
        object.__setattr__(self, "inputs", inputs)


@dataclass(frozen=True)
class StageContext:
    """What the function of a kind is handed.

    folder: its own; whatever it leaves there are its results. A stage that was stopped or killed
    is called again in the same folder. max_wall: seconds it may take from now on, or None.
    """

    stage: Stage
    folder: Path
    threads: int
    results: Mapping[str, Path]
    deadline: float | None = None
    cited: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.stage.settings

    @property
    def max_wall(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def input(self, role: str) -> Path:
        """The input file of that role."""
        return self.stage.inputs[role]

    def result(self, role: str) -> Path:
        """The folder of the finished stage that is needed in that role."""
        return self.results[role]

    def potential(self) -> Potential:
        """The stage's potential, with its threads."""
        from .potential import load

        assert self.stage.potential is not None, f"stage kind {self.stage.kind} has no potential"
        return load(self.stage.potential, threads=self.threads)

    def note(self, sentence: str) -> None:
        """Say `sentence` in the stage's log."""
        print(sentence, flush=True)

    def cite(self, *keys: str) -> None:
        """Record that the result rests on these references (`studies/references.bib`)."""
        self.cited.extend(key for key in keys if key not in self.cited)

    def write_results(self, quantities: Mapping[str, Quantity], **about: Any) -> None:
        """results.json: every quantity with its value, std and unit, and `about` beside them."""
        named: dict[str, Any] = {name: q.as_dict() for name, q in quantities.items()}
        write_json(self.folder / "results.json", named | ({"about": about} if about else {}))


Work = Callable[[StageContext], None]
Estimator = Callable[["Stage", "Structure", float], tuple[float, float]]
"""(stage, its starting structure, measured seconds per evaluation) → (seconds, bytes)."""


@dataclass(frozen=True)
class StageKind:
    """method: raised by hand when the results of the kind change. references: keys of
    `references.bib` that every result of the kind rests on."""

    name: str
    method: int
    work: Work
    module: str
    references: tuple[str, ...]
    estimate: Estimator | None


KINDS: Final[dict[str, StageKind]] = {}
"""Those whose modules have been imported."""


def stage_kind(
    name: str,
    *,
    method: int,
    references: Sequence[str] = (),
    estimate: Estimator | None = None,
) -> Callable[[Work], Work]:
    """Register the decorated function as the work of stages of kind `name`.

    Its module must be importable by a process of its own. The function raises `core.Stopped`
    when it was told to stop with everything saved, and any `ZifglassError` to fail with one
    sentence.
    """

    def register(work: Work) -> Work:
        known = KINDS.get(name)
        if known is not None and known.module != work.__module__:
            raise InputError(f"two modules define stages of kind {name!r}: {known.module}, {work}")
        KINDS[name] = StageKind(name, method, work, work.__module__, tuple(references), estimate)
        return work

    return register


def in_order(stages: Sequence[Stage]) -> list[Stage]:
    """`stages`, each after those it needs. Raises InputError on equal names, a name inside the
    folder of another, needs that do not exist, and cycles."""
    by_name = _checked(stages)
    order: dict[str, Stage] = {}
    waiting: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in waiting:
            circle = [*waiting[waiting.index(name) :], name]
            raise InputError(f"stages that need each other in a circle: {' → '.join(circle)}")
        waiting.append(name)
        for need in by_name[name].needs.values():
            visit(need)
        waiting.pop()
        order[name] = by_name[name]

    for stage in stages:
        visit(stage.name)
    return list(order.values())


def _checked(stages: Sequence[Stage]) -> dict[str, Stage]:
    by_name: dict[str, Stage] = {}
    for stage in stages:
        if stage.name in by_name:
            raise InputError(f"two stages are called {stage.name!r}")
        by_name[stage.name] = stage
    for stage in stages:
        for parent in map(str, PurePosixPath(stage.name).parents):
            if parent in by_name:
                raise InputError(
                    f"stage {stage.name!r} would lie in the folder of stage {parent!r}; rename one"
                )
        for need in stage.needs.values():
            if need not in by_name:
                raise InputError(f"stage {stage.name!r} needs {need!r}, which does not exist")
    return by_name
