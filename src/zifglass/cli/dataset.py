"""`zifglass dataset`: lint, select, split, fetch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .linkers import LinkerOption, with_linkers

group = typer.Typer(no_args_is_help=True, help="From labelled frames to a training set.")

Files = Annotated[list[Path], typer.Argument(help="Labelled frames: extxyz, npz, native…")]
Change = Annotated[
    list[str] | None, typer.Option("--set", help="Change a bound: temperature=1500 (K).")
]


class Method(StrEnum):
    """How frames are chosen."""

    flat = "flat"
    farthest = "farthest"


class Order(StrEnum):
    """How frames are dealt to the parts."""

    sequential = "sequential"
    blocks = "blocks"


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="dataset")


@group.command("lint")
def lint(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Labelled frames: extxyz, npz, native…")
    ] = None,
    train: Annotated[list[Path] | None, typer.Option(help="Files of the training part.")] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="Files of the validation.")] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Files of the test part.")] = None,
    potential: Annotated[
        str | None, typer.Option(help="Name or path of a potential that predicts the stress.")
    ] = None,
    liquid_of: Annotated[
        Path | None,
        typer.Option(
            help="The set is meant to be liquid, molten from this crystal: find the rest."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="JSON report.")] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            help="Write FILE with the ionic kinetic part taken out of its stress (eV/Å³)."
        ),
    ] = None,
    change: Change = None,
    linker: LinkerOption = None,
) -> None:
    """Look for everything that makes a training set wrong: units, signs, kinetic part of the
    stress, missing shear, duplicates, outliers, broken linkers, leakage between parts.

    The exit status is 1 if there is an error among the findings.
    """
    from zifglass import datasets
    from zifglass.core import InputError, ZifglassError
    from zifglass.core.files import write_json
    from zifglass.core.settings import settings_from
    from zifglass.io import read
    from zifglass.potentials import load_potential

    named = {"train": train, "validation": validation, "test": test, "all": files}
    parts = {name: [read(path) for path in paths] for name, paths in named.items() if paths}
    if not parts or ("all" in parts and len(parts) > 1):
        raise InputError("give files to look at, or the parts of a split by --train, --test, …")
    settings = settings_from(datasets.LintSettings, changes=change or ())
    settings = with_linkers(
        settings, linker,
        lambda: {one.source: one[0] for part in parts.values() for one in part},
    )  # fmt: skip
    report = datasets.lint(
        parts,
        settings=settings,
        potential=load_potential(potential) if potential else None,
        crystal=read(liquid_of)[-1].structure if liquid_of else None,
    )
    for item in report.findings:
        typer.echo(str(item))
    for note in report.notes:
        typer.echo(f"note: {note}")
    if output is not None:
        write_json(output, report.as_dict() | {"settings": settings.model_dump(mode="json")})
    if fix is not None:
        _fix(fix, [item for part in parts.values() for item in part], report, settings)
    if report.errors:
        raise ZifglassError(f"{len(report.errors)} errors: do not train on this before mending it")


def _fix(path: Path, trajectories: list[Any], report: Any, settings: Any) -> None:
    from zifglass import datasets
    from zifglass.core import InputError
    from zifglass.io import write

    if len(trajectories) != 1:
        raise InputError("--fix mends one file at a time")
    if not {"stress.kinetic", "stress.kinetic-suspected"} & set(report.codes()):
        raise InputError("there is nothing to fix: no kinetic part was found in the stress")
    data = datasets.labelled_set(trajectories[0])
    mass = settings.hydrogen_mass or datasets.hydrogen_mass_of(data)
    write(
        path,
        datasets.corrected(trajectories[0], hydrogen_mass=mass, temperature=settings.temperature),
    )
    typer.echo(f"{path}: stress without the ionic kinetic part")


@group.command("select")
def select(
    files: Files,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Frames in all.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the frames go.")],
    method: Annotated[
        Method,
        typer.Option(
            help="flat: histogram of the potential energy per atom (eV), each file on its own; "
            "farthest: farthest points of smeared pair distances."
        ),
    ] = Method.flat,
    scalar: Annotated[
        str | None, typer.Option(help="Flatten this extra of the frames instead of the energy.")
    ] = None,
    bins: Annotated[int, typer.Option(min=2, help="Of the histogram.")] = 50,
    minimum_gap: Annotated[float, typer.Option(min=0, help="fs between any two frames.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
) -> None:
    """Choose exactly COUNT frames, evenly shared between the files."""
    import numpy as np

    from zifglass import datasets
    from zifglass.io import read, write

    rng = np.random.default_rng(seed)
    trajectories = [read(path) for path in files]
    shares = datasets.share_out(count, [len(item) for item in trajectories])
    frames: list[Any] = []
    for path, trajectory, share in zip(files, trajectories, shares, strict=True):
        if share == 0:
            continue
        times = trajectory.times
        if method is Method.flat:
            values = (
                datasets.potential_energy_per_atom(trajectory)
                if scalar is None
                else datasets.scalar_of(trajectory, scalar)
            )
            chosen = datasets.select_flat(
                values, share, rng=rng, bins=bins, times=times, minimum_gap=minimum_gap
            )
        else:
            descriptors = datasets.pair_descriptor(trajectory)
            chosen = datasets.select_farthest(
                descriptors, share, rng=rng, times=times, minimum_gap=minimum_gap
            )
        frames += [trajectory[int(index)] for index in chosen.indices]
        typer.echo(f"{path}: {share} of {len(trajectory)} frames")
    write(output, frames)


@group.command("split")
def split(
    file: Annotated[Path, typer.Argument(help="Labelled frames.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of train, validation, test .extxyz.")
    ],
    sizes: Annotated[
        str, typer.Option(help="Frames of training/validation/test.")
    ] = "2375/190/135",
    order: Annotated[
        Order,
        typer.Option(help="sequential: in the order of the file (the paper); blocks: by time."),
    ] = Order.sequential,
    gap: Annotated[float, typer.Option(min=0, help="fs left out between parts (blocks).")] = 0.0,
    blocks: Annotated[int, typer.Option(min=1, help="Pieces of each run (blocks).")] = 1,
    seed: Annotated[int, typer.Option(help="Of the order of the parts in a piece.")] = 0,
) -> None:
    """Split into training, validation and test."""
    import numpy as np

    from zifglass import datasets
    from zifglass.core import InputError
    from zifglass.io import read, write

    try:
        wanted = tuple(int(word) for word in sizes.split("/"))
    except ValueError:
        raise InputError(f"sizes read 2375/190/135; got {sizes!r}") from None
    if len(wanted) != 3:
        raise InputError(f"sizes are three numbers, training/validation/test; got {sizes!r}")
    trajectory = read(file)
    if order is Order.sequential:
        if gap or blocks > 1:
            raise InputError("--gap and --blocks belong to --order blocks")
        parts = datasets.split_sequential(len(trajectory), wanted)
    else:
        data = datasets.labelled_set(trajectory)
        parts = datasets.split_blocks(
            data.runs(),
            wanted,
            rng=np.random.default_rng(seed),
            times=data.times,
            gap=gap,
            blocks=blocks,
        )
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        write(output / f"{name}.extxyz", [trajectory[int(index)] for index in part])
        typer.echo(f"{output / name}.extxyz: {len(part)} frames")


@group.command("fetch")
def fetch(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of downloads.")],
    record: Annotated[
        str | None, typer.Option(help="Zenodo record; default: the published AIMD (10015593).")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Only this file of the record; may be repeated.")
    ] = None,
    api: Annotated[str | None, typer.Option(help="Where records are asked for.")] = None,
) -> None:
    """Download the published AIMD trajectories; size and checksum come from their record."""
    from zifglass import datasets
    from zifglass.cli.progress import Progress

    with Progress("bytes") as bar:
        paths = datasets.fetch(
            output,
            record=record or datasets.AIMD_RECORD,
            names=tuple(name or ()),
            api=api or datasets.ZENODO,
            progress=lambda file, done, total: bar.update(done, total=total, what=file),
        )
    for path in paths:
        typer.echo(str(path))
