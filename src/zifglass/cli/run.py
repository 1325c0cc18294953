"""`zifglass run` and `zifglass status`: a whole study, here or on Slurm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zifglass.studies import Stage, StudyReport
    from zifglass.studies.place import Place, Plan
    from zifglass.studies.states import StageState

FolderArgument = Annotated[Path, typer.Argument(help="Folder of a study (zifglass run -o).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("status")(status)


def run(
    study: Annotated[Path, typer.Argument(help="The study file; zifglass init writes one.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the study; the same again goes on.")
    ],
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of the file, such as protocols.glass.settings.t_max=50 (ps) or "
            "seed=2; may be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the study, in place of the file's.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these stages and what they need: a name or a pattern such as '*/run-1'; may "
            "be repeated."
        ),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(
            "--cores",
            "--workers",
            min=1,
            help="Cores of this machine, divided among the stages that run at once. [all]",
        ),
    ] = None,
    max_wall: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes after which to stop, everything saved, status 75."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the stages, hours and disk they will take from a measured step; run "
            "nothing.",
        ),
    ] = False,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Submit to Slurm, as the file's slurm group says.")
    ] = False,
    crate: Annotated[
        bool, typer.Option("--crate", help="Describe the finished study as an RO-Crate.")
    ] = False,
) -> None:
    """Do the work of a study, or what is left of it.

    Finished stages are not repeated, changed ones are (the old results go to old/), a failed one
    does not stop its siblings and is tried again next time. Ctrl-C, SIGTERM and --max-wall end
    with everything saved and status 75. Results: FOLDER/stages/NAME/results.json, each number
    with standard error and unit.
    """
    from zifglass.core.files import check_writable
    from zifglass.studies.expand import stages_of
    from zifglass.studies.study_file import read_study, write_study

    check_writable(output)
    changes = [*(change or ()), *([] if seed is None else [f"seed={seed}"])]
    settings = read_study(study, changes=changes)
    stages = stages_of(settings, study.parent)
    if dry_run:
        _tell_forecast(stages, output, only or ())
        return

    def keep(folder: Path) -> None:
        """Every setting as used, beside the results."""
        write_study(folder / "study.yaml", settings, seen_from=study.parent)

    if slurm:
        from zifglass.studies.slurm import submit_stages

        report = submit_stages(stages, output, settings.slurm, only=only or (), tell=typer.echo)
        keep(report.folder)
        _tell_states(report.stages)
        return
    report = _run_here(stages, output, only or (), cores, max_wall, keep)
    _tell_end(report)
    report.require()
    if crate:
        _write_crate(report, settings.name)


def _run_here(
    stages: Sequence[Stage],
    output: Path,
    only: Sequence[str],
    cores: int | None,
    max_wall: float | None,
    keep: Callable[[Path], None],
) -> StudyReport:
    from zifglass.core import ZifglassError
    from zifglass.studies import run_stages

    seconds = None if max_wall is None else 60.0 * max_wall
    _refuse_queued(output)
    try:
        return run_stages(
            stages, output, cores=cores, only=only, max_wall=seconds, tell=typer.echo, keep=keep
        )
    except OSError as error:  # of the study's own files; a stage's are its own failure
        raise ZifglassError(
            f"could not write {error.filename or output}: {error.strerror or error}; make room or "
            "choose another folder, and run the same command again"
        ) from error


def _refuse_queued(output: Path) -> None:
    """Stages that Slurm has are not done here as well."""
    from zifglass.core import InputError
    from zifglass.studies.place import Place
    from zifglass.studies.slurm_queue import look

    if queued := look(Place(output.resolve())).queue:
        jobs = sorted({state.job.split("_")[0] for state in queued.values()}, key=int)
        raise InputError(
            f"Slurm has {len(queued)} stages of this study in its queue; add --slurm, wait for "
            f"them, or take them back first: scancel {' '.join(jobs)}",
            output,
        )


def _tell_end(report: StudyReport) -> None:
    from zifglass.studies.states import count

    for state in report.stages.values():
        if state.word in ("failed", "blocked"):
            typer.echo(f"{state.name}: {state.word}: {state.sentence}", err=True)
    typer.echo(f"{report.folder}: {count(report.stages)}")


def _write_crate(report: StudyReport, name: str) -> None:
    from zifglass.studies.crate import write_crate
    from zifglass.studies.place import Place, read_plan

    place = Place(report.folder)
    path = write_crate(place, read_plan(place), report.stages, name=name, unfinished=True)
    typer.echo(f"{path} written")


def status(
    folder: FolderArgument,
    only: Annotated[
        list[str] | None, typer.Option(help="Only stages of this name or pattern; repeatable.")
    ] = None,
    all_stages: Annotated[
        bool, typer.Option("--all", help="List the finished stages too.")
    ] = False,
) -> None:
    """Where every stage stands: finished, running, queued, stopped, interrupted, failed, blocked,
    waiting, outdated (its input has changed) or edited (its results were changed by hand).

    Looks at the folder, and at Slurm's queue where the study was submitted. Times are in s.
    """
    from zifglass.studies.place import Place, read_plan
    from zifglass.studies.runner import selection

    place = Place(folder.resolve())
    plan = read_plan(place)
    found = _states_now(place, plan)
    if only:
        wanted = selection(plan, only)
        found = {name: state for name, state in found.items() if name in wanted}
    if plan.root != str(place.root):
        typer.echo(f"note: this study was planned in {plan.root}; run again, it goes on here",
                   err=True)  # fmt: skip
    _tell_states(found, all_stages=all_stages)


def _states_now(place: Place, plan: Plan) -> Mapping[str, StageState]:
    from zifglass.studies.slurm_queue import look
    from zifglass.studies.states import states

    seen = look(place)
    if seen.trouble:
        typer.echo(f"note: {seen.trouble}; jobs may be queued all the same", err=True)
    return states(place, plan, queue=seen.queue, ended=seen.ended)


def _tell_states(found: Mapping[str, StageState], *, all_stages: bool = False) -> None:
    from zifglass.studies.headway import headway
    from zifglass.studies.states import count

    shown = [s for s in found.values() if all_stages or not s.is_finished]
    width = max((len(state.name) for state in shown), default=0)
    for state in shown:
        took = f"{state.seconds:9.1f} s" if state.seconds else " " * 11
        said = state.sentence
        if state.word == "running" and (now := headway(state.folder)):
            said = f"{now} ({said})" if said else now
        typer.echo(f"{state.name:<{width}}  {state.word:<11} {took}  {said}".rstrip())
    typer.echo(count(found) or "no stages")


def _tell_forecast(stages: Sequence[Stage], output: Path, only: Sequence[str]) -> None:
    from zifglass.core.machine import usable_cores
    from zifglass.studies.forecast import forecast
    from zifglass.studies.place import Place, make_plan
    from zifglass.studies.runner import selection
    from zifglass.studies.states import states

    place = Place(output.resolve())
    plan = make_plan(place, stages)
    wanted = selection(plan, only)
    found = {n: s for n, s in states(place, plan).items() if n in wanted}
    rows = forecast(plan, found, tell=typer.echo)
    width = max(len(row.stage.name) for row in rows)
    typer.echo(f"{'stage':<{width}}  {'kind':<13} {'now':<11} {'hours':>9} {'MB':>9}  needs")
    for row in rows:
        stage = row.stage
        hours = "short" if row.seconds is None else f"{row.seconds / 3600:.3f}"
        disk = "" if row.bytes is None else f"{row.bytes / 1e6:.2f}"
        typer.echo(
            f"{stage.name:<{width}}  {stage.kind:<13} {found[stage.name].word:<11} {hours:>9} "
            f"{disk:>9}  {', '.join(stage.needs.values())}".rstrip()
        )
    seconds = sum(row.seconds or 0.0 for row in rows)
    megabytes = sum(row.bytes or 0.0 for row in rows) / 1e6
    unknown = sum(row.seconds is None for row in rows)
    typer.echo(
        f"{len(rows)} stages: about {seconds / 3600:.2f} h with the {usable_cores()} cores of this "
        f"machine busy, {megabytes:.1f} MB"
        + (f"; {unknown} short ones (analyses, verdicts) come on top" if unknown else "")
    )
