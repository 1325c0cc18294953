"""python -m recipes.zif4_fast [FOLDER]: distil `zif4-fast`, hours on two cores, resumable.

The same command goes on where it was stopped. At the end: FOLDER/zif4-fast.safetensors and
FOLDER/held-out.json, its errors on the teacher's held-out liquids.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from zifglass import load_potential
from zifglass.core.files import write_json
from zifglass.potentials.network import load, save

from .cold import cold_frames
from .frames import frames_of, labelled, sorted_frame
from .held_out import errors_against_labels
from .rounds import (
    ROUNDS,
    TEACHER_NAME,
    answers,
    choose,
    grow,
    note,
    run_states,
    train_members,
)
from .states import HELD_OUT, STUDENT, TEACHER


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m recipes.zif4_fast", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("distil"))
    folder = parser.parse_args().folder.resolve()
    run_states(TEACHER, TEACHER_NAME, folder / "teacher", duration=5.0, seed=0)
    previous: Path | None = None
    for number, round_ in enumerate(ROUNDS):
        here = folder / f"round{number}"
        here.mkdir(parents=True, exist_ok=True)
        if not (here / "round.json").exists():
            _gather(number, previous, here, folder)
        train_members(here, round_, previous)
        previous = here
    assert previous is not None
    run_states(HELD_OUT, TEACHER_NAME, folder / "held-out", duration=2.5, seed=100)
    publish(previous / "student.safetensors", folder)
    return 0


def _gather(number: int, previous: Path | None, here: Path, folder: Path) -> None:
    """The round's training and validation frames."""
    round_ = ROUNDS[number]
    if previous is None:
        found = [f for state in TEACHER for f in frames_of(folder / "teacher" / state.name)]
        grow(None, [f for f in found if f.energy is not None], here, seed=number)
        note(here, frames=len(found))
        return
    student = str(previous / "student.safetensors")
    if not round_.duration:
        teacher = load_potential(TEACHER_NAME)
        cold = cold_frames(load_potential(student), teacher, np.random.default_rng(number))
        answered = labelled([sorted_frame(f) for f in cold], teacher)
        grow(previous, answered * 2, here, seed=number)  # few among many: counted twice
        note(here, frames=len(answered))
        return
    run_states(STUDENT, student, here / "runs", duration=round_.duration, seed=1000 * number)
    committee = [student, str(previous / "partner.safetensors")]
    chosen, doubt = choose(STUDENT, here / "runs", committee, round_.frames)
    answered = answers(STUDENT, here / "runs", chosen, seed=number)
    grow(previous, answered, here, seed=number)
    note(here, frames=len(answered), doubt=doubt)


def publish(network: Path, folder: Path) -> None:
    """zif4-fast.safetensors with what is known of it, and held-out.json."""
    errors = errors_against_labels(network, [folder / "held-out" / s.name for s in HELD_OUT])
    write_json(folder / "held-out.json", errors)
    teacher = load_potential(TEACHER_NAME)
    facts = {
        "name": "zif4-fast",
        "origin": "distilled from castel2024-nequip by recipes/zif4_fast of zifglass",
        "teacher": {"name": TEACHER_NAME, "sha256": teacher.sha256},
        "licence": "CC-BY-4.0",
        "citation": "the zifglass developers; teacher: Castel et al., Digital Discovery 2024, DOI "
        "10.1039/D3DD00236E",
        "held_out": errors,
    }
    save(replace(load(network), facts=facts), folder / "zif4-fast.safetensors")


if __name__ == "__main__":
    sys.exit(main())
