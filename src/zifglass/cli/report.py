"""`zifglass report`: one self-contained page of a run, an analysis, moduli or a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zifglass.report.folders import StageWord


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A run (zifglass md, melt-quench), an analysis (analyse), moduli (mechanics), a "
            "study (run), or a folder of such folders; what it is, is recognised."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The page, an HTML file. [FOLDER/page.html]"),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Of the page, in place of the folder's name.")
    ] = None,
    megabytes: Annotated[
        float,
        typer.Option(
            min=0.01, help="Of trajectories in the page, MB; frames are thinned evenly to fit."
        ),
    ] = 3.0,
) -> None:
    """Write one HTML file that shows everything: it needs no network and opens from a mail.

    Summary, the glass in 3D (rings, pores, broken linkers, the trajectory played), the thermo log
    (K, GPa, g/cm³, eV against ps), figures, tables with errors and units, settings, provenance;
    every table and curve can be saved as CSV.
    """
    from zifglass.core import InputError
    from zifglass.core.files import check_writable
    from zifglass.report.folders import folder_page
    from zifglass.report.page import write_page

    target = output or folder / "page.html"
    if target.is_dir():
        raise InputError("a folder is there; give the name of an HTML file", target)
    if folder.exists():
        check_writable(target.parent)
    try:
        page = folder_page(folder, states=_states(folder), title=title, budget=1e6 * megabytes)
    except PermissionError as error:
        raise InputError(f"cannot read: {error.strerror}", error.filename) from error
    write_page(page, target)
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB; open it in any browser")


def _states(folder: Path) -> dict[str, StageWord] | None:
    """Of the stages of a study, with the checksums of their results looked at."""
    if not (folder / "plan.json").exists():
        return None
    from zifglass.core import ZifglassError
    from zifglass.report.folders import StageWord
    from zifglass.studies.place import Place, read_plan
    from zifglass.studies.states import states

    place = Place(folder.resolve())
    try:
        found = states(place, read_plan(place))
    except ZifglassError:
        return None  # a plan of kinds that are not installed here: its records are believed
    return {name: StageWord(s.word, s.sentence, s.seconds) for name, s in found.items()}
