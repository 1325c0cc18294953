"""A training run in its folder: started, watched, killed, started again, finished."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from zifglass.core import InputError, Stopped, ZifglassError
from zifglass.core.files import sha256_of, write_text
from zifglass.core.locks import locked
from zifglass.io import read, write

from .curves import LearningCurves, read_curves, steps_done
from .dataset_facts import DatasetFacts, dataset_facts
from .native.run import NATIVE, run_native
from .nequip_config import nequip_config
from .processes import LOG, call, child_process, last_line, say_if_stopped, stop_signals
from .settings import AllegroModel, TrainingSettings

if TYPE_CHECKING:
    pass

Report = Callable[[LearningCurves], None]
Progress = Callable[[int, int], None]
_poll = 0.5  # seconds between looks at the log


@dataclass(frozen=True)
class TrainingRun:
    """folder; curves: of all epochs; checkpoint: the best on validation, of native training the
    averaged weights at the end (``network.safetensors``); package: the same model as nequip
    packages it (``.nequip.zip``), None of native training."""

    folder: Path
    curves: LearningCurves
    checkpoint: Path
    package: Path | None


def train(
    settings: TrainingSettings,
    train_file: str | Path,
    validation_file: str | Path,
    folder: str | Path,
    *,
    start: str | Path | None = None,
    report: Report = lambda curves: None,
    progress: Progress = lambda done, total: None,
) -> TrainingRun:
    """Train until the settings say stop; the same call continues a run that was cut short.

    start: the checkpoint of a run of the same network, whose (averaged) weights this one begins
    with. report: called with the curves after each epoch; progress: with optimiser steps done
    and at most to do, every few seconds.

    A run goes on from the last finished epoch. Data and settings must be those it began with.
    Raises InputError for data without the labels the loss needs, a folder of another run or one
    that another process trains in, Stopped when a signal ended it, ZifglassError when nequip is
    missing or fails (with the last line it printed).
    """
    folder = Path(folder).resolve()
    files = {"train": Path(train_file).resolve(), "validation": Path(validation_file).resolve()}
    if start is not None:
        files["start"] = Path(start).resolve()
    require_nequip(settings)
    facts = _facts_of_new(files, settings, folder)
    with locked(folder / ".lock", what="this training run"):
        _prepare(settings, files, folder, facts)
        frames = len(read(files["train"]))
        if settings.execution == "native":
            run_native(folder, settings, files, frames, report, progress)
        else:
            _run_nequip(folder, settings, frames, report, progress)
        return finish(folder)


def finish(folder: str | Path) -> TrainingRun:
    """Package the best model of a run that has at least one finished epoch; once is enough."""
    folder = Path(folder).resolve()
    if (folder / NATIVE).exists():
        return TrainingRun(folder, read_curves(folder), folder / NATIVE, None)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    if not checkpoint.exists():
        raise InputError("no finished epoch here: nothing to package yet", folder)
    package = folder / "model.nequip.zip"
    if not package.exists() or package.stat().st_mtime < checkpoint.stat().st_mtime:
        unfinished = folder / "unfinished.nequip.zip"
        unfinished.unlink(missing_ok=True)
        call(["nequip.scripts.package", "build", str(checkpoint), str(unfinished)], folder)
        unfinished.replace(package)
    return TrainingRun(folder, read_curves(folder), checkpoint, package)


def require_nequip(settings: TrainingSettings) -> None:
    """Raise ZifglassError with the command to type unless nequip (and Allegro) are installed."""
    names = ["torch", "nequip"]
    if isinstance(settings.model, AllegroModel):
        names.append("allegro")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ZifglassError(
            f"training needs {missing[0]}, which is not installed: pip install 'zifglass[train]'"
        )


def _facts_of_new(
    files: dict[str, Path], settings: TrainingSettings, folder: Path
) -> DatasetFacts | None:
    """The facts of the data of a run that is about to begin, None for one that goes on. Refuses
    what cannot be trained on before there is a folder."""
    for path in files.values():
        if not path.is_file():
            raise InputError("no data file here", path)
    if (folder / "run.yaml").exists():
        return None
    cutoff = settings.model.cutoff
    facts = dataset_facts([read(files["train"])], cutoff=cutoff)
    others = dataset_facts([read(files["validation"])], cutoff=cutoff, sample=1)
    for name, found in (("train", facts), ("validation", others)):
        if settings.learns_stress and not found.has_stress:
            raise InputError(
                "the loss weighs the stress, but frames lack some or all of its components; set "
                "loss.stress to 0 or label the stress",
                files[name],
            )
    if extra := set(others.species) - set(facts.species):
        raise InputError(
            f"the validation part holds {', '.join(sorted(extra))}, which the training part lacks",
            files["validation"],
        )
    return facts


def _prepare(
    settings: TrainingSettings, files: dict[str, Path], folder: Path, facts: DatasetFacts | None
) -> None:
    """Write what the run is, or check that it is the same run."""
    identity = {
        "settings": settings.model_dump(mode="json"),
        "data": {name: sha256_of(path) for name, path in files.items()},
    }
    record = folder / "run.yaml"
    if record.exists():
        if yaml.safe_load(record.read_text(encoding="utf-8")) != identity:
            raise InputError(
                "this folder holds a training run with other settings or data; give another folder",
                folder,
            )
        return
    assert facts is not None
    if settings.execution == "native":
        write_text(record, yaml.safe_dump(identity, sort_keys=False))
        return
    config = nequip_config(
        settings,
        facts,
        train=_as_extxyz(files["train"], folder),
        validation=_as_extxyz(files["validation"], folder),
        folder=folder,
        start=files.get("start"),
    )
    write_text(folder / "nequip.yaml", yaml.safe_dump(config, sort_keys=False))
    write_text(record, yaml.safe_dump(identity, sort_keys=False))


def _as_extxyz(path: Path, folder: Path) -> Path:
    """`path`, or a copy of another format as nequip (through ASE) reads it."""
    if path.suffix in (".extxyz", ".xyz"):
        return path
    copy = folder / "data" / f"{path.stem}.extxyz"
    write(copy, read(path))
    return copy


def _run_nequip(
    folder: Path, settings: TrainingSettings, frames: int, report: Report, progress: Progress
) -> None:
    done = folder / "done"
    if done.exists():
        return
    total = settings.epochs * math.ceil(frames / settings.batch)
    part = len(list(folder.glob("logs/part-*")))
    command = [
        "nequip.scripts.train", "-cp", str(folder), "-cn", "nequip",
        f"hydra.run.dir={_quoted(folder / 'hydra')}", f"trainer.logger.version=part-{part:03d}",
    ]  # fmt: skip
    last = folder / "checkpoints" / "last.ckpt"
    if last.exists():
        command.append(f"+ckpt_path={_quoted(last)}")
    start, seen, enough, logged = time.monotonic(), len(read_curves(folder)), False, -1
    with child_process(command, folder) as child, stop_signals() as received:
        while child.poll() is None and not enough and not received:
            time.sleep(_poll)
            if logged != (logged := _logged(folder)):
                curves = read_curves(folder)
                progress(steps_done(folder), total)
                if len(curves) > seen:
                    seen = len(curves)
                    report(curves)
                    enough = curves.learning_rate[-1] < settings.learning_rate_stop
            if settings.hours is not None:
                enough |= time.monotonic() - start > 3600 * settings.hours
    say_if_stopped(received)
    if child.returncode and not enough:
        raise ZifglassError(f"nequip stopped: {last_line(folder)} (all of it in {LOG})")
    if not enough and not _has_ended(read_curves(folder), settings):
        # A signal to nequip itself (a queue signals every process) ends it with status 0.
        raise Stopped("nequip was stopped from outside; the same command goes on")
    write_text(done, "")


def _has_ended(curves: LearningCurves, settings: TrainingSettings) -> bool:
    """Whether the settings say so: all epochs, patience at an end, or a loss that is not finite."""
    if not len(curves):
        return False
    last = int(curves.epochs[-1])
    if last + 1 >= settings.epochs or not np.isfinite(curves.loss_validation[-1]):
        return True
    return last - int(curves.epochs[curves.best]) >= settings.patience


def _quoted(path: Path) -> str:
    """As hydra takes any characters in a value: in quotes, these and backslashes escaped."""
    text = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _logged(folder: Path) -> int:
    """Bytes logged so far: whether there is something new to read."""
    return sum(path.stat().st_size for path in folder.glob("logs/part-*/metrics.csv"))
