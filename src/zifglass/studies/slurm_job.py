"""The process of one stage on Slurm: python -m zifglass.studies.slurm_job FOLDER SUBMISSION.

What to do is in FOLDER/slurm/SUBMISSION.json. When the wall time nears, the work is saved and
the job asks Slurm to queue it again; it goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

from zifglass.core import InputError, Stopped, ZifglassError

from .perform import is_current, perform
from .place import Place, read_plan
from .slurm_files import Submitted, read_submitted

_signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
_to_end = {signal.SIGTERM, signal.SIGINT}


def work(place: Place, submitted: Submitted, index: str, received: _Received) -> int:
    """Do the work of the stage of that task; the exit status of the job."""
    name, job = submitted.stages[index], _job_name()
    try:
        _require_unchanged(place, submitted, name)
        perform(
            place.root,
            name,
            threads=submitted.threads,
            max_wall=_seconds_left(submitted),
            job=job,
        )
    except Stopped as error:
        print(f"zifglass: {name}: {error}", flush=True)
        if not received.to_end() or _still_runs(job):
            _requeue(job, submitted)
        return error.exit_status
    except ZifglassError as error:
        print(f"zifglass: {name}: {error}", flush=True)
        return error.exit_status
    except Exception:
        traceback.print_exc()
        return 1
    return 0


class _Received:
    """Which signals have come, whoever handled them: Python writes their numbers into a pipe."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        for number in _signals:
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"{signal.Signals(number).name} received")

    def to_end(self) -> bool:
        """Whether somebody wanted an end, and not only a pause."""
        try:
            return bool(_to_end.intersection(os.read(self._read, 1024)))
        except BlockingIOError:
            return False


def _job_name() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is None:
        return os.environ["SLURM_JOB_ID"]
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"


def _require_unchanged(place: Place, submitted: Submitted, name: str, patience: int = 60) -> None:
    """What other nodes have just written may take a moment to be seen here."""
    plan = read_plan(place)
    identity = plan.identities.get(name)
    if identity is None or identity.fingerprint != submitted.fingerprints[name]:
        raise InputError("the study has changed since this job was submitted; run it again")
    needs = next(stage.needs.values() for stage in plan.stages if stage.name == name)
    for _ in range(patience):
        if all(is_current(place, plan, need) for need in needs):
            return
        time.sleep(1.0)


def _seconds_left(submitted: Submitted) -> float:
    """Until the work must be saved."""
    began = float(os.environ.get("ZIFGLASS_JOB_BEGAN", time.time()))
    end = float(os.environ.get("SLURM_JOB_END_TIME", began + 60 * submitted.minutes))
    return max(0.0, end - time.time() - submitted.margin)


def _still_runs(job: str) -> bool:
    """Told to end by anything but Slurm's own decision to end this job: it has to make way, and
    may begin again."""
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={job}"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == "RUNNING"


def _requeue(job: str, submitted: Submitted) -> None:
    if int(os.environ.get("SLURM_RESTART_COUNT", 0)) >= submitted.requeues:
        print(f"not queued again: that was done {submitted.requeues} times (requeues)", flush=True)
        return
    print("queued again, to go on from here", flush=True)
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    if done.returncode:
        print(f"could not be queued again: {done.stderr.strip()}", flush=True)
        return
    # Slurm ends this process; were it to end by itself, that could be taken for a failure.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(60.0)


def main() -> int:
    """The command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("submission", type=int)
    given = parser.parse_args()
    received = _Received()
    place = Place(given.folder)
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    try:
        submitted = read_submitted(place, given.submission)
        _say_into(place.log(submitted.stages[index]))
        return work(place, submitted, index, received)
    except ZifglassError as error:
        print(f"zifglass: {error}", file=sys.stderr, flush=True)
        return error.exit_status


def _say_into(log: Path) -> None:
    """From here on everything said goes to the stage's own log, as on any machine."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
