"""`zifglass aimd`: ab initio molecular dynamics with CP2K."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Plan(StrEnum):
    """What is run."""

    table_s1 = "table-s1"
    single = "single"


def register(app: typer.Typer) -> None:
    app.command("aimd")(aimd)


def aimd(
    structure: Annotated[Path, typer.Argument(help="The crystal, or any structure with a cell.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run; the same again goes on.")
    ],
    plan: Annotated[
        Plan,
        typer.Option(
            help="table-s1: the strained 300 K crystals and the four liquids of the training set; "
            "single: one run at --temperature for --duration."
        ),
    ] = Plan.table_s1,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Only this stage and what it starts from; may be repeated."),
    ] = None,
    list_stages: Annotated[
        bool, typer.Option("--list", help="Print the stages of the plan and stop.")
    ] = False,
    temperature: Annotated[float, typer.Option(help="K, for --plan single.")] = 300.0,
    duration: Annotated[
        float, typer.Option(help="ps: of the run (single) or of each liquid (table-s1).")
    ] = 60.0,
    equilibration: Annotated[
        float, typer.Option(help="ps at 300 K after each change of volume (table-s1).")
    ] = 10.0,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a setting: level.cutoff=400 (Ry), dynamics.timestep=0.5 (fs)."
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file with the groups level and dynamics.")
    ] = None,
    seed: Annotated[int, typer.Option(min=1, help="Of the first velocities.")] = 1,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    cp2k: Annotated[
        str | None, typer.Option(help='CP2K\'s command, e.g. "mpirun -n 32 cp2k.psmp".')
    ] = None,
) -> None:
    """Ab initio molecular dynamics: NVT, CSVR, 0.5 fs, deuterium, PBE-D3.

    Each finished stage leaves STAGE/trajectory.h5 with energies (eV), forces (eV/Å), velocities
    (Å/fs) and stresses of which the ionic kinetic part is taken out (eV/Å³, tension positive).
    A run that was stopped or killed goes on from CP2K's last whole restart file.
    """
    from zifglass import abinitio
    from zifglass.cli.progress import Progress
    from zifglass.core.files import write_json
    from zifglass.core.settings import read_settings
    from zifglass.core.units import ps
    from zifglass.io import read, write

    if plan is Plan.table_s1:
        stages = abinitio.table_s1(equilibration=equilibration * ps, heating=duration * ps)
    else:
        stages = (abinitio.Stage("run", None, 1.0, temperature, duration * ps),)
    if list_stages:
        for item in stages:
            typer.echo(
                f"{item.name:16} from {item.start or structure.name:16} volume × "
                f"{item.volume_factor:g}, {item.temperature:g} K, {item.duration / ps:g} ps"
            )
        return
    chosen = read_settings(abinitio.AimdSettings, settings, changes=change or ())
    program = abinitio.find_cp2k(cp2k)
    write_json(output / "settings.json", {**chosen.model_dump(), "seed": seed})
    with Progress("steps") as bar:
        results = abinitio.run_aimd(
            stages,
            read(structure)[-1].structure,
            folder=output,
            only=stage or (),
            level=chosen.level,
            dynamics=chosen.dynamics,
            cp2k=program,
            cores=cores,
            seed=seed,
            progress=lambda name, done, total: bar.update(done, total=total, what=f"{name}: steps"),
        )
    for name, trajectory in results.items():
        path = output / name / "trajectory.h5"
        write(path, trajectory)
        left_out = f", {len(trajectory.rejected)} left out (SCF)" if trajectory.rejected else ""
        typer.echo(f"{path}: {len(trajectory)} frames{left_out}")
