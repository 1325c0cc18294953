"""The option `--linker` of every command that looks for linkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from zifglass.analysis.survey import SurveySettings
    from zifglass.core import Frame, Structure
    from zifglass.datasets import LintSettings
    from zifglass.dynamics import RunSettings
    from zifglass.mechanics import StrainSweepSettings

S = TypeVar("S", "SurveySettings", "LintSettings", "RunSettings", "StrainSweepSettings")

LinkerOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--linker",
        metavar="FILE",
        help="A linker besides imidazolate, 2-methylimidazolate and benzimidazolate: structure "
        "file (Å) of the molecule, deprotonated or as the acid, or of a crystal that it alone "
        "builds with metals; named after the file. May be given again.",
    ),
]


def with_linkers(
    settings: S,
    files: Sequence[Path] | None,
    structures: Callable[[], Mapping[str, Structure | Frame]],
    *,
    donor: str = "N",
) -> S:
    """`settings` that look for the linkers in `files` too. Raises InputError where one of them is
    in none of `structures` (where from → structure, asked for only then)."""
    if not files:
        return settings
    from zifglass.analysis import read_linker

    own = [
        read_linker(path, donor=donor, note=lambda text: typer.echo(f"note: {text}", err=True))
        for path in files
    ]
    looked_for = settings.linkers.with_own(own)
    looked_for.check_present(structures())
    return settings.model_copy(update={"linkers": looked_for})
