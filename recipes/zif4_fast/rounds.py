"""Rounds of active learning: the student runs, its committee doubts, the teacher answers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zifglass import load_potential, read
from zifglass.core import Frame, ZifglassError
from zifglass.core.files import write_json
from zifglass.core.machine import usable_cores
from zifglass.dynamics.settings import RunSettings
from zifglass.dynamics.tasks import Task, carry_out_all
from zifglass.potentials.importers.run import import_model
from zifglass.potentials.network import save
from zifglass.training import LossWeights, NequipModel, TrainingSettings, train

from .frames import doubts, frames_of, labelled, most_doubted, write_frames
from .states import State, protocol_of, structure_of

TEACHER_NAME = "castel2024-nequip"
VALIDATION_SHARE = 0.04


@dataclass(frozen=True)
class Round:
    """duration: ps that the student runs at each state. frames: chosen, over all states.
    epochs, rate: of the training that ends the round. seeds: members of the committee."""

    duration: float
    frames: int
    epochs: int
    rate: float
    seeds: tuple[int, ...] = (0, 1)


def model_settings() -> NequipModel:
    """The student: chosen by measurement (README.md, Choice of the network)."""
    return NequipModel(
        cutoff=5.0,
        layers=3,
        features=(32, 16),
        parity="o3_restricted",
        bessels_trainable=False,
        radial_depth=1,
        radial_width=64,
    )


def training_settings(epochs: int, rate: float, seed: int) -> TrainingSettings:
    """Half a cosine over `epochs`; weights that bring the three errors to the same size."""
    return TrainingSettings(
        model=model_settings(),
        loss=LossWeights(forces=1.0, energy=30.0, stress=1000.0),
        learning_rate=rate,
        learning_rate_stop=1e-5,
        decay="cosine",
        batch=2,
        execution="compiled",
        epochs=epochs,
        patience=epochs,
        seed=seed,
    )


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


def grow(previous: Path | None, frames: list[Frame], folder: Path, *, seed: int) -> None:
    """train.extxyz and validation.extxyz of a round: the previous round's and the new frames."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frames))
    cut = max(1, round(VALIDATION_SHARE * len(frames)))
    parts = {"validation": order[:cut], "train": order[cut:]}
    for part, indices in parts.items():
        old = [] if previous is None else list(read(previous / f"{part}.extxyz"))
        write_frames(folder / f"{part}.extxyz", old + [frames[i] for i in sorted(indices)])


def train_seeds(folder: Path, round_: Round, starts: Sequence[Path | None]) -> list[Path]:
    """One network per seed, trained side by side, each on its share of the cores; imported."""
    jobs = [
        (folder, training_settings(round_.epochs, round_.rate, seed), start)
        for seed, start in zip(round_.seeds, starts, strict=True)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(jobs), usable_cores()), mp_context=context) as pool:
        return list(pool.map(_train, jobs))


def _train(job: tuple[Path, TrainingSettings, Path | None]) -> Path:
    folder, settings, start = job
    name = folder / f"student-{settings.seed}"
    target = name.with_suffix(".safetensors")
    if target.exists():
        return target
    done = train(
        settings, folder / "train.extxyz", folder / "validation.extxyz", name, start=start,
        report=lambda c: print(
            f"{folder.name} seed {settings.seed} epoch {len(c)}: forces "
            f"{c.force_mae_validation[-1]:.1f} meV/Å, energy {c.energy_mae_validation[-1]:.2f} "
            "meV/atom", flush=True,
        ),
    )  # fmt: skip
    save(import_model(done.checkpoint), target)
    return target


def label_all(frames: Sequence[Frame]) -> list[Frame]:
    """By the teacher, on all cores."""
    return labelled(frames, load_potential(TEACHER_NAME))


def note(folder: Path, **facts: object) -> None:
    """What a round did: round.json."""
    write_json(folder / "round.json", facts)
