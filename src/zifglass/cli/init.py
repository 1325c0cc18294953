"""`zifglass init`: a commented study file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    output: Annotated[
        Path, typer.Argument(help="The study file to write.", metavar="[STUDY.yaml]")
    ] = Path("study.yaml"),
    structure: Annotated[
        str, typer.Option(help="What to start from: zif4, zif8, or a structure file.")
    ] = "zif4",
    potential: Annotated[
        str,
        typer.Option("-p", "--potential", help="Name (zifglass potential list) or model file."),
    ] = "zif4-fast",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a study that runs as it is, with every setting explained beside its default.

    It holds structures × potentials × protocols × replicas × analyses × mechanics; times are in
    ps and fs, temperatures in K, pressures in GPa.
    """
    from zifglass.core import InputError
    from zifglass.core.files import write_text
    from zifglass.studies.template import template

    if output.exists() and not force:
        raise InputError("there is a file already; choose another name, or give --force", output)
    write_text(output, template(file=str(output), structure=structure, potential=potential))
    folder = output.with_suffix("").name
    typer.echo(
        f"{output} written; zifglass run {output} -o {folder} --dry-run says what it will take"
    )
