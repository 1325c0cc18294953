"""What Slurm says of the stages of a study: its queue, read with our own files in hand.

No accounting is needed: what has left the queue is judged by our records, locks and logs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zifglass.core import ZifglassError

from .place import Place
from .slurm_files import Submitted, all_submitted, signature
from .states import Ended, Queued

_over = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REVOKED", "TIMEOUT",
}  # fmt: skip
_begun = {"COMPLETING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
_reasons = {
    "BeginTime": "to begin again soon",
    "Dependency": "for what it needs",
    "None": "for its turn",
    "Priority": "for its turn",
    "Resources": "for free resources",
}
_ends = {
    "CANCELLED": "was cancelled",
    "FAILED": "failed",
    "NODE_FAIL": "ended with its node",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "had to make way for another",
    "TIMEOUT": "went over its wall time",
}


class SlurmError(ZifglassError):
    """Slurm does not answer, or refuses what it was asked."""


@dataclass(frozen=True)
class Look:
    """queue: stages that Slurm has. ended: stages whose last job has left the queue, and how that
    was. ending: stages whose job is just ending, or begins again. trouble: why Slurm could not be
    asked; then the other fields are empty."""

    queue: Mapping[str, Queued] = field(default_factory=dict)
    ended: Mapping[str, Ended] = field(default_factory=dict)
    ending: Sequence[str] = ()
    trouble: str = ""


@dataclass(frozen=True)
class _Line:
    """One job or task of the queue."""

    task: str
    state: str
    reason: str
    node: str
    since: str


def look(place: Place) -> Look:
    """How the stages of the study in `place` that were ever submitted stand with Slurm.

    Asks once, whatever the number of stages; does not ask where nothing was ever submitted.
    Does not raise where Slurm is down: see `Look.trouble`.
    """
    submitted = all_submitted(place)
    if not submitted:
        return Look()
    try:
        lines = _lines(place, sorted({each.user for each in submitted}))
    except SlurmError as error:
        return Look(trouble=str(error))
    queue: dict[str, Queued] = {}
    ended: dict[str, Ended] = {}
    ending: list[str] = []
    for each in submitted:
        for index, name in each.stages.items():
            line = lines.get((each.number, index))
            queue.pop(name, None)
            ended.pop(name, None)
            if line is not None and line.state not in _over:
                queue[name] = _queued(line, each.fingerprints[name])
                if line.state == "COMPLETING":
                    ending.append(name)
            elif line is not None or each.job is not None:
                ended[name] = _ended(place, each, index, line)
    return Look(queue, ended, [name for name in ending if name in queue])


def queue(place: Place) -> Mapping[str, Queued]:
    """The stages that are in Slurm's queue now. Raises SlurmError where it does not answer."""
    found = look(place)
    if found.trouble:
        raise SlurmError(found.trouble)
    return found.queue


def ask(command: Sequence[str]) -> str:
    """What one of Slurm's commands prints. Raises SlurmError with what it says instead."""
    # Formats and filters of the user's own would change what comes out.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SQUEUE_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean)
    except FileNotFoundError as error:
        raise SlurmError(
            f"there is no Slurm here: the command {command[0]} was not found; leave out --slurm, "
            "or go to a machine that submits jobs"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"Slurm does not answer: {command[0]} took over two minutes") from error
    if done.returncode:
        raise SlurmError(f"Slurm says no: {plain_words(done.stderr) or f'{command[0]} failed'}")
    return done.stdout


def require_answer() -> None:
    """Raises SlurmError at once where Slurm's controller is down; its other commands would only
    say so after a while."""
    try:
        said = ask(["scontrol", "ping"])
    except SlurmError as error:
        if "no Slurm here" in str(error):
            raise
        said = str(error)
    if " UP" not in said:
        raise SlurmError(
            "Slurm does not answer: its controller is down; try again later, or ask those who run "
            "the cluster"
        )


def plain_words(stderr: str) -> str:
    """Slurm's complaint in one line, without the name of the command."""
    words = []
    for line in stderr.splitlines():
        _, _, said = line.rpartition("error: ")
        if said.strip():
            words.append(said.strip())
    return "; ".join(dict.fromkeys(words))


def _lines(place: Place, users: Sequence[int]) -> dict[tuple[int, str], _Line]:
    """(number of the submission, index of the task) → how it stands, for jobs of this folder."""
    require_answer()
    names = ",".join(map(str, users))
    said = ask(
        ["squeue", "--noheader", "--array", "--states=all", f"--user={names}",
         "--format=%F|%K|%T|%r|%N|%S|%j"]
    )  # fmt: skip
    mark, found = f".{signature(place)}.", {}
    for text in said.splitlines():
        if text.count("|") < 6:
            continue  # a site's own remarks
        job, index, state, reason, node, since, name = text.split("|", 6)
        label, _, number = name.rpartition(mark)
        if not label or not number.isdigit():
            continue
        index = index if index.isdigit() else ""
        task = f"{job}_{index}" if index else job
        found[int(number), index] = _Line(task, state, reason, node, since)
    return found


def _queued(line: _Line, fingerprint: str) -> Queued:
    if line.state in _begun:
        on = f" on {line.node}" if line.node else ""
        return Queued(line.task, True, f"job {line.task}{on}, since {line.since}", fingerprint)
    waits = _reasons.get(line.reason, f"({line.reason})")
    return Queued(line.task, False, f"job {line.task} waits {waits}", fingerprint)


def _ended(place: Place, each: Submitted, index: str, line: _Line | None) -> Ended:
    state = "" if line is None else line.state
    return Ended(
        job=each.task(index) if line is None else line.task,
        how=_ends.get(state, "has left Slurm's queue"),
        cancelled=state == "CANCELLED",
        log=each.log(place, index),
        fingerprint=each.fingerprints[each.stages[index]],
    )
