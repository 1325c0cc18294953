"""`zifglass melt-quench`: from a crystal to its glass, one or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .linkers import LinkerOption
from .md import (
    CommitteeOption,
    DryOption,
    ForkOption,
    OutputOption,
    PotentialOption,
    RunSetOption,
    SeedOption,
    SpeciesOption,
    StructureArgument,
    SupercellOption,
    ThreadsOption,
    WallOption,
    carry_out_and_tell,
    run_settings,
    structure_of,
    tell_estimate,
)

if TYPE_CHECKING:
    from zifglass.dynamics.tasks import Task


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("melt-quench")(melt_quench)


def melt_quench(
    structure: StructureArgument,
    potential: PotentialOption,
    output: OutputOption,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: t_max=300 (ps), temperature_max=1500 (K), heating_rate=5, "
            "cooling_rate=5 (K/ps), before=10, equilibration=50 (ps), ensemble=npt-iso, "
            "pressure_total=0 (GPa), timestep=0.5 (fs), deuterium=2.0141 (amu).",
        ),
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, help="Independent glasses; seeds count up from --seed.")
    ] = 1,
    t_max_step: Annotated[
        float | None,
        typer.Option(
            help="ps: replica i = 1, 2, … is molten for t_max + i × this; t_max=50 and 20 give "
            "the ten glasses of the paper."
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
    """300 K → T_max → 300 K → equilibration; NVT at the crystal's cell unless told otherwise.

    Draws temperature (K), pressure_total (GPa), volume (Å³) and density (g/cm³) along the way;
    quenches at constant pressure also give thermal expansion (1/K) and a glass transition (K) in
    results.json. Replicas run side by side, the cores divided among them. Stopped or killed, the
    same command goes on.
    """
    from dataclasses import replace

    from zifglass.core.settings import settings_from
    from zifglass.dynamics import protocols
    from zifglass.dynamics.tasks import Task, carry_out_all

    settings = settings_from(protocols.MeltQuench, changes=change or ())
    start = structure_of(structure, supercell, species_map)
    first = Task(
        protocols.melt_quench(settings),
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
        tell_estimate(first, runs=replicas)
        return
    if replicas == 1:
        carry_out_and_tell(first)
        _conclude(first)
        return
    tasks = []
    for i in range(1, replicas + 1):
        longer = settings.model_copy(
            update={"t_max": settings.t_max + i * t_max_step} if t_max_step else {}
        )
        protocol = protocols.melt_quench(longer)
        folder = output / f"replica-{i:02d}"
        tasks.append(replace(first, protocol=protocol, folder=folder, seed=seed + i - 1))
    carry_out_all(tasks, cores=threads)
    for task in tasks:
        _conclude(task)


def _conclude(task: Task) -> None:
    from zifglass.core.files import plain, write_json
    from zifglass.dynamics import read_thermo
    from zifglass.dynamics.quench import quench_results
    from zifglass.report.figures.dynamics import draw_melt_quench

    thermo = read_thermo(task.folder)
    draw_melt_quench(thermo, task.folder / "melt-quench")
    names = [segment.name for segment in task.protocol.segments]
    results = quench_results(thermo, segment=names.index("quench"), glass=names.index("glass"))
    write_json(
        task.folder / "results.json", {name: plain(q.as_dict()) for name, q in results.items()}
    )
    for name, quantity in results.items():
        typer.echo(
            f"{task.folder}: {name} {quantity.value:.6g} ± {quantity.std:.2g} {quantity.unit}"
        )
