"""`zifglass label`: ab initio single points with CP2K."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("label")(label)


def label(
    structures: Annotated[
        list[Path], typer.Argument(help="Structure or trajectory files of the same atoms.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Where the labelled frames go (extxyz: eV, eV/Å, eV/Å³, tension positive).",
        ),
    ],
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of the calculations; the same again goes on. [OUTPUT.cp2k]"),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Label every n-th frame of each file.")] = 1,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file of the level of theory (cutoffs in Ry).")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: cutoff=400, basis.Co=DZVP-MOLOPT-SR-GTH."),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use in all. [all]")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Calculations at once (272 atoms need 6 GB each). [one per core]"),
    ] = None,
    cp2k: Annotated[
        str | None, typer.Option(help='CP2K\'s command, e.g. "mpirun -n 8 cp2k.psmp".')
    ] = None,
) -> None:
    """Energy (eV), forces (eV/Å) and virial stress (eV/Å³) of every frame with CP2K: PBE-D3 as in
    the published training data.

    Finished frames are kept if the run is stopped. Frames without a converged SCF are left out
    of the output and listed in OUTPUT.json; the exit status is then 1.
    """
    from zifglass import abinitio
    from zifglass.cli.progress import Progress
    from zifglass.core import ArrayTrajectory, ZifglassError
    from zifglass.core.files import write_json
    from zifglass.core.settings import read_settings
    from zifglass.io import read, write

    level = read_settings(abinitio.LevelOfTheory, settings, changes=change or ())
    frames = [frame for path in structures for frame in read(path)[::every]]
    ArrayTrajectory(frames)  # refuses files of different atoms before anything is computed
    program = abinitio.find_cp2k(cp2k)
    with Progress("frames", len(frames)) as bar:
        result = abinitio.label(
            frames,
            folder=work or output.with_name(output.name + ".cp2k"),
            level=level,
            cp2k=program,
            cores=cores,
            jobs=jobs,
            progress=lambda done, total: bar.update(done),
        )
    report = output.with_name(output.name + ".json")
    write_json(report, result.as_dict())
    if result.frames:
        write(output, list(result.frames))
        typer.echo(f"{len(result.frames)} frames labelled with {', '.join(result.versions)}")
    for item in result.rejected:
        typer.echo(f"frame {item.frame}: {item.reason}", err=True)
    if result.rejected:
        raise ZifglassError(
            f"{len(result.rejected)} of {len(frames)} frames have no label and were left out; "
            f"{report} lists them"
        )
