"""Stages on this machine: a process each, the cores divided among those that run at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType

from zifglass.core import InputError, Stopped, ZifglassError
from zifglass.core.locks import locked
from zifglass.core.machine import usable_cores

from .headway import headway
from .perform import SIGNALS, is_current
from .place import Place, Plan, make_plan, write_plan
from .record import read_record
from .stage import Stage
from .states import StageState, count, last_line, states, with_needs

Tell = Callable[[str], None]
_room = 1e5  # bytes; with less a stage can say nothing
_headway_every = 60.0  # s; checkpoints come as often


@dataclass(frozen=True)
class StudyReport:
    """How a study stands. stages: by name, in the order of the work."""

    folder: Path
    stages: Mapping[str, StageState]

    @property
    def is_finished(self) -> bool:
        """Whether every stage has finished."""
        return all(state.is_finished for state in self.stages.values())

    @property
    def failed(self) -> tuple[StageState, ...]:
        """The stages that failed; those that only wait for them are not among these."""
        return tuple(state for state in self.stages.values() if state.word == "failed")

    def require(self) -> None:
        """Raises ZifglassError naming the stages that failed, Stopped if any was stopped."""
        if self.failed:
            first = self.failed[0]
            more = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            raise ZifglassError(
                f"stage {first.name}{more} failed: {first.sentence} (log: {first.log}); the same "
                "command tries again what has not finished"
            )
        if any(state.word in ("stopped", "interrupted") for state in self.stages.values()):
            raise Stopped(
                f"{count(self.stages)}; everything is saved, run the same command again to go on"
            )


def run_stages(
    stages: Sequence[Stage],
    folder: str | Path,
    *,
    cores: int | None = None,
    only: Sequence[str] = (),
    max_wall: float | None = None,
    tell: Tell = lambda sentence: None,
    keep: Callable[[Path], object] = lambda folder: None,
) -> StudyReport:
    """Do the work of `stages` in `folder`, or what is left of it.

    Finished stages are not repeated; those whose fingerprint changed, or whose result files were
    edited, are done again and the old results put aside in old/. A stage that fails does not stop
    the others. cores: of this machine, all unless given; they are divided among the stages that
    run at once. only: patterns (``glass-*``); those stages and what they need. max_wall: seconds
    after which to stop. tell: told one sentence at a time. keep: called with the folder once it
    is clear that the work can begin, to leave there what it was made from.

    Raises InputError on an impossible graph, missing input, an unknown pattern and where another
    runner works in `folder`; Stopped after a signal or at `max_wall`, every stage saved.
    """
    cores = cores or usable_cores()
    place = Place(Path(folder).resolve())
    plan = make_plan(place, stages)
    wanted = selection(plan, only)
    with locked(place.lock, what="this study"):
        write_plan(place, plan)
        keep(place.root)
        crew = _Crew(place, plan, wanted, cores, tell)
        with _stop_requests(crew):
            crew.work(None if max_wall is None else time.monotonic() + max_wall)
    found = states(place, plan, failures=crew.failures)
    found = {name: state for name, state in found.items() if name in wanted}
    if crew.stopping:
        raise Stopped(
            f"{crew.stopping}: {count(found)}; everything is saved, run the same command again to "
            "go on"
        )
    return StudyReport(place.root, found)


def selection(plan: Plan, only: Sequence[str]) -> set[str]:
    """The names that match a pattern of `only` (all without one), and what they need."""
    names = [stage.name for stage in plan.stages]
    if not only:
        return set(names)
    chosen: list[str] = []
    for pattern in only:
        found = [name for name in names if _matches(name, pattern)]
        if not found:
            near = get_close_matches(pattern, names, n=1)
            there = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
            hint = f"did you mean {near[0]!r}?" if near else f"there are {there}"
            raise InputError(f"no stage matches {pattern!r}: {hint}")
        chosen += found
    return with_needs(plan.stages, chosen)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.rsplit("/", 1)[-1], pattern)


def job_environment(threads: int) -> dict[str, str]:
    """The environment of a stage's process: as many threads as it was given, and modules found
    where this process finds them."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}


class _Crew:
    """The processes at work and the stages that wait."""

    def __init__(self, place: Place, plan: Plan, wanted: set[str], cores: int, tell: Tell) -> None:
        self._place, self._plan, self._tell, self._cores = place, plan, tell, cores
        self._waiting = [stage for stage in plan.stages if stage.name in wanted]
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        self._finished: set[str] = set()
        self._told = time.monotonic()
        self.stopping = ""
        self.failures: dict[str, str] = {}

    def work(self, deadline: float | None) -> None:
        """Until nothing runs and nothing can be started."""
        self._leave_out_finished()
        try:
            while self._running or (self._ready() and not self.stopping):
                if deadline is not None and time.monotonic() >= deadline:
                    self.stop("the wall time is used up")
                if not self.stopping:
                    self._start_some()
                self._collect()
                self._tell_headway()
                time.sleep(0.02)
        finally:
            for process, _ in self._running.values():
                process.kill()

    def _tell_headway(self) -> None:
        if time.monotonic() - self._told < _headway_every:
            return
        self._told = time.monotonic()
        for name in self._running:
            if text := headway(self._place.stage(name)):
                self._tell(f"{name}: {text}")

    def stop(self, reason: str) -> None:
        """Ask every process to end with a checkpoint; asked again, end them at once."""
        again, self.stopping = bool(self.stopping), self.stopping or reason
        for process, _ in self._running.values():
            if process.poll() is None:
                process.kill() if again and "received" in reason else process.terminate()

    def _leave_out_finished(self) -> None:
        for stage in list(self._waiting):
            if is_current(self._place, self._plan, stage.name):
                self._finished.add(stage.name)
                self._waiting.remove(stage)
        if self._finished:
            one = len(self._finished) == 1
            self._tell(
                f"{len(self._finished)} {'stage has' if one else 'stages have'} finished before"
            )

    def _ready(self) -> list[Stage]:
        return [s for s in self._waiting if self._finished.issuperset(s.needs.values())]

    def _start_some(self) -> None:
        free = self._cores - sum(threads for _, threads in self._running.values())
        ready = self._ready()
        while ready and free > 0:
            stage = ready.pop(0)
            # The first of those that can start together get what does not divide evenly.
            share = -(-free // min(free, len(ready) + 1))
            threads = min(stage.resources.threads or share, free)
            self._start(stage, threads)
            free -= threads

    def _start(self, stage: Stage, threads: int) -> None:
        self._waiting.remove(stage)
        log = self._place.log(stage.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "zifglass.studies.job", str(self._place.root), stage.name]
        command += ["--threads", str(threads), "--with-parent"]
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env=job_environment(threads),
            )
        self._running[stage.name] = (process, threads)
        self._tell(f"{stage.name}: begins on {threads} {'core' if threads == 1 else 'cores'}")

    def _collect(self) -> None:
        for name, (process, _) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[name]
            if process.stdin is not None:
                process.stdin.close()
            if is_current(self._place, self._plan, name):
                self._finished.add(name)
                record = read_record(self._place.record(name))
                took = 0.0 if record is None else record.seconds
                self._tell(f"{name}: finished, {took:.1f} s")
            else:
                self._tell(f"{name}: {self._end(name, code)}")

    def _end(self, name: str, code: int) -> str:
        record = read_record(self._place.record(name))
        if record is not None and record.status in ("stopped", "failed"):
            return f"{record.status}: {record.sentence}"
        if code == Stopped.exit_status:
            return "stopped"
        what = f"was killed by {signal.Signals(-code).name}" if code < 0 else "ended"
        said = last_line(self._place.log(name))
        if shutil.disk_usage(self._place.root).free < _room:  # not even for its last words
            said = f"the disk of {self._place.root} is full: make room"
        self.failures[name] = f"its process {what}; {said}"
        return f"failed: {self.failures[name]}"


@contextmanager
def _stop_requests(crew: _Crew) -> Iterator[None]:
    """Signals to stop are passed on as one SIGTERM to each stage."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        crew.stop(f"{signal.Signals(number).name} received")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
