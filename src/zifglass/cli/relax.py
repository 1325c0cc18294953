"""`zifglass relax`: the nearest minimum of positions, or of positions and cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .reading import SpeciesMapOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(relax)


def relax(
    structure: Annotated[Path, typer.Argument(help="Structure file; of a trajectory, the last.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="File for the relaxed structure; its name says "
            "the format. Numbers go to OUTPUT.json.",
        ),
    ],
    potential: Annotated[
        str,
        typer.Option("-p", "--potential", help="Name (zifglass potential list) or model file."),
    ] = "castel2024-nequip",
    what: Annotated[
        str, typer.Option(help="atoms: in a fixed cell; cell: atoms and cell together.")
    ] = "atoms",
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: forces=0.001 (eV/Å), stress=0.001 (GPa), "
            "pressure=0.1 (GPa), max_steps=500, step=0.02 (Å), closed_pore=0.15.",
        ),
    ] = None,
    species_map: SpeciesMapOption = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
) -> None:
    """Relax a structure to the nearest minimum of its energy.

    ZIF-4 has a dense closed-pore phase: a warning says when the volume falls into it. The exit
    status is 1 when the limits were not reached; the structure reached is written all the same.
    """  # fmt: skip
    import warnings

    from zifglass.cli.potential import load
    from zifglass.cli.progress import Progress
    from zifglass.core import ArrayTrajectory, Frame, InputError, ZifglassError
    from zifglass.core.files import write_json
    from zifglass.core.settings import settings_from
    from zifglass.io import format_to_write, read, write
    from zifglass.potentials import relax as relaxing

    actions = {"atoms": relaxing.relax_positions, "cell": relaxing.relax_cell}
    if what not in actions:
        raise InputError(f"relax moves 'atoms' or 'cell'; got {what!r}")
    settings = settings_from(relaxing.RelaxSettings, changes=change or ())
    format_to_write(output)  # refused before the work, not after it
    start = read(structure, species_map=species_map)[-1].structure
    model = load(potential, threads=threads, dtype=dtype, device="cpu")
    with Progress("relax", settings.max_steps) as bar, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", relaxing.ClosedPoreWarning)
        result = actions[what](
            model,
            start,
            settings=settings,
            progress=lambda step, force: bar.update(step, what=f"relax, {force:.3f} eV/Å"),
        )
    for item in seen:
        typer.echo(f"warning: {item.message}", err=True)
    final = Frame(
        result.structure, energy=result.prediction.energy, forces=result.prediction.forces,
        stress=result.prediction.stress,
    )  # fmt: skip
    write(output, ArrayTrajectory([final]))
    values = result.as_results()
    write_json(
        output.with_name(output.name + ".json"),
        {
            "potential": model.name, "sha256": model.sha256, "dtype": dtype, "moved": what,
            "settings": settings.model_dump(), "results": values,
        },
    )  # fmt: skip
    for name, entry in values.items():
        unit = "" if entry["unit"] == "1" else entry["unit"]
        typer.echo(f"{name:16s} {entry['value']} {unit}".rstrip())
    if not result.converged:
        raise ZifglassError(
            f"not converged after {result.steps} steps; the structure reached is in {output}: "
            "run it again from there, or allow more with --set max_steps=…"
        )
