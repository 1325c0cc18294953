"""Rounds of active learning: the student runs, its committee doubts, the teacher answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zifglass import load_potential, read
from zifglass.core import Frame, ZifglassError
from zifglass.core.files import write_json
from zifglass.dynamics.settings import RunSettings
from zifglass.dynamics.tasks import Task, carry_out_all
from zifglass.potentials.network import load, save
from zifglass.training import LossWeights, TrainingSettings, preset, train

from .frames import doubts, frames_of, labelled, most_doubted, stretched, write_frames
from .states import State, protocol_of, structure_of

TEACHER_NAME = "castel2024-nequip"
VALIDATION_SHARE = 0.04


@dataclass(frozen=True)
class Round:
    """duration: ps that the student runs at each state (0: the frames come from elsewhere).
    frames: chosen, over all states. epochs: of the training that ends the round; rates: of
    learning, at its start and end. weights: of energy and stress in the loss, where they differ
    from the preset's."""

    duration: float
    frames: int
    epochs: int
    rates: tuple[float, float]
    weights: tuple[float, float] | None = None


MEMBERS = {"student": (32, 32), "partner": (32, 16)}
"""The committee: name → features of l = 0, 1; the student is the one that ships."""

ROUNDS = (
    Round(0.0, 0, 20, (0.01, 0.006)),
    Round(5.0, 380, 12, (0.01, 0.007)),
    Round(8.0, 400, 12, (0.01, 0.007)),
    Round(9.0, 300, 60, (0.01, 1e-5)),
    Round(0.0, 0, 8, (0.003, 1e-5), weights=(400.0, 5000.0)),
)
"""The teacher's start, three rounds of active learning, and the cold frames (`cold.py`)."""


def training_settings(name: str, round_: Round, seed: int) -> TrainingSettings:
    """The preset of the same name with the member's features and the round's schedule."""
    base = preset("zif4-fast")
    changes = {
        "model": base.model.model_copy(update={"features": MEMBERS[name]}),
        "learning_rate": round_.rates[0],
        "learning_rate_stop": round_.rates[1],
        "epochs": round_.epochs,
        "patience": round_.epochs,
        "seed": seed,
    }
    if round_.weights is not None:
        energy, stress = round_.weights
        changes["loss"] = LossWeights(forces=1.0, energy=energy, stress=stress)
    return base.model_copy(update=changes)


def run_states(
    states: Sequence[State], potential: str, folder: Path, *, duration: float, seed: int
) -> None:
    """Runs of `duration` ps at every state, side by side; those that the watchdog stopped stay as
    they are. Goes on where it was cut short."""
    tasks = [
        Task(
            protocol_of(state, duration, frames_every=50.0),
            structure_of(state),
            potential,
            folder / state.name,
            seed=seed + index,
            settings=RunSettings(checkpoint_seconds=120.0),
        )
        for index, state in enumerate(states)
        if not _stopped_for_good(folder / state.name)
    ]
    try:
        carry_out_all(tasks)
    except ZifglassError as error:
        if not all(_ended(task.folder) for task in tasks):
            raise
        print(error, flush=True)


def _ended(run: Path) -> bool:
    status = run / "status.json"
    return status.exists() and '"status": "running"' not in status.read_text()


def _stopped_for_good(run: Path) -> bool:
    status = run / "status.json"
    return status.exists() and '"status": "failed"' in status.read_text()


def choose(
    states: Sequence[State], folder: Path, committee: Sequence[str], count: int
) -> tuple[list[Frame], dict[str, float]]:
    """The `count` most doubted frames, shared among the states by the mean doubt of each (no
    state gets less than half of an equal share), and that mean, eV/Å."""
    members = [load_potential(name) for name in committee]
    frames = {state.name: frames_of(folder / state.name) for state in states}
    doubt = {name: doubts(found, members) for name, found in frames.items()}
    mean = {name: float(np.mean(np.minimum(value, 5.0))) for name, value in doubt.items()}
    total = sum(mean.values())
    chosen: list[Frame] = []
    for name, found in frames.items():
        share = 0.5 / len(states) + 0.5 * mean[name] / total
        wanted = min(len(found), round(count * share))
        chosen += [found[i] for i in most_doubted(doubt[name], wanted, gap=2)]
    return chosen, mean


def answers(
    states: Sequence[State], folder: Path, chosen: Sequence[Frame], seed: int
) -> list[Frame]:
    """The teacher's labels of the chosen frames, of those before each of the watchdog's events,
    and of copies with stretched linkers of as many frames as a quarter of the chosen."""
    rng = np.random.default_rng(seed)
    events = [
        frame
        for state in states
        if (folder / state.name / "harvest.extxyz").exists()
        for frame in frames_of(folder / state.name)[-12:]
    ]
    picked = rng.choice(len(chosen), len(chosen) // 4, replace=False)
    pulled = stretched([chosen[i] for i in sorted(picked)], rng)
    return labelled([*chosen, *events, *pulled], load_potential(TEACHER_NAME))


def grow(previous: Path | None, frames: list[Frame], folder: Path, *, seed: int) -> None:
    """train.extxyz and validation.extxyz of a round: the previous round's and the new frames."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frames))
    cut = max(1, round(VALIDATION_SHARE * len(frames)))
    parts = {"validation": order[:cut], "train": order[cut:]}
    for part, indices in parts.items():
        old = [] if previous is None else list(read(previous / f"{part}.extxyz"))
        write_frames(folder / f"{part}.extxyz", old + [frames[i] for i in sorted(indices)])


def train_members(folder: Path, round_: Round, previous: Path | None) -> None:
    """The committee, one after another on all cores: NAME.safetensors. Members go on from the
    previous round's weights. Goes on where it was cut short."""
    for seed, name in enumerate(MEMBERS):
        target = folder / f"{name}.safetensors"
        if target.exists():
            continue
        done = train(
            training_settings(name, round_, seed),
            folder / "train.extxyz",
            folder / "validation.extxyz",
            folder / name,
            start=None if previous is None else previous / target.name,
            report=lambda c, name=name: print(
                f"{folder.name} {name} {len(c)}/{round_.epochs}: forces "
                f"{c.force_mae_validation[-1]:.1f} meV/Å, energy "
                f"{c.energy_mae_validation[-1]:.2f} meV/atom, stress "
                f"{c.stress_mae_validation[-1]:.0f} MPa, {c.seconds[-1]:.0f} s", flush=True,
            ),
        )  # fmt: skip
        save(load(done.checkpoint), target)


def note(folder: Path, **facts: object) -> None:
    """What a round did: round.json."""
    write_json(folder / "round.json", facts)
