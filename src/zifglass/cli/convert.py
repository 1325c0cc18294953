"""`zifglass convert`: between structure and trajectory formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from zifglass.core import Frame, Trajectory

from .reading import SpeciesMapOption, TimestepOption, UnitsOption

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class _Watched(Trajectory):
    """Another trajectory; tells how far its reading has come."""

    def __init__(self, base: Trajectory, progress: Progress, task: TaskID) -> None:
        self._base, self._progress, self._task = base, progress, task
        self.numbers, self.source, self.notes = base.numbers, base.source, base.notes

    def __len__(self) -> int:
        return len(self._base)

    @property
    def times(self) -> NDArray[np.float64] | None:
        return self._base.times

    def frame(self, index: int) -> Frame:
        self._progress.update(self._task, completed=index + 1)
        return self._base.frame(index)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="File to read, the folder of a growing run, or a crystal that ships: zif4, zif8.",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its name says the format.")
    ],
    species_map: SpeciesMapOption = None,
    every: Annotated[int, typer.Option(min=1, help="Keep every so-manieth frame.")] = 1,
    start: Annotated[int, typer.Option("--from", help="First frame, from 0; −1 is the last.")] = 0,
    until: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    timestep: TimestepOption = None,
    cell: Annotated[
        str | None,
        typer.Option(
            help="Cell in Å for a file without one: 3 lengths, 3 lengths and 3 angles (degrees), "
            "or 9 components (rows a, b, c)."
        ),
    ] = None,
    units: UnitsOption = None,
    input_format: Annotated[
        str | None, typer.Option("--format", help="Format of IN, where it cannot be recognised.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option("--to", help="Format of OUT, where its name does not say it.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of atom-wise numbers in native files: double or single.")
    ] = "double",
    types: Annotated[
        str | None,
        typer.Option(help="Elements of the types 1, 2, … of a LAMMPS data file: 'C,H,N,Zn'."),
    ] = None,
) -> None:
    """Convert between structure and trajectory formats (Å, eV, fs; formats: see io/README.md)."""
    from rich.progress import Progress

    from zifglass.core import InputError
    from zifglass.io import cell_from_text, read, write

    if precision not in ("double", "single"):
        raise InputError(f"precision is double or single; got {precision!r}")
    trajectory = read(
        source,
        format=input_format,
        species_map=species_map,
        timestep=timestep,
        cell=None if cell is None else cell_from_text(cell),
        units=units,
    )
    frames = trajectory[start:until:every]
    if not len(frames):
        raise InputError(
            f"--from {start} --until {until} --every {every} leave none of the "
            f"{len(trajectory)} frames", source,
        )  # fmt: skip
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(f"{target.name}", total=len(frames))
        write(
            target,
            _Watched(frames, progress, task),
            format=output_format,
            precision="single" if precision == "single" else "double",
            types=None if types is None else types.replace(",", " ").split(),
        )
    typer.echo(f"{len(frames)} frame(s) of {len(trajectory.numbers)} atoms written to {target}")
