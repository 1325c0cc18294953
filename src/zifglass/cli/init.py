"""`zifglass init`: a commented study file to begin with."""

from __future__ import annotations

import os
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
    ps and fs, temperatures in K, pressures in GPa. Files are given as seen from here.
    """
    from zifglass.core import InputError
    from zifglass.core.files import write_text
    from zifglass.studies.template import template

    if output.suffix not in (".yaml", ".yml"):
        raise InputError("the name of a study file ends in .yaml", output)
    if output.exists() and not force:
        raise InputError("there is a file already; choose another name, or give --force", output)
    structure = _structure(structure, output.parent)
    potential = _potential(potential, output.parent)
    write_text(output, template(file=str(output), structure=structure, potential=potential))
    folder = output.with_suffix("").name
    typer.echo(
        f"{output} written; zifglass run {output} -o {folder} --dry-run says what it will take"
    )


def _structure(text: str, folder: Path) -> str:
    """A shipped name as it is, a file as a study in `folder` sees it."""
    from zifglass.core import InputError
    from zifglass.io.structures import NAMES

    if text in NAMES:
        return text
    if not Path(text).expanduser().is_file():
        names = " and ".join(NAMES)
        raise InputError(f"no such structure file, and the names that ship are {names}", text)
    return _seen_from(folder, text)


def _potential(text: str, folder: Path) -> str:
    """A name or a Python function as it is, a file as a study in `folder` sees it."""
    from zifglass.potentials import catalogue

    prefix = "nequip:" if text.startswith("nequip:") else ""
    if text.startswith("python:"):
        return text
    if Path(text.removeprefix(prefix)).expanduser().is_file():
        return prefix + _seen_from(folder, text.removeprefix(prefix))
    if prefix or os.sep in text or Path(text).suffix:
        from zifglass.core import InputError

        raise InputError("no such model file", text)
    return catalogue.entry(text).name


def _seen_from(folder: Path, text: str) -> str:
    path = Path(text).expanduser()
    return str(path) if path.is_absolute() else os.path.relpath(path, folder)
