"""`zifglass singlepoint`: energy, forces, stress of structures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .reading import SpeciesMapOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(singlepoint)


def singlepoint(
    structures: Annotated[
        list[Path], typer.Argument(help="Structure or trajectory files; every frame is computed.")
    ],
    potential: Annotated[
        str,
        typer.Option("-p", "--potential", help="Name (zifglass potential list) or model file."),
    ] = "castel2024-nequip",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for results.json and predictions.xyz (eV, eV/Å, eV/Å³, tension positive).",
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every n-th frame of each file.")] = 1,
    species_map: SpeciesMapOption = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda (through torch).")] = "cpu",
) -> None:
    """Energy (eV), forces (eV/Å) and virial stress (GPa, tension positive) of every frame.

    Pressures are pressure_virial: without the kinetic part N·kB·T/V of moving atoms.
    """  # fmt: skip
    from zifglass.cli.potential import load
    from zifglass.cli.progress import Progress
    from zifglass.core import ArrayTrajectory, Frame
    from zifglass.core.files import check_writable, write_json
    from zifglass.io import read, write
    from zifglass.potentials.tables import prediction_results, prediction_row

    if output is not None:
        check_writable(output)
    model = load(potential, threads=threads, dtype=dtype, device=device)
    results, by_atoms = [], dict[bytes, list[Frame]]()
    typer.echo("file, frame        energy (eV)  eV/atom   max force (eV/Å)  pressure_virial (GPa)")
    for path in structures:
        frames = read(path, species_map=species_map)[::every]
        with Progress(path.name, len(frames)) as bar:
            for count, frame in enumerate(frames):
                prediction = model(frame.structure)
                typer.echo(prediction_row(f"{path.name}, {frame.index}", prediction))
                results.append(
                    {"file": str(path), "frame": frame.index}
                    | prediction_results(prediction, frame.structure)
                )
                kept = Frame(
                    frame.structure, time=frame.time, energy=prediction.energy,
                    forces=prediction.forces, stress=prediction.stress, index=frame.index,
                )  # fmt: skip
                by_atoms.setdefault(frame.structure.numbers.tobytes(), []).append(kept)
                bar.update(count + 1)
    if output is not None:
        write_json(
            output / "results.json",
            {"potential": model.name, "sha256": model.sha256, "dtype": dtype, "frames": results},
        )
        for index, kept_frames in enumerate(by_atoms.values()):
            suffix = "" if len(by_atoms) == 1 else f"-{index}"
            write(output / f"predictions{suffix}.xyz", ArrayTrajectory(kept_frames))
