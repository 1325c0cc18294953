"""slurm/NUMBER.json: what was submitted as one job or job array, written before Slurm is told.

A job finds its stage here, and the queue is read with these files in hand, so that nothing is
lost where the submission is killed half way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError
from zifglass.core.files import write_json

from .place import Place


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """name: of the job. job: what Slurm calls it, None until it has answered. user: numeric, who
    submitted it. stages: index of the task ("" where it is no array) → stage. fingerprints: of
    the stages. minutes: wall time. margin: s before its end at which the work is saved. requeues:
    how often it may go on after its wall time."""

    number: int
    name: str
    job: str | None
    user: int
    threads: int
    minutes: int
    margin: int
    requeues: int
    stages: Mapping[str, str]
    fingerprints: Mapping[str, str]

    def task(self, index: str) -> str:
        """What Slurm calls the task of that index, such as 12_3."""
        return f"{self.job}_{index}" if index else f"{self.job}"

    def log(self, place: Place, index: str) -> Path:
        """What the job said before its stage began, or where it could not begin."""
        return place.root / "slurm" / f"{self.task(index)}_0_log.out"


def signature(place: Place) -> str:
    """What the names of all jobs of this folder hold, and those of no other."""
    return hashlib.sha256(str(place.root).encode()).hexdigest()[:10]


def submission_file(place: Place, number: int) -> Path:
    """Where that submission is written down."""
    return place.root / "slurm" / f"{number:04d}.json"


def write_submitted(place: Place, submitted: Submitted) -> None:
    """Whole or not at all."""
    write_json(submission_file(place, submitted.number), asdict(submitted))


def read_submitted(place: Place, number: int) -> Submitted:
    """Raises InputError where the file is missing or damaged."""
    path = submission_file(place, number)
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Submitted(**value)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read what was submitted to Slurm: {error}", path) from error


def all_submitted(place: Place) -> list[Submitted]:
    """In the order in which they were submitted."""
    names = [path.stem for path in (place.root / "slurm").glob("*.json")]
    numbers = sorted(int(name) for name in names if name.isdigit())
    return [read_submitted(place, number) for number in numbers]
