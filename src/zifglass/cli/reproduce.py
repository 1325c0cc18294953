"""`zifglass reproduce`: the published tables and figures, side by side with ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zifglass.studies.reproduce import Plan, Reproduction


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce")(reproduce)


def reproduce(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; the same command again goes on.")
    ],
    budget: Annotated[
        str,
        typer.Option(
            help="minutes, hours or full: how long and how large; full is what was published."
        ),
    ] = "minutes",
    potential: Annotated[
        str, typer.Option(help="Name (zifglass potential list) or file of the potential.")
    ] = "zif4-fast",
    only: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated tables and figures: S5 for both of that number, table-S5, "
            "figure-S16."
        ),
    ] = None,
    aimd: Annotated[
        Path | None,
        typer.Option(
            help="Folder of ab initio trajectories, each named by what it is: crystal, liquid, "
            "glass-01…, volume-4, volume-2, volume0, volume+2 (the last 10 ps of each at 1500 K), "
            "test (labelled frames)."
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="What the potential was distilled from. [zif4-fast: castel2024-nequip]"),
    ] = None,
    stress_trained: Annotated[
        list[str] | None,
        typer.Option(help="A potential trained on stress for Table S4: 1=FILE or 100=FILE."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the budget: hold=20 (ps), glasses=2, …"),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    max_wall: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes after which to stop, everything saved, status 75."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the stages and hours of dynamics; run nothing."),
    ] = False,
) -> None:
    """Tables S1-S8 and figures S1-S17 of the paper, each number with ours ± error, the difference
    in standard errors, and a verdict: agrees, differs, or not run and why.

    Writes reproduce.html, results.json, numbers.csv and figures/ into the folder. Finished stages
    are not repeated.
    """
    from zifglass.core.files import check_writable
    from zifglass.core.settings import settings_from
    from zifglass.studies import reproduce as study

    check_writable(output)
    base = study.budget_called(budget)
    chosen = settings_from(study.Budget, base.model_dump(), changes=change or ())
    plan = study.make_plan(
        budget,  # type: ignore[arg-type]
        potential=potential,
        glasses=study.published_glasses(),
        aimd=[] if aimd is None else study.aimd_sources(aimd),
        only=[] if only is None else only.split(","),
        teacher=teacher,
        stress_trained=_pairs(stress_trained or []),
        seed=seed,
        budget=chosen,
    )
    if aimd is not None:
        for name in study.unused(aimd):
            typer.echo(f"not used: {name} (its name begins with no known role)", err=True)
    if dry_run:
        _tell_plan(plan, output)
        return
    result = study.reproduce(
        plan,
        output,
        cores=cores,
        max_wall=None if max_wall is None else 60.0 * max_wall,
        tell=lambda sentence: typer.echo(sentence, err=True),
    )
    _print(result)
    typer.echo(f"written to {output / 'reproduce.html'}")


def _pairs(texts: list[str]) -> dict[str, str]:
    from zifglass.core import InputError

    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"a potential trained on stress is given as 100=FILE; got {text!r}")
        found[key.strip()] = value.strip()
    return found


def _tell_plan(plan: Plan, output: Path) -> None:
    from zifglass.studies.reproduce import expected, shortened

    left = expected(plan, output, tell=lambda sentence: typer.echo(sentence, err=True))
    for one in left:
        if one.seconds:
            size = (one.bytes or 0.0) / 1e6
            typer.echo(f"{one.stage.name:32} {_time(one.seconds):>9} {size:9.1f} MB")
    seconds, size = (sum(getattr(one, n) or 0.0 for one in left) for n in ("seconds", "bytes"))
    typer.echo(
        f"{len(left)} stages; dynamics {_time(seconds)} with all cores of this machine, analyses "
        f"come on top; {size / 1e6:.0f} MB"
    )
    for what, here, full in shortened(plan.budget):
        typer.echo(f"shortened: {what}: {here} in place of {full}")
    for pattern, reason in plan.left_out.items():
        typer.echo(f"not run: {pattern}: {reason}")


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _print(result: Reproduction) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(
        "table", "quantity", "of", "published", "ours", "s.e.", "verdict", box=None, pad_edge=False
    )
    for row in result.rows:
        if f"table-{row.published.table}" not in result.plan.only:
            continue
        p, ours = row.published, row.ours
        mine = "" if ours is None else f"{ours.value:.4g}"
        mine += "" if ours is None or ours.std is None else f" ± {ours.std:.2g}"
        table.add_row(
            p.table,
            p.name,
            p.column,
            f"{p.printed} {p.unit}",
            mine,
            "" if row.z is None else f"{row.z:+.1f}",
            row.word if ours is not None else f"{row.word}: {row.reason}",
        )
    Console(width=150 if not sys.stdout.isatty() else None).print(table)
    drawn = [figure.name for figure in result.figures if figure.path is not None]
    typer.echo(f"figures drawn: {', '.join(drawn) or 'none'}")
    for figure in result.figures:
        if figure.path is None and f"figure-{figure.name}" in result.plan.only:
            typer.echo(f"figure {figure.name} not run: {figure.remark}")
    for name, quantity in result.student.items():
        typer.echo(
            f"student against teacher (no number of Table S3), {name}: {quantity.value:.3g} ± "
            f"{quantity.std:.2g} {quantity.unit}"
        )
    words = ("agrees", "differs", "no verdict", "not run")
    typer.echo(", ".join(f"{result.count(word)} {word}" for word in words))
