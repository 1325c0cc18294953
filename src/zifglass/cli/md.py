"""`zifglass md`: molecular dynamics by a protocol, watched and resumable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .linkers import LinkerOption, with_linkers

if TYPE_CHECKING:
    from zifglass.core import Protocol, Structure
    from zifglass.dynamics import Progress, RunSettings
    from zifglass.dynamics.tasks import Task

StructureArgument = Annotated[
    Path,
    typer.Argument(
        help="Structure to start from: any format that zifglass reads, the last frame of it; or a "
        "crystal that ships: zif4, zif8."
    ),
]
PotentialOption = Annotated[
    str,
    typer.Option(
        help="Name (zifglass potential list) or file of the potential, nequip:FILE, or your own: "
        "python:FILE.py:FUNCTION."
    ),
]
OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="Run folder; the same command again goes on.")
]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Of the starting velocities and stochastic thermostats.")
]
SpeciesOption = Annotated[
    str | None, typer.Option(help="Elements of labels or LAMMPS types: '1=C,2=H,3=N,4=Zn'.")
]
SupercellOption = Annotated[
    str, typer.Option(help="Copies along the three cell vectors, such as 2x2x2.")
]
WallOption = Annotated[
    float | None,
    typer.Option(min=0, help="Minutes after which to stop with a checkpoint and exit status 75."),
]
RunSetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--run-set",
        help="Change a setting of the run: watch.linkers=warn (off, warn, stop, harvest), "
        "watch.force_limit=40 (eV/Å), checkpoint_seconds=120 (s), precision=double, "
        "velocities=exact-temperature; may be repeated.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Threads. [OMP_NUM_THREADS or all cores]")
]
ForkOption = Annotated[
    Path | None,
    typer.Option(help="Start from the last positions, velocities and cell of this run's folder."),
]
CommitteeOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A potential trained like --potential from another seed (name or file; repeat it): "
        "where their forces spread, the watchdog acts (--run-set watch.committee=stop, "
        "watch.committee_limit=0.5 eV/Å)."
    ),
]
DryOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print the timeline and what it will take in time and disk; run nothing."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("md")(md)


def md(
    structure: StructureArgument,
    potential: PotentialOption,
    protocol: Annotated[
        str,
        typer.Option(
            help="YAML file, or crystal-preparation, liquid, melt-quench, strain-sweep, "
            "flexible-npt."
        ),
    ],
    output: OutputOption,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of a ready-made protocol: timestep=1 (fs), deuterium=2.0141 "
            "(amu), temperature=300 (K), duration=100 (ps), pressure_total=0.1 (GPa).",
        ),
    ] = None,
    supercell: SupercellOption = "1x1x1",
    species_map: SpeciesOption = None,
    seed: SeedOption = 0,
    max_wall: WallOption = None,
    fork: ForkOption = None,
    run_set: RunSetOption = None,
    threads: ThreadsOption = None,
    committee: CommitteeOption = None,
    linker: LinkerOption = None,
    dry_run: DryOption = False,
) -> None:
    """Molecular dynamics by a protocol: minimise, NVE, NVT, NPT, ramps of temperature and box.

    Leaves trajectory.h5 (positions Å, times fs, energies eV, virial stress eV/Å³), thermo.csv
    (units in its header) and status.json. SIGTERM, SIGUSR1, SIGUSR2, Ctrl-C and --max-wall end
    it with a checkpoint and exit status 75; the same command goes on, to the same bits. A change
    of protocol, structure or potential is refused: branch off with --fork.
    """
    from zifglass.dynamics.tasks import Task

    start = structure_of(structure, supercell, species_map)
    task = Task(
        protocol_of(protocol, change or []),
        start,
        potential,
        output,
        seed=seed,
        settings=run_settings(run_set or [], linker or [], start, structure),
        max_wall=None if max_wall is None else 60.0 * max_wall,
        fork=fork,
        threads=threads,
        committee=tuple(committee or ()),
    )
    if dry_run:
        tell_estimate(task)
    else:
        carry_out_and_tell(task)


def protocol_of(text: str, changes: list[str]) -> Protocol:
    """A protocol by name or from a file."""
    from zifglass.core import InputError
    from zifglass.dynamics import named_protocol, read_protocol

    if Path(text).suffix not in (".yaml", ".yml"):
        return named_protocol(text, changes=changes)
    if changes:
        raise InputError(
            "--set changes the settings of a ready-made protocol; a file's numbers are changed in "
            "the file",
            text,
        )
    return read_protocol(text)


def structure_of(path: Path, supercell: str, species_map: str | None) -> Structure:
    """The last frame of a file, repeated."""
    from zifglass.core import InputError
    from zifglass.io import read

    try:
        repeats = [int(n) for n in supercell.lower().split("x")]
    except ValueError as error:
        raise InputError(f"a supercell is written 2x2x2; got {supercell!r}") from error
    return read(path, species_map=species_map)[-1].structure.repeat(repeats)


def run_settings(
    changes: list[str], linkers: list[Path], start: Structure, source: Path
) -> RunSettings:
    """RunSettings with `changes`, and the linkers in files that `start`, of `source`, holds."""
    from zifglass.core.settings import settings_from
    from zifglass.dynamics import RunSettings

    settings = settings_from(RunSettings, changes=changes)
    return with_linkers(settings, linkers, lambda: {str(source): start})


def tell_estimate(task: Task, *, runs: int = 1, figure: str = "timeline") -> None:
    """Print timeline, time and disk; draw the timeline beside the run."""
    from zifglass.dynamics.estimate import estimate, timeline_lines
    from zifglass.report.figures.dynamics import draw_timeline

    for line in timeline_lines(task.protocol):
        typer.echo(line)
    found = estimate(task.protocol, task.structure, task.load())
    times = f" ({runs} runs of these)" if runs > 1 else ""
    typer.echo(
        f"{len(task.structure)} atoms, {found.steps} steps of {found.seconds_per_step * 1e3:.1f} ms"
        f" (measured): {found.seconds / 3600:.2f} h; {found.frames} frames, about "
        f"{found.bytes / 1e6:.1f} MB{times}"
    )
    task.folder.mkdir(parents=True, exist_ok=True)
    draw_timeline(task.protocol, task.folder / figure)
    typer.echo(f"timeline drawn in {task.folder / figure}.png")


def carry_out_and_tell(task: Task) -> None:
    """Run a task with progress on standard error."""
    from zifglass.core.units import ps
    from zifglass.dynamics.tasks import carry_out

    result = carry_out(
        task, report=_reporter(), note=lambda text: print(f"zifglass: {text}", file=sys.stderr)
    )
    typer.echo(
        f"{result.folder}: {result.time / ps:g} ps in {result.steps} steps, "
        f"{len(result.events)} events noted"
    )


def _reporter() -> Callable[[Progress], None]:
    from zifglass.core.units import GPa, ps

    plain = not sys.stderr.isatty()
    shown = [-1e9]

    def tell(progress: Progress) -> None:
        import time

        if plain and time.monotonic() - shown[0] < 30.0:
            return
        shown[0] = time.monotonic()
        left = progress.seconds_left
        line = (
            f"{progress.segment:<16} {progress.time / ps:9.3f} of {progress.duration / ps:g} ps  "
            f"{progress.temperature:7.1f} K  {progress.pressure_total / GPa:+7.3f} GPa (total)  "
            f"{progress.energy:.3f} eV  {progress.ns_per_day or 0:.3f} ns/day  "
            f"{'' if left is None else f'{left / 60:.1f} min left'}"
        )
        print(line if plain else f"\r{line}\033[K", end="\n" if plain else "", file=sys.stderr)
        sys.stderr.flush()

    return tell
