"""`zifglass analyse`: every structural quantity of any trajectory."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .linkers import LinkerOption, with_linkers
from .reading import SpeciesMapOption, TimestepOption

if TYPE_CHECKING:
    from zifglass.core import Quantity, Trajectory


def register(app: typer.Typer) -> None:
    app.command("analyse")(analyse)


def analyse(
    trajectories: Annotated[
        list[str],
        typer.Argument(help="Files, folders of running runs, or quoted globs; zif4, zif8."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    quantities: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: rdf,pmf,angles,coordination,linkers,rings,pores,"
            "scattering,msd,bonds,melting. Default: all that the frames allow."
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
    first: Annotated[
        float | None, typer.Option("--from", help="Start, ps (a frame number without times).")
    ] = None,
    last: Annotated[
        float | None, typer.Option("--until", help="End, ps (a frame number without times).")
    ] = None,
    species_map: SpeciesMapOption = None,
    timestep: TimestepOption = None,
    cell: Annotated[
        str | None,
        typer.Option(
            help="Cell in Å for files without one: 3 lengths, 3 lengths and 3 angles (degrees), or "
            "9 components."
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="K, for the PMF. Default: the frames' own, else 300.")
    ] = None,
    measured: Annotated[
        list[Path] | None,
        typer.Option(
            help="Measured F(Q) (.int01, Q in Å⁻¹) or D(r) (.dofr, r in Å) to compare with; "
            "may be given again."
        ),
    ] = None,
    linker: LinkerOption = None,
    processes: Annotated[
        int, typer.Option(min=0, help="Processes; 0 takes every core this job may use.")
    ] = 0,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, as key=value: metal=Co, rdf.r_max=20."),
    ] = None,
) -> None:
    """RDF, PMF, angles, coordination, linkers, rings, pores, scattering, MSD, bond lifetimes and
    a melting verdict, with error bars: results.json, CSV, PNG and SVG per quantity.

    Many trajectories: each in a folder of its own, and their mean ± standard deviation.
    """
    from zifglass.analysis.survey import SurveySettings, survey
    from zifglass.core.files import check_writable
    from zifglass.core.machine import usable_cores
    from zifglass.core.settings import settings_from
    from zifglass.io import cell_from_text, read
    from zifglass.report.measured import measured_files
    from zifglass.report.structure import write_surveys

    from .progress import Progress

    values: dict[str, object] = {}
    if quantities is not None:
        values["quantities"] = [name.strip() for name in quantities.split(",")]
    if temperature is not None:
        values["temperature"] = temperature
    settings = settings_from(SurveySettings, values, changes=change or ())
    box = None if cell is None else cell_from_text(cell)
    beside = measured_files(measured or [], settings)
    paths = _expanded(trajectories)
    read_all = {
        name: read(path, species_map=species_map, timestep=timestep, cell=box)
        for name, path in zip(_names(paths), paths, strict=True)
    }
    chosen = {name: _stretch(t, first, last)[::every] for name, t in read_all.items()}
    settings = with_linkers(
        settings, linker, lambda: {one.source: one[0] for one in chosen.values()},
        donor=settings.donor,
    )  # fmt: skip
    check_writable(output)
    with Progress("frames and pores") as bar:
        surveys = survey(
            chosen,
            settings=settings,
            processes=processes or usable_cores(),
            report=lambda done, total: bar.update(done, total=total),
        )
    total = write_surveys(surveys, settings, output, measured=beside)
    for quantity, reason in {k: v for s in surveys.values() for k, v in s.skipped.items()}.items():
        typer.echo(f"left out: {quantity} ({reason})", err=True)
    for note in dict.fromkeys(note for s in surveys.values() for note in s.notes):
        typer.echo(f"note: {note}", err=True)
    many = len(surveys) > 1
    _print(total, f"mean ± s.d. of {len(surveys)}" if many else "value ± std")
    typer.echo(f"written to {output}")


def _expanded(patterns: list[str]) -> list[Path]:
    """Paths from names and globs, each once, in the order given."""
    from glob import glob

    from zifglass.core import InputError
    from zifglass.io.formats import file_of

    paths: dict[Path, None] = {}
    for pattern in patterns:
        exists = file_of(pattern).exists()  # or a crystal that ships
        found = [pattern] if exists else sorted(glob(pattern))  # noqa: PTH207, may be absolute
        if not found:
            raise InputError("no such file, and no file matches it as a pattern", pattern)
        paths |= dict.fromkeys(Path(name) for name in found)
    return list(paths)


def _names(paths: list[Path]) -> list[str]:
    """A folder name per path: the stem, and as much of its folders as tells it from others."""
    names = [path.stem for path in paths]
    depth = 0
    while len(set(names)) < len(names) and depth < 8:
        depth += 1
        names = ["-".join([*path.resolve().parts[-1 - depth : -1], path.name]) for path in paths]
    return names


def _stretch(trajectory: Trajectory, first: float | None, last: float | None) -> Trajectory:
    """The frames between two times in ps, or between two frame numbers where there are none."""
    import numpy as np

    from zifglass.core import InputError
    from zifglass.core.units import ps

    if first is None and last is None:
        return trajectory
    times = trajectory.times
    clock = np.arange(len(trajectory)) if times is None else times / ps
    low, high = -np.inf if first is None else first, np.inf if last is None else last
    inside = np.nonzero((clock >= low - 1e-9) & (clock <= high + 1e-9))[0]
    if not len(inside):
        what = (
            "frame number (these frames carry no times: --timestep)" if times is None else "frame"
        )
        unit = "" if times is None else " ps"
        raise InputError(
            f"no {what} between {low:g} and {high:g}{unit}; there are {clock[0]:g} to "
            f"{clock[-1]:g}",
            trajectory.source,
        )
    return trajectory[int(inside[0]) : int(inside[-1]) + 1]


def _print(found: Mapping[str, Mapping[str, Quantity]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    titles = [name or title for name in found]
    table = Table("quantity", *titles, "unit", box=None, pad_edge=False)
    names = dict.fromkeys(name for each in found.values() for name in each)
    for name in names:
        row = [each[name] for each in found.values() if name in each]
        # Peaks of every pair and shares of zero fill a terminal; results.json has them.
        if name.startswith("rdf_first_peak") or (
            name.startswith(("rings_of", "coordination_fraction"))
            and all(quantity.value == 0 for quantity in row)
        ):
            continue
        cells = [_text(each[name]) if name in each else "" for each in found.values()]
        table.add_row(name, *cells, row[0].unit)
    Console(width=110 if not sys.stdout.isatty() else None).print(table)


def _text(quantity: Quantity) -> str:
    value, std = quantity.value, quantity.std
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    known = isinstance(std, int | float) and std == std
    return f"{text} ± {std:.2g}" if known and std else text
