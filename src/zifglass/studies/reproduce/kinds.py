"""The kinds of work that only `reproduce` has: a student beside its teacher, and a potential
beside ab initio labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zifglass.core import InputError, Potential, Quantity
from zifglass.core.units import MPa, meV

from ..stage import Stage, StageContext, stage_kind
from ..work.handover import frames_of

if TYPE_CHECKING:
    from zifglass.core import Structure


def teacher_stage(
    name: str, runs: Sequence[str], *, potential: str, teacher: str, frames: int
) -> Stage:
    """The stage that compares `potential` with `teacher` on `frames` frames of each of `runs`."""
    from ..potential import sha256_of_potential

    return Stage(
        name=name,
        kind="student-teacher",
        settings={
            "teacher": teacher,
            "teacher_sha256": sha256_of_potential(teacher),
            "frames": frames,
        },
        potential=potential,
        needs={f"run-{i}": run for i, run in enumerate(runs)},
    )


def label_errors_stage(name: str, frames: Path, *, potential: str) -> Stage:
    """The stage that compares `potential` with the ab initio labels of a file. Raises InputError
    where the potential is not on this machine."""
    from ..potential import sha256_of_potential

    sha256_of_potential(potential)
    return Stage(
        name=name,
        kind="label-errors",
        settings={},
        inputs={"frames": frames},
        potential=potential,
    )


@stage_kind("label-errors", method=1, references=("castel2024",))
def label_errors(context: StageContext) -> None:
    """Mean absolute errors against the labels of every frame (Table S3): meV/atom, meV/Å, MPa."""
    from zifglass.io import read

    potential = context.potential()
    rows = []
    for frame in read(context.input("frames")):
        if frame.energy is None or frame.forces is None:
            raise InputError(
                "a test frame needs energy and forces", context.input("frames"), frame=frame.index
            )
        found = potential(frame.structure)
        stress = np.nan
        if frame.stress is not None and np.isfinite(frame.stress).any():
            stress = float(np.nanmean(np.abs(found.stress - frame.stress))) / MPa
        rows.append(
            (
                abs(found.energy - frame.energy) / len(frame.structure) / meV,
                np.abs(found.forces - frame.forces).mean() / meV,
                stress,
            )
        )
    table = np.array(rows)
    units = {"energy": "meV/atom", "forces": "meV/Å", "stress": "MPa"}
    context.write_results(
        {
            name: _mean(values, unit, None)
            for (name, unit), values in zip(units.items(), table.T, strict=True)
            if np.isfinite(values).all()
        },
        frames=len(rows),
    )


@stage_kind("student-teacher", method=1, references=("castel2024",))
def student_teacher(context: StageContext) -> None:
    """How far a student is from its teacher on frames that the student itself visits. No number
    of Table S3, which are errors against ab initio labels."""
    from ..potential import load

    student = context.potential()
    teacher = load(context.settings["teacher"], threads=context.threads)
    structures = []
    for folder in context.results.values():
        found = frames_of(folder)
        count = min(context.settings["frames"], len(found))
        chosen = np.unique(np.linspace(0, len(found) - 1, count).round().astype(int))
        structures += [found[int(i)].structure for i in chosen]
    context.write_results(differences(student, teacher, structures), frames=len(structures))


def differences(
    student: Potential, teacher: Potential, structures: Sequence[Structure]
) -> dict[str, Quantity]:
    """Mean absolute differences, each with its standard error over structures, and the rms force
    of the teacher. Raises InputError on fewer than two structures."""
    if len(structures) < 2:
        raise InputError("a mean difference with its error takes at least two structures")
    rows = []
    for one in structures:
        ours, theirs = student(one), teacher(one)
        rows.append(
            (
                (ours.energy - theirs.energy) / len(one) / meV,
                np.abs(ours.forces - theirs.forces).mean() / meV,
                np.abs(ours.stress - theirs.stress).mean() / MPa,
                np.sqrt((theirs.forces**2).mean()) / meV,
            )
        )
    energy, forces, stress, rms = np.array(rows).T
    energy = np.abs(energy - energy.mean())
    columns = (
        ("energy", energy, "meV/atom", "a constant offset taken off"),
        ("forces", forces, "meV/Å", None),
        ("stress", stress, "MPa", None),
        ("rms_force", rms, "meV/Å", "of the teacher, for scale"),
    )
    return {name: _mean(values, unit, note) for name, values, unit, note in columns}


def _mean(values: np.ndarray[Any, Any], unit: str, note: str | None) -> Quantity:
    """Over independent frames."""
    if len(values) < 2:
        return Quantity(float(values.mean()), None, unit, "one frame: no error")
    return Quantity(
        float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5), unit, note
    )
