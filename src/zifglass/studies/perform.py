"""The work of one stage.

Whoever starts it, the local runner or Slurm, it reads the plan, takes the stage's lock, does the
work and leaves the record. Started for a stage that has finished, it does nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from zifglass.core import InputError, Stopped, ZifglassError
from zifglass.core.locks import locked

from .kinds import kind_of
from .place import Place, Plan, read_plan
from .record import Record, Word, begun, differences, now, read_record, results_in, write_record
from .stage import Stage, StageContext

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def perform(
    folder: str | Path,
    name: str,
    *,
    threads: int = 1,
    max_wall: float | None = None,
    job: str | None = None,
) -> Record:
    """Do the work of stage `name` of the study in `folder`, or what is left of it.

    threads: cores it may use. max_wall: seconds. job: what the scheduler calls this process.
    Returns the record of the finished stage. Raises Stopped with everything saved, InputError
    where another process works on the stage or a stage that it needs has not finished, and what
    the work raised.
    """
    place = Place(Path(folder).resolve())
    plan = read_plan(place)
    stage = _stage_called(plan, name)
    deadline = None if max_wall is None else time.monotonic() + max_wall
    # A process whose runner was killed may still be writing its checkpoint.
    with locked(place.stage_lock(name), what=f"stage {name}", wait=60.0):
        results = {role: _needed(place, plan, need) for role, need in stage.needs.items()}
        kept = _settle(place, plan, stage)
        if kept is not None and kept.status == "finished":
            return kept
        record = begun(_fresh(plan, stage, kept, threads), job=job)
        write_record(place.record(name), record)
        context = StageContext(stage, place.stage(name), threads, results, deadline)
        return _work(place, record, context)


def is_current(place: Place, plan: Plan, name: str) -> bool:
    """Whether the stage has finished, as planned, and its results are as it left them."""
    record = read_record(place.record(name))
    return (
        record is not None
        and record.status == "finished"
        and record.fingerprint == plan.identities[name].fingerprint
        and not differences(place.stage(name), record)
    )


def _stage_called(plan: Plan, name: str) -> Stage:
    for stage in plan.stages:
        if stage.name == name:
            return stage
    raise InputError(f"this study has no stage {name!r}", plan.root)


def _needed(place: Place, plan: Plan, name: str) -> Path:
    if not is_current(place, plan, name):
        raise InputError(f"stage {name!r}, which is needed first, has not finished")
    return place.stage(name)


def _settle(place: Place, plan: Plan, stage: Stage) -> Record | None:
    """The record to go on with; what is out of date or was edited is put aside."""
    record = read_record(place.record(stage.name))
    folder = place.stage(stage.name)
    if record is None:
        # A folder without a readable record was left by a half copy or made by hand.
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            _say(f"no readable record; what was there is now in {place.put_aside(stage.name)}")
        folder.mkdir(parents=True, exist_ok=True)
        return None
    reason = ""
    if record.fingerprint != plan.identities[stage.name].fingerprint:
        reason = "it was made with other input"
    elif record.status == "finished":
        reason = ", ".join(differences(folder, record))
    if not reason:
        return record
    _say(f"done again, for {reason}; the old results are now in {place.put_aside(stage.name)}")
    folder.mkdir(parents=True)
    return None


def _fresh(plan: Plan, stage: Stage, kept: Record | None, threads: int) -> Record:
    if kept is not None:
        return replace(kept, threads=threads, sessions=kept.sessions + 1)
    identity = plan.identities[stage.name]
    return Record(
        name=stage.name,
        kind=stage.kind,
        fingerprint=identity.fingerprint,
        identity=identity.parts,
        status="running",
        threads=threads,
    )


def _work(place: Place, record: Record, context: StageContext) -> Record:
    kind, path = kind_of(context.stage.kind), place.record(record.name)
    start = time.monotonic()

    def ended(word: Word, sentence: str) -> Record:
        seconds = record.seconds + time.monotonic() - start
        return replace(record, status=word, sentence=sentence, ended=now(), seconds=seconds)

    try:
        with _stopping():
            kind.work(context)
        references = tuple(dict.fromkeys((*kind.references, *context.cited)))
        done = ended("finished", "")
        done = replace(done, references=references, results=results_in(context.folder))
        write_record(path, done)
        return done
    except Stopped as error:
        write_record(path, ended("stopped", str(error)))
        raise
    except ZifglassError as error:
        write_record(path, ended("failed", str(error)))
        raise
    except OSError as error:
        sentence = f"{error.strerror or error}" + (f" ({error.filename})" * bool(error.filename))
        write_record(path, ended("failed", sentence))
        raise ZifglassError(f"stage {record.name}: {sentence}") from error
    except Exception as error:
        write_record(path, ended("failed", f"{type(error).__name__}: {error}"))
        raise


class _stopping:  # noqa: N801, used as a function
    """While entered in the main thread, a signal to stop raises Stopped wherever the work is;
    dynamics puts its own handler in its place and ends with a checkpoint."""

    def __enter__(self) -> None:
        self._previous = {}
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._stop) for number in SIGNALS}

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"{signal.Signals(number).name} received; run the study again to go on")


def _say(sentence: str) -> None:
    print(sentence, flush=True)
