"""`zifglass evaluate`: a potential against labels, and its physics against a reference."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .linkers import LinkerOption, with_linkers

if TYPE_CHECKING:
    from zifglass.core import Potential
    from zifglass.training import Evaluation, Scorecard


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    potential: Annotated[str, typer.Argument(help="Name, model file, or nequip:FILE.")],
    datasets: Annotated[
        list[Path] | None,
        typer.Argument(help="Labelled frames: the parts to report on (extxyz, npz, native…)."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "evaluation"
    ),
    reference_trajectory: Annotated[
        list[Path] | None,
        typer.Option(help="Trajectory to be reproduced (ab initio, or a teacher's); repeatable."),
    ] = None,
    trajectory: Annotated[
        list[Path] | None, typer.Option(help="The same made with this potential; repeatable.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Setting of the analysis: metal=Co, pore_frames=5, temperature=300 (K).",
        ),
    ] = None,
    linker: LinkerOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap of the scorecard.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda (through torch).")] = "cpu",
) -> None:
    """MAE, RMSE and bias of energy (meV/atom), forces (meV/Å, all and per element), virial stress
    (MPa) on every part given, with errors and parity plots.

    With both trajectories a scorecard of physics: RDF, PMF, angles, coordination, rings, porous
    volume, broken linkers, each with a distance, its error bar and what chance would give.
    """
    from zifglass.core import InputError
    from zifglass.report.training import write_evaluations

    from .potential import load

    if bool(reference_trajectory) != bool(trajectory):
        raise InputError("a scorecard needs both --reference-trajectory and --trajectory")
    if not datasets and not trajectory:
        raise InputError(
            "name labelled frames, or trajectories with --reference-trajectory and --trajectory"
        )
    model = load(potential, threads=threads, dtype=dtype, device=device)
    if datasets:
        parts = {name: _part(model, path) for name, path in _named(datasets).items()}
        known = {"name": model.name, "sha256": model.sha256, "dtype": dtype}
        write_evaluations(parts, known, output)
        _print_parts(parts)
    if reference_trajectory and trajectory:
        _print_card(
            _card(reference_trajectory, trajectory, change or [], linker, seed, threads, output)
        )
    typer.echo(f"written to {output}")


def _named(paths: list[Path]) -> dict[str, Path]:
    from .analyse import _names

    return dict(zip(_names(paths), paths, strict=True))


def _part(model: Potential, path: Path) -> Evaluation:
    from zifglass.io import read
    from zifglass.training import evaluate as evaluate_part

    from .progress import Progress

    with Progress(path.name) as bar:
        return evaluate_part(
            model, read(path), progress=lambda done, total: bar.update(done, total=total)
        )


def _card(
    reference: list[Path],
    ours: list[Path],
    changes: list[str],
    linker: list[Path] | None,
    seed: int,
    threads: int | None,
    output: Path,
) -> Scorecard:
    import numpy as np

    from zifglass.analysis.survey import SurveySettings, survey
    from zifglass.core.machine import usable_cores
    from zifglass.core.settings import settings_from
    from zifglass.report.figures.training import draw_scorecard
    from zifglass.report.training import write_scorecard
    from zifglass.training import scorecard

    from .progress import Progress

    wanted = ("rdf", "pmf", "angles", "coordination", "linkers", "rings", "pores")
    settings = settings_from(
        SurveySettings, {"quantities": wanted, "size_frames": 0}, changes=changes
    )
    runs = {"reference": _joined(reference), "model": _joined(ours)}
    settings = with_linkers(
        settings, linker, lambda: {one.source: one[0] for one in runs.values()},
        donor=settings.donor,
    )  # fmt: skip
    with Progress("frames") as bar:
        surveys = survey(
            runs,
            settings=settings,
            processes=threads or usable_cores(),
            report=lambda done, total: bar.update(done, total=total),
        )
    pair = f"{settings.metal}-{settings.donor}"
    both = surveys["reference"], surveys["model"]
    card = scorecard(*both, rng=np.random.default_rng(seed), pair=pair)
    write_scorecard(card, output)
    draw_scorecard(*both, pair, output / "scorecard")
    for note in dict.fromkeys(note for one in both for note in one.notes):
        typer.echo(f"note: {note}", err=True)
    return card


def _joined(paths: list[Path]) -> Any:
    """One trajectory; several (of the same atoms) one after another, without a common clock."""
    from dataclasses import replace

    from zifglass.core import ArrayTrajectory
    from zifglass.io import read

    if len(paths) == 1:
        return read(paths[0])
    frames = [replace(frame, time=None) for path in paths for frame in read(path)]
    return ArrayTrajectory(frames, source=", ".join(str(path) for path in paths))


def _print_parts(parts: dict[str, Evaluation]) -> None:
    for name, part in parts.items():
        rows = [
            ("energy", part.energy), ("forces", part.forces),
            *((f"forces on {kind}", errors) for kind, errors in part.forces_of.items()),
            *([] if part.stress is None else [("virial stress", part.stress)]),
        ]  # fmt: skip
        alone = "1 frame, so no errors," if part.frames == 1 else f"{part.frames} frames"
        typer.echo(f"{name}: {alone} of {part.atoms} atoms")
        for label, e in rows:
            typer.echo(
                f"  {label:<14} MAE {e.mae:8.4g}{_error(e.mae_std)}   RMSE {e.rmse:8.4g}"
                f"{_error(e.rmse_std)} {e.unit}"
            )
        typer.echo(
            f"  energy, mean   {part.energy.bias:+.4g}{_error(part.energy.bias_std)} meV/atom"
        )
        if part.pressure is not None:
            shear = "" if part.shear else "; shear is not labelled"
            bias = part.pressure
            typer.echo(
                f"  pressure_virial, mean {bias.bias:+.4g}{_error(bias.bias_std)} MPa "
                f"({part.stress_frames} frames{shear})"
            )
        else:
            typer.echo("  no stress labels")


def _error(std: float) -> str:
    return f" ± {std:.2g}" if math.isfinite(std) else ""


def _print_card(card: Scorecard) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "quantity", "reference", "model", "distance", "by chance", "unit", "verdict",
        box=None, pad_edge=False,
    )  # fmt: skip
    for row in card.rows:
        sides = ["", ""]
        if row.reference is not None:
            sides = [
                f"{value:.4g} ± {std:.2g}"
                for value, std in ((row.reference, row.reference_std), (row.model, row.model_std))
            ]
        table.add_row(
            row.quantity, *sides, f"{row.distance:.3g} ± {row.distance_std:.2g}",
            f"{row.chance:.2g} ± {row.chance_std:.2g}", row.distance_unit, row.verdict,
        )  # fmt: skip
    Console(width=120 if not sys.stdout.isatty() else None).print(table)
