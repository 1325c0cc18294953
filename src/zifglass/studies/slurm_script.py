"""What sbatch is given, and what it answers: the one place that knows submitit."""

from __future__ import annotations

import io
import math
import os
import shlex
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zifglass.core import InputError

from .place import Place
from .slurm_arrays import Batch
from .slurm_files import Submitted
from .slurm_queue import SlurmError, plain_words
from .slurm_settings import SlurmSettings

if TYPE_CHECKING:
    from submitit import SlurmExecutor


def executor_for(place: Place) -> SlurmExecutor:
    """What submits from this folder. Raises SlurmError where there is no Slurm."""
    from submitit import SlurmExecutor

    try:
        return SlurmExecutor(_literal(place.root / "slurm"))
    except RuntimeError as error:
        raise SlurmError(
            "there is no Slurm here: the command srun was not found; leave out --slurm, or go to a "
            "machine that submits jobs"
        ) from error


def _literal(folder: Path) -> Path:
    if "%" in str(folder):
        raise InputError("Slurm reads a % in a path as its own sign; rename this folder", folder)
    return folder


def sbatch(
    place: Place,
    batch: Batch,
    submitted: Submitted,
    after: str,
    settings: SlurmSettings,
    executor: SlurmExecutor,
) -> str:
    """Submit `batch` as it was written down in `submitted`; what Slurm calls the job.

    after: its dependency. Raises SlurmError with Slurm's reason where it refuses.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    more: dict[str, Any] = {"signal": f"B:USR2@{settings.margin}", "requeue": True}
    more |= {"array": _array(batch, settings)} if batch.indices else {}
    more |= {"dependency": after, "kill-on-invalid-dep": "yes"} if after else {}
    given = {
        "job_name": submitted.name,
        "partition": batch.resources.partition or settings.partition,
        "account": settings.account,
        "time": submitted.minutes,
        "cpus_per_task": submitted.threads,
        "gpus_per_node": batch.resources.gpus or None,
        "mem": _memory(batch.resources.memory or settings.memory),
        "setup": _setup(submitted, settings),
        "stderr_to_stdout": True,
        "use_srun": False,
        "additional_parameters": more | settings.options,
    }
    executor.parameters = {key: value for key, value in given.items() if value is not None}
    if batch.indices:
        executor.parameters["map_count"] = len(batch.indices)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            job = executor._submit_command(_command(place, submitted, settings))
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"Slurm refuses the job: {plain_words(str(error)) or error}") from error
    except OSError as error:
        raise SlurmError(f"cannot submit to Slurm: {error.strerror} ({error.filename})") from error
    return job.job_id


def _array(batch: Batch, settings: SlurmSettings) -> str:
    indices = batch.indices
    whole = indices == tuple(range(len(indices)))
    words = f"0-{len(indices) - 1}" if whole else ",".join(map(str, indices))
    return f"{words}%{settings.at_once}"


def _memory(gigabytes: float | None) -> str | None:
    return None if gigabytes is None else f"{math.ceil(1024 * gigabytes)}M"


def _setup(submitted: Submitted, settings: SlurmSettings) -> list[str]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return [
        "export ZIFGLASS_JOB_BEGAN=$(date +%s)",
        f"export PYTHONPATH={shlex.quote(path)}",
        f"export OMP_NUM_THREADS={submitted.threads}",
        *settings.setup,
    ]


def _command(place: Place, submitted: Submitted, settings: SlurmSettings) -> str:
    # exec: signals of Slurm reach the process that works, and its end is the end of the job.
    python = shlex.quote(sys.executable) if settings.python is None else settings.python
    folder = shlex.quote(str(place.root))
    return f"exec {python} -m zifglass.studies.slurm_job {folder} {submitted.number}"
