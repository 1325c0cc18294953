"""`zifglass`: parses, calls, prints. No science here."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Annotated

import typer

from zifglass.core.errors import ZifglassError

app = typer.Typer(
    name="zifglass",
    help="Glasses of zeolitic imidazolate frameworks: potentials, dynamics, structure, mechanics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

# One module per group of commands; each has `register(app)`.
_groups: tuple[str, ...] = (
    "aimd",
    "analyse",
    "cite",
    "convert",
    "dataset",
    "doctor",
    "evaluate",
    "init",
    "label",
    "lammps",
    "md",
    "mechanics",
    "melt_quench",
    "potential",
    "relax",
    "report",
    "reproduce",
    "run",
    "singlepoint",
    "train",
    "uncertainty",
)


def _version(wanted: bool) -> None:
    if wanted:
        from zifglass import __version__

        typer.echo(f"zifglass {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["ZIFGLASS_DEBUG"] = "1"


for _group in _groups:
    importlib.import_module(f"zifglass.cli.{_group}").register(app)


def main() -> None:
    """Run the command line; a ZifglassError becomes one sentence and its exit status."""
    warnings.formatwarning = lambda message, *_, **__: f"zifglass: {message}\n"
    try:
        app()
    except ZifglassError as error:
        if os.environ.get("ZIFGLASS_DEBUG"):
            raise
        print(f"zifglass: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("zifglass: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
