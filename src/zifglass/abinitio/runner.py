"""Where CP2K is, and how it is run: one process per calculation, cores divided among them."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zifglass.core import InputError, ZifglassError
from zifglass.core.files import write_text
from zifglass.core.machine import leash, usable_cores

INPUT, OUTPUT, LOG = "input.inp", "output.out", "messages.log"
_names = ("cp2k.psmp", "cp2k.ssmp", "cp2k.popt", "cp2k.sopt", "cp2k")
_data_folders = ("/usr/share/cp2k", "/usr/local/share/cp2k", "/usr/share/cp2k/data")
_poll_seconds = 0.05


@dataclass(frozen=True)
class Cp2k:
    """command: what starts CP2K, options of a launcher included ("mpirun", "-n", "8", …).
    data: folder of basis sets and pseudopotentials; None leaves it to CP2K. version: printed."""

    command: tuple[str, ...]
    data: Path | None
    version: str


@dataclass(frozen=True)
class Task:
    """One calculation: the text of its input and the folder it runs in."""

    text: str
    folder: Path


def find_cp2k(command: str | None = None) -> Cp2k:
    """CP2K on this machine: `command`, else the variable ZIFGLASS_CP2K, else on the PATH.

    Raises ZifglassError saying how to install it where there is none, or what it answered
    where it does not run.
    """
    wanted = command or os.environ.get("ZIFGLASS_CP2K")
    if wanted:
        words = tuple(shlex.split(wanted))
        if not words or shutil.which(words[0]) is None:
            raise ZifglassError(
                f"no program {words[0] if words else wanted!r}: name CP2K's executable or its path"
            )
    else:
        found = next((name for name in _names if shutil.which(name)), None)
        if found is None:
            raise ZifglassError(
                "CP2K is not installed: 'apt-get install cp2k' (Debian, Ubuntu) or 'conda install "
                "-c conda-forge cp2k' brings it; if it is elsewhere, name it with --cp2k or in "
                "the variable ZIFGLASS_CP2K"
            )
        words = (found,)
    return Cp2k(words, _data_folder(), _version(words))


def divide_cores(tasks: int, *, cores: int | None = None, jobs: int | None = None) -> list[int]:
    """Threads for each of the calculations that run at the same time; they add up to `cores`.

    Default: as many at once as there are tasks and cores. More jobs than cores are refused.
    """
    total = usable_cores() if cores is None else cores
    if total < 1 or (jobs is not None and jobs < 1):
        raise InputError(f"cores and jobs count from 1; got {total} cores and {jobs} jobs")
    if jobs is not None and jobs > total:
        raise InputError(f"{jobs} jobs on {total} cores would oversubscribe them: at most {total}")
    at_once = max(1, min(tasks, total if jobs is None else jobs))
    return [total // at_once + (k < total % at_once) for k in range(at_once)]


def run_all(
    tasks: Sequence[Task],
    cp2k: Cp2k,
    *,
    cores: int | None = None,
    jobs: int | None = None,
    finished: Callable[[int, int], None] = lambda index, status: None,
    waiting: Callable[[], None] = lambda: None,
) -> None:
    """Run every task; `finished(index, exit status)` is called as each ends, in any order, and
    `waiting()` several times a second in between.

    On an exception (Ctrl-C among them) the running calculations are ended; those that had
    finished stay on disk.
    """
    slots = divide_cores(len(tasks), cores=cores, jobs=jobs)
    queue = list(enumerate(tasks))[::-1]
    running: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
    with _ended_on_exit(running):
        while queue or running:
            for slot, threads in enumerate(slots):
                if queue and slot not in running:
                    index, task = queue.pop()
                    running[slot] = (index, _start(task, cp2k, threads))
            for slot, (index, process) in list(running.items()):
                status = process.poll()
                if status is not None:
                    del running[slot]
                    finished(index, status)
            if running:
                waiting()
                time.sleep(_poll_seconds)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; InputError if another one works there. Ends with it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError("another zifglass is at work here: wait for it", folder) from None
        yield


def _start(task: Task, cp2k: Cp2k, threads: int) -> subprocess.Popen[bytes]:
    task.folder.mkdir(parents=True, exist_ok=True)
    write_text(task.folder / INPUT, task.text)
    # CP2K appends to an output that exists.
    (task.folder / OUTPUT).unlink(missing_ok=True)
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    # Threads of the linear algebra library would come on top of CP2K's own.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if cp2k.data is not None:
        environment["CP2K_DATA_DIR"] = str(cp2k.data)
    with (task.folder / LOG).open("wb") as log:
        return subprocess.Popen(
            [*leash(), *cp2k.command, "-i", INPUT, "-o", OUTPUT],
            cwd=task.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def _ended_on_exit(
    running: dict[int, tuple[int, subprocess.Popen[bytes]]],
) -> Iterator[None]:
    try:
        yield
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _data_folder() -> Path | None:
    named = os.environ.get("CP2K_DATA_DIR")
    candidates = [named] if named else list(_data_folders)
    found = next((Path(name) for name in candidates if (Path(name) / "POTENTIAL").is_file()), None)
    if named and found is None:
        raise ZifglassError(
            f"CP2K_DATA_DIR is {named}, which holds no file POTENTIAL: point it at CP2K's data"
        )
    return found


def _version(words: tuple[str, ...]) -> str:
    answer = subprocess.run(
        [*words, "--version"], capture_output=True, text=True, timeout=120, check=False
    )
    lines = [line.strip() for line in answer.stdout.splitlines() if "CP2K version" in line]
    if answer.returncode or not lines:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        raise ZifglassError(
            f"{' '.join(words)} does not answer --version as CP2K does"
            + (f": {said[-1]}" if said else "")
        )
    return lines[0]
