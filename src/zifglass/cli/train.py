"""`zifglass train`: NequIP and Allegro, one, a sweep or a committee of seeds."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from zifglass.training import LearningCurves, TrainingRun
    from zifglass.training.deploy import Deployed
    from zifglass.training.sweep import SweepRow, Variant


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    training: Annotated[
        Path, typer.Argument(help="Labelled frames to learn from (extxyz, npz, native…).")
    ],
    validation: Annotated[
        Path, typer.Argument(help="Labelled frames that decide when to stop and what to keep.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Run folder; the same command again goes on.")
    ],
    preset: Annotated[
        str, typer.Option(help="castel2024-nequip, castel2024-allegro or fast.")
    ] = "fast",
    settings: Annotated[
        Path | None, typer.Option(help="YAML file of settings that differ from the preset.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: model.cutoff=5 (Å), model.layers=2, loss.stress=100 (λσ), "
            "learning_rate=0.01, batch=4, epochs=200, hours=8, device=cuda…; may be repeated.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="Train once per value: loss.stress=0,1,10,100,1000; repeated: every combination."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="A committee of as many networks, seeds counting up.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights and of the order of the frames. [0]")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Train in spite of this lint error (its code, as stress.kinetic)."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the same network whose weights to begin with."),
    ] = None,
) -> None:
    """Train a network on energies (eV), forces (eV/Å) and, if weighed, virial stress (eV/Å³).

    The data are linted first; an error stops the training. Leaves learning curves, NAME.safetensors
    for the engine (Allegro: model.nequip.zip, run as nequip:PATH), both compared with the
    checkpoint. Stopped by a signal it ends with status 75; the same command goes on from the last
    finished epoch, after a kill too.
    """
    from zifglass.training import require_nequip
    from zifglass.training.sweep import training_settings, variants

    changes = [*(change or ()), *([] if seed is None else [f"seed={seed}"])]
    plan = variants(training_settings(preset, settings, changes=changes), sweep or (), seeds=seeds)
    for variant in plan:
        require_nequip(variant.settings)
    with _stoppable():
        _look_over(training, validation, output, set(allow or ()))
        if not sweep and seeds == 1:
            _tell(output, *_one(plan[0], training, validation, output, start, None))
        else:
            _several(plan, training, validation, output, start, tabulate=bool(sweep))


def _one(
    variant: Variant, training: Path, validation: Path, folder: Path, start: Path | None,
    name: str | None,
) -> tuple[TrainingRun, Deployed]:  # fmt: skip
    """Train, package, import, compare."""
    from zifglass.report.training import write_curves, write_run
    from zifglass.training import train as run_training
    from zifglass.training.deploy import deploy

    from .progress import Progress

    written = time.monotonic()

    def report(curves: LearningCurves) -> None:
        nonlocal written
        bar.note = f"force MAE {curves.force_mae_validation[-1]:.4g} meV/Å"
        if time.monotonic() - written > 60.0:
            write_curves(folder.name, curves, folder)
            written = time.monotonic()

    with Progress("steps (at most)") as bar:
        run = run_training(
            variant.settings, training, validation, folder, start=start, report=report,
            progress=lambda done, total: bar.update(done, total=total),
        )  # fmt: skip
    deployed = deploy(run, name=name)
    write_run(folder.resolve().name, run.curves, deployed, folder)
    return run, deployed


def _several(
    plan: list[Variant], training: Path, validation: Path, output: Path, start: Path | None,
    *, tabulate: bool,
) -> None:  # fmt: skip
    """Each variant in a folder of its own; what fails is told and left out of the tables."""
    from zifglass.core import ZifglassError
    from zifglass.core.files import write_json
    from zifglass.report.training import write_sweep
    from zifglass.training.sweep import sweep_rows

    done: list[tuple[Variant, TrainingRun]] = []
    failed: list[str] = []
    members: dict[str, list[str]] = {}
    for number, variant in enumerate(plan):
        typer.echo(f"{number + 1} of {len(plan)}: {variant.name}", err=True)
        name = f"{output.resolve().name}-{variant.name}"
        try:
            run, deployed = _one(variant, training, validation, output / variant.name, start, name)
        except ZifglassError as error:
            if error.exit_status != 1:  # stopped, or wrong for all of them
                raise
            failed.append(variant.name)
            typer.echo(f"zifglass: {variant.name}: {error}", err=True)
            continue
        done.append((variant, run))
        members.setdefault(json.dumps(variant.values), []).append(deployed.potential)
        _tell(output / variant.name, run, deployed)
    if done and tabulate:
        rows = sweep_rows([(variant, run.curves) for variant, run in done])
        curves = {variant.name: run.curves for variant, run in done}
        write_sweep(rows, curves, output)
        _print_rows(rows)
    committees = [
        {"values": json.loads(values), "members": names}
        for values, names in members.items()
        if len(names) > 1
    ]
    if committees:
        write_json(output / "committees.json", committees)
        typer.echo(f"members of each committee: {output / 'committees.json'}")
    if failed:
        raise ZifglassError(f"{len(failed)} of {len(plan)} trainings failed: {', '.join(failed)}")


def _look_over(training: Path, validation: Path, output: Path, allowed: set[str]) -> None:
    """Lint the data once; errors that are not allowed by name end the command."""
    from zifglass import datasets
    from zifglass.core import InputError
    from zifglass.core.files import sha256_of, write_json
    from zifglass.io import read

    files = {"train": training, "validation": validation}
    for path in files.values():
        if not path.is_file():
            raise InputError("no data file here", path)
    data = {name: sha256_of(path) for name, path in files.items()}
    kept = output / "lint.json"
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    if known.get("data") == data and set(known["allowed"]) <= allowed:
        return
    report = datasets.lint({name: [read(path)] for name, path in files.items()})
    unknown = allowed - set(report.codes())
    if unknown:
        raise InputError(
            f"--allow {sorted(unknown)[0]}: lint finds no such thing in these data"
            + (f"; it finds {', '.join(sorted(set(report.codes())))}" if report.codes() else "")
        )
    for item in report.findings:
        typer.echo(str(item), err=True)
    stopping = sorted({item.code for item in report.errors} - allowed)
    if stopping:
        raise InputError(
            f"the data have errors ({', '.join(stopping)}): mend them, or train all the same with "
            + " ".join(f"--allow {code}" for code in stopping)
        )
    write_json(kept, report.as_dict() | {"data": data, "allowed": sorted(allowed)})


@contextmanager
def _stoppable() -> Iterator[None]:
    """Outside nequip's own time (linting, importing, drawing) a signal ends the command as it
    does inside: with status 75."""
    from zifglass.core import Stopped

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}; the same command goes on")

    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(folder: Path, run: TrainingRun, deployed: Deployed) -> None:
    curves = run.curves
    best = curves.best
    typer.echo(
        f"{folder}: best of {len(curves)} epochs is {curves.epochs[best] + 1}: force MAE "
        f"{curves.force_mae_validation[best]:.4g} meV/Å in validation (in training "
        f"{curves.force_mae_train[best]:.4g}), energy MAE "
        f"{curves.energy_mae_validation[best]:.3g} meV/atom"
    )
    found = deployed.agreement
    typer.echo(
        f"{deployed.potential}: as its checkpoint to {found['energy']:.1e} meV/atom, "
        f"{found['forces']:.1e} meV/Å, {found['stress']:.1e} MPa"
    )


def _print_rows(rows: list[SweepRow]) -> None:
    """The columns that decide; sweep.csv has the others."""
    from rich.console import Console
    from rich.table import Table

    shown = (
        ("time_per_epoch", "s/epoch"), ("force_mae_validation", "force MAE (meV/Å)"),
        ("gap", "validation − training"), ("energy_mae_validation", "energy MAE (meV/atom)"),
        ("stress_mae_validation", "stress MAE (MPa)"),
    )  # fmt: skip
    drawn = Table(*rows[0].values, "runs", *(title for _, title in shown), box=None, pad_edge=False)
    for row in rows:
        cells = []
        for name, _ in shown:
            found = row.found.get(name)
            text = "" if found is None else f"{found.value:.4g}"
            cells.append(f"{text} ± {found.std:.2g}" if found and found.std is not None else text)
        drawn.add_row(*map(str, row.values.values()), str(row.runs), *cells)
    Console(width=None if sys.stdout.isatty() else 160).print(drawn)
