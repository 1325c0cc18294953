"""Where every stage stands, read off the study folder (and Slurm's queue where there is one)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zifglass.core.locks import is_locked

from .place import Place, Plan
from .record import Record, differences, read_record
from .stage import Stage

StateWord = Literal[
    "finished",
    "running",
    "queued",
    "stopped",
    "interrupted",
    "failed",
    "blocked",
    "waiting",
    "outdated",
    "edited",
]


@dataclass(frozen=True)
class StageState:
    """finished: as planned, its results untouched. running: a process works on it. queued: a
    scheduler has it. stopped: ended early with everything saved. interrupted: its process was
    killed. failed: see `sentence`. blocked: a stage it needs failed. waiting: for its turn.
    outdated: finished or begun with other input; it will be done again. edited: finished, and
    its files were changed or lost since. seconds: of work so far."""

    name: str
    kind: str
    word: StateWord
    sentence: str
    folder: Path
    log: Path
    seconds: float
    fingerprint: str

    @property
    def is_finished(self) -> bool:
        return self.word == "finished"


@dataclass(frozen=True)
class Queued:
    """What a scheduler says of a stage. running: it has started it. fingerprint: as submitted."""

    job: str
    running: bool
    sentence: str
    fingerprint: str


@dataclass(frozen=True)
class Ended:
    """The last job of a stage, once it has left the scheduler's queue. how: in words. cancelled:
    the scheduler says that it was. log: what it said before the stage began."""

    job: str
    how: str
    cancelled: bool
    log: Path
    fingerprint: str

    def state(self, record: Record | None, log: Path) -> tuple[StateWord, str]:
        """Of a stage that this job has left unfinished. log: the stage's own."""
        said = self.log if self.log.exists() and self.log.stat().st_size else log
        words = f"{last_line(said)} (log: {said})" if said.exists() else "it never began"
        if record is None and self.log.exists() and not self.cancelled:
            return "failed", f"its job {self.job} {self.how} before the work began; {words}"
        return "interrupted", f"its job {self.job} {self.how}; {words}; run the study again"


def states(
    place: Place,
    plan: Plan,
    *,
    queue: Mapping[str, Queued] | None = None,
    ended: Mapping[str, Ended] | None = None,
    failures: Mapping[str, str] | None = None,
) -> dict[str, StageState]:
    """Name → state, in the order of the plan. queue: what a scheduler says, by stage, and ended: of
    jobs that it has no longer. failures: why, by stage, for processes that ended without saying
    so themselves."""
    found: dict[str, StageState] = {}
    for stage in plan.stages:
        record = read_record(place.record(stage.name))
        word, sentence = _state(place, plan, stage, record, (queue or {}).get(stage.name))
        if word != "finished" and failures and stage.name in failures:
            word, sentence = "failed", failures[stage.name]
        job = (ended or {}).get(stage.name)
        if job is not None and _left(plan, stage, found, word, record, job):
            word, sentence = job.state(record, place.log(stage.name))
        if word in ("waiting", "queued"):
            word, sentence = _unless_blocked(stage, found, word, sentence)
        found[stage.name] = StageState(
            stage.name,
            stage.kind,
            word,
            sentence,
            place.stage(stage.name),
            place.log(stage.name),
            0.0 if record is None else record.seconds,
            plan.identities[stage.name].fingerprint,
        )
    return found


def _left(
    plan: Plan,
    stage: Stage,
    found: Mapping[str, StageState],
    word: StateWord,
    record: Record | None,
    job: Ended,
) -> bool:
    """Whether `job` was the last to work on the stage, could have begun it, and is gone."""
    if job.fingerprint != plan.identities[stage.name].fingerprint:
        return False
    if any(not found[need].is_finished for need in stage.needs.values()):
        return False
    return word == "waiting" or (word == "interrupted" and _job(record) == job.job)


def _job(record: Record | None) -> str | None:
    return None if record is None else record.job


def last_line(log: Path) -> str:
    """The last words of a process, as a phrase."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f"its last words: {lines[-1]}" if lines else "it said nothing"


def _state(
    place: Place, plan: Plan, stage: Stage, record: Record | None, queued: Queued | None
) -> tuple[StateWord, str]:
    planned = plan.identities[stage.name]
    current = record is not None and record.fingerprint == planned.fingerprint
    if record is not None and current and record.status == "finished":
        wrong = differences(place.stage(stage.name), record)
        return ("edited", "; ".join(wrong)) if wrong else ("finished", "")
    if queued is not None:
        gone = (
            queued.running
            and _job(record) == queued.job
            and not is_locked(place.stage_lock(stage.name))
        )
        said = "; its process is gone, which Slurm has not noticed yet" if gone else ""
        return ("running" if queued.running else "queued"), queued.sentence + said
    if record is None:
        left = place.stage(stage.name).is_dir() and any(place.stage(stage.name).iterdir())
        return "waiting", _no_record if left else ""
    if not current:
        return "outdated", change(record.identity, planned.parts)
    if record.status == "running":
        if is_locked(place.stage_lock(stage.name)):
            return "running", f"since {record.began} on {record.host}"
        return "interrupted", "its process was killed; run the study again to go on"
    return ("failed" if record.status == "failed" else "stopped"), record.sentence


def _unless_blocked(
    stage: Stage, found: Mapping[str, StageState], word: StateWord, sentence: str
) -> tuple[StateWord, str]:
    for need in stage.needs.values():
        if found[need].word in ("failed", "blocked"):
            return "blocked", f"needs {need}, which {_has[found[need].word]}"
    return word, sentence


_no_record = "its record (stage.json) is gone or cut; what is there goes to old/"
_has = {"failed": "failed", "blocked": "is blocked itself"}


def change(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """What makes two identities differ, in words."""
    from zifglass.dynamics.folder import first_difference

    for key, value in new.items():
        if found := first_difference(old.get(key), value, key):
            return found
    return "it was made with other input"


def count(found: Mapping[str, StageState]) -> str:
    """Such as "3 finished, 1 failed"."""
    words = [state.word for state in found.values()]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def with_needs(stages: Sequence[Stage], names: Sequence[str]) -> set[str]:
    """`names` and everything they need."""
    needs = {stage.name: list(stage.needs.values()) for stage in stages}
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(needs[name])
    return found
