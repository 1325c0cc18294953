"""A study on Slurm: its stages become jobs and job arrays, linked by Slurm's own dependencies.

Nothing has to stay alive once they are submitted. Before its wall time ends a job saves its work
and is queued again (`slurm_job.py`).
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zifglass.core import InputError
from zifglass.core.locks import locked

from .perform import is_current
from .place import Place, Plan, make_plan, write_plan
from .runner import StudyReport, Tell, selection
from .slurm_arrays import Batch, Task, batches, dependency
from .slurm_files import Submitted, all_submitted, signature, submission_file, write_submitted
from .slurm_queue import Look, SlurmError, ask, look, require_answer
from .slurm_script import executor_for, sbatch
from .slurm_settings import SlurmSettings
from .stage import Stage
from .states import Queued, states

if TYPE_CHECKING:
    from submitit import SlurmExecutor


def submit_stages(
    stages: Sequence[Stage],
    folder: str | Path,
    settings: SlurmSettings | None = None,
    *,
    only: Sequence[str] = (),
    tell: Tell = lambda sentence: None,
) -> StudyReport:
    """Hand what is left of `stages` to Slurm, and return at once.

    Stages that have finished, and those that Slurm has already, are not submitted. only, tell: as
    in `run_stages`. Raises InputError on an impossible graph, missing input, a wall time shorter
    than the margin, where a runner works in `folder`, and where a stage that is queued has been
    changed since; SlurmError where Slurm does not answer or refuses a job. What was submitted
    before a refusal stays submitted, and the same command goes on from there.
    """
    settings = settings or SlurmSettings()
    place = Place(Path(folder).resolve())
    plan = make_plan(place, stages)
    wanted = selection(plan, only)
    for stage in plan.stages:
        _check_wall(stage, settings)
    with locked(place.lock, what="this study"):
        seen = _settled(place)
        _refuse_changed(plan, seen.queue)
        executor = executor_for(place)
        write_plan(place, plan)
        left = _left(place, plan, wanted, seen.queue, tell)
        _submit(place, plan, left, settings, executor, tell)
    return report(place, plan, wanted)


def report(place: Place, plan: Plan, wanted: set[str] | None = None) -> StudyReport:
    """How the stages (of `wanted`) stand, Slurm's queue included."""
    seen = look(place)
    if seen.trouble:
        raise SlurmError(seen.trouble)
    found = states(place, plan, queue=seen.queue, ended=seen.ended)
    return StudyReport(
        place.root,
        {name: state for name, state in found.items() if wanted is None or name in wanted},
    )


@dataclass(frozen=True)
class _Left:
    """What to submit, and what Slurm has of what that needs."""

    stages: tuple[Stage, ...]
    queued: Mapping[str, Task]


def _check_wall(stage: Stage, settings: SlurmSettings) -> None:
    minutes = _minutes(stage, settings)
    if 60 * minutes <= settings.margin:
        raise InputError(
            f"the wall time of stage {stage.name!r}, {minutes} min, is no longer than the margin "
            f"of {settings.margin} s in which it saves its work; raise hours or lower margin"
        )


def _minutes(stage: Stage, settings: SlurmSettings) -> int:
    """Slurm counts wall time in minutes."""
    return math.ceil(60 * (stage.resources.hours or settings.hours) - 1e-9)


def _settled(place: Place, patience: float = 90.0) -> Look:
    """What Slurm says once no job of this study is just ending: such a one may still be queued
    again, or be gone in a second."""
    until = time.monotonic() + patience
    while True:
        seen = look(place)
        if seen.trouble:
            raise SlurmError(seen.trouble)
        if not seen.ending or time.monotonic() > until:
            return seen
        time.sleep(0.5)


def _refuse_changed(plan: Plan, queued: Mapping[str, Queued]) -> None:
    for name, job in queued.items():
        identity = plan.identities.get(name)
        if identity is None or identity.fingerprint != job.fingerprint:
            what = "is no longer part of the study" if identity is None else "has changed since"
            raise InputError(
                f"Slurm has stage {name!r} in its queue (job {job.job}), and it {what}; wait for "
                f"that job or take it back (scancel {job.job}), then run the study again"
            )


def _left(
    place: Place, plan: Plan, wanted: set[str], queued: Mapping[str, Queued], tell: Tell
) -> _Left:
    """The stages to submit. A queued stage whose need is neither finished nor queued waits for a
    job that is gone: it is taken back and submitted again."""
    left: dict[str, Stage] = {}
    kept: dict[str, Task] = {}
    finished = 0
    for stage in plan.stages:
        if stage.name not in wanted:
            continue
        if is_current(place, plan, stage.name):
            finished += 1
            continue
        job = queued.get(stage.name)
        if job is not None and (job.running or left.keys().isdisjoint(stage.needs.values())):
            kept[stage.name] = _task(job.job)
            continue
        if job is not None:
            ask(["scancel", job.job])
        left[stage.name] = stage
    if finished:
        tell(f"{finished} stages have finished before")
    if kept:
        tell(f"{len(kept)} stages are in Slurm's queue already")
    return _Left(tuple(left.values()), kept)


def _task(job: str) -> Task:
    number, _, index = job.partition("_")
    return Task(number, int(index) if index else None)


def _submit(
    place: Place,
    plan: Plan,
    left: _Left,
    settings: SlurmSettings,
    executor: SlurmExecutor,
    tell: Tell,
) -> None:
    if left.stages:
        require_answer()
    made = batches(left.stages, left.queued, largest=settings.largest_array)
    ids: dict[int, str] = {}
    number = max((each.number for each in all_submitted(place)), default=0)
    done = 0
    for batch in made:
        number += 1
        submitted = _written(place, plan, batch, settings, number)
        after = dependency(batch, made, ids)
        try:
            job = sbatch(place, batch, submitted, after, settings, executor)
        except SlurmError as error:
            submission_file(place, number).unlink()
            raise SlurmError(
                f"{error} (stage {batch.stages[0].name}; {done} of {len(left.stages)} stages were "
                "submitted before it; mend this and run the same command again)"
            ) from error
        ids[batch.number] = job
        write_submitted(place, replace(submitted, job=job))
        done += len(batch.stages)
        many = f", {len(batch.stages)} tasks" if batch.indices else ""
        tell(f"{batch.label}: job {job}{many}{f' after {after}' if after else ''}")


def _written(
    place: Place, plan: Plan, batch: Batch, settings: SlurmSettings, number: int
) -> Submitted:
    """What is submitted, on disk before Slurm hears of it."""
    label = re.sub(r"[^\w.+=-]", "-", batch.label)
    submitted = Submitted(
        number=number,
        name=f"{label}.{signature(place)}.{number}",
        job=None,
        user=os.getuid(),
        threads=batch.resources.threads or settings.cores,
        minutes=_minutes(batch.stages[0], settings),
        margin=settings.margin,
        requeues=settings.requeues,
        stages={"" if i is None else str(i): stage.name for i, stage in batch.tasks()},
        fingerprints={s.name: plan.identities[s.name].fingerprint for s in batch.stages},
    )
    write_submitted(place, submitted)
    return submitted
