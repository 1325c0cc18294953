"""Runs as values: what a process needs to carry one out, one or several side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from zifglass.core import (
    InputError,
    Monitor,
    Potential,
    Protocol,
    Stopped,
    Structure,
    ZifglassError,
)
from zifglass.core.machine import end_with_parent, usable_cores
from zifglass.potentials import load_potential

from .committee_check import CommitteeAgreement
from .driver import RunResult, run
from .linker_check import IntactLinkers, linkers_of
from .progress import Progress
from .settings import RunSettings
from .watchdog import Check

Loader = Callable[[str], Potential]


@dataclass(frozen=True, eq=False)
class Task:
    """One run. potential: a name or path for `loader` (`load_potential` unless given).
    max_wall: s. fork: the folder of a run to branch off from. threads: None takes
    OMP_NUM_THREADS or all cores. committee: names or paths of the potentials whose disagreement
    with it is watched."""

    protocol: Protocol
    structure: Structure
    potential: str
    folder: Path
    seed: int = 0
    settings: RunSettings = field(default_factory=RunSettings)
    max_wall: float | None = None
    fork: Path | None = None
    threads: int | None = None
    loader: Loader | None = None
    committee: tuple[str, ...] = ()

    def load(self, name: str | None = None) -> Potential:
        """The potential (or that called `name`), with its threads."""
        if self.loader is not None:
            return self.loader(name or self.potential)
        return load_potential(name or self.potential, threads=self.threads)


def carry_out(
    task: Task,
    *,
    report: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> RunResult:
    """`run` a task, with linkers watched where the structure has them and the melting monitor
    where the protocol asks for it."""
    return run(
        task.protocol,
        task.structure,
        task.load(),
        folder=task.folder,
        seed=task.seed,
        settings=task.settings,
        melting=_melting_monitor(task),
        checks=[*_linker_checks(task, note), *_committee_checks(task)],
        max_wall=task.max_wall,
        fork=task.fork,
        report=report,
        note=note,
    )


def carry_out_all(tasks: Sequence[Task], *, cores: int | None = None) -> None:
    """Every task in a process of its own, as many at a time as there are `cores` (all unless
    given), the cores divided among them. Signals to stop are passed on; when this process is
    killed, the runs stop with a checkpoint.

    Raises Stopped if any run was stopped with everything saved, ZifglassError naming the ones
    that failed.
    """
    cores = cores or usable_cores()
    at_once = max(1, min(cores, len(tasks)))
    threads = max(1, cores // at_once)
    codes = _Crew(tasks, at_once, threads).work()
    failed = [str(t.folder) for t, code in zip(tasks, codes, strict=True) if code not in (0, 75)]
    if failed:
        raise ZifglassError(
            f"{len(failed)} of {len(tasks)} runs failed ({', '.join(failed)}); each folder's "
            "status.json says why"
        )
    if 75 in codes:
        raise Stopped(
            f"{codes.count(75)} of {len(tasks)} runs were stopped with everything saved; run the "
            "same command again to go on"
        )


class _Crew:
    def __init__(self, tasks: Sequence[Task], at_once: int, threads: int) -> None:
        self._waiting = list(enumerate(tasks))
        self._codes: list[int] = [75] * len(tasks)
        self._at_once, self._threads = at_once, threads
        self._running: dict[int, multiprocessing.process.BaseProcess] = {}
        self._stopping = False

    def work(self) -> list[int]:
        """Exit codes in the order of the tasks; 75 for those that never began."""
        previous = {
            number: signal.signal(number, self._pass_on)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
        }
        try:
            while self._running or (self._waiting and not self._stopping):
                self._start_some()
                self._collect()
                time.sleep(0.05)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            for process in self._running.values():
                process.terminate()
        return self._codes

    def _start_some(self) -> None:
        context = multiprocessing.get_context("spawn")
        while self._waiting and len(self._running) < self._at_once and not self._stopping:
            index, task = self._waiting.pop(0)
            process = context.Process(target=_work, args=(task, self._threads))
            process.start()
            self._running[index] = process

    def _collect(self) -> None:
        for index, process in list(self._running.items()):
            if process.exitcode is not None:
                self._codes[index] = process.exitcode
                del self._running[index]

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for process in self._running.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGTERM)


def _work(task: Task, threads: int) -> None:
    """In the child: one run, its end told by the exit status."""
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    name = task.folder.name
    try:
        carry_out(
            replace(task, threads=threads),
            note=lambda sentence: print(f"{name}: {sentence}", flush=True),
        )
    except ZifglassError as error:
        print(f"zifglass: {name}: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_status)


def _linker_checks(task: Task, note: Callable[[str], None] | None) -> list[Check]:
    watch, looked_for = task.settings.watch, task.settings.linkers
    if watch.linkers == "off":
        return []
    expected = linkers_of(task.structure, looked_for, note=note)
    if expected is None:
        return []
    monitor = IntactLinkers(expected, watch.linker_persistence, looked_for.graphs)
    return [Check(monitor, watch.linkers)]


def _committee_checks(task: Task) -> list[Check]:
    watch = task.settings.watch
    if not task.committee or watch.committee == "off":
        return []
    members = [task.load(name) for name in task.committee]
    return [Check(CommitteeAgreement(members, watch.committee_limit), watch.committee)]


def _melting_monitor(task: Task) -> Monitor | None:
    if not task.protocol.needs_melting:
        return None
    try:
        from zifglass.analysis.melting_monitor import MeltingMonitor
    except ImportError as error:
        raise InputError(
            "this build has no melting monitor, which the protocol asks for"
        ) from error
    looked_for = task.settings.linkers
    return MeltingMonitor(task.structure, graphs=looked_for.graphs, expected=looked_for.expected)
