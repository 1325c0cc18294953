"""`zifglass cite` and `zifglass export`: what a study rests on, and the study as an RO-Crate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("cite")(cite)
    app.command("export")(export)


def cite(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a study; without one, everything.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [standard output]")
    ] = None,
) -> None:
    """BibTeX of every method and datum that the finished stages of a study used, each once, with
    the stages that used it."""
    from zifglass.core.files import write_text
    from zifglass.studies.citation import bibtex, keys_of, references
    from zifglass.studies.place import Place, read_plan

    if folder is None:
        text = bibtex(references())
    else:
        place = Place(folder.resolve())
        used = keys_of(place, read_plan(place))
        text = bibtex(used, used_by=used)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
        typer.echo(f"{output} written", err=True)


def export(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished study.")],
    name: Annotated[str | None, typer.Option(help="Of the crate. [the study's]")] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Name of an author; may be repeated.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            help="URL of the licence of the results, such as "
            "https://creativecommons.org/licenses/by/4.0/."
        ),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Describe what has finished of one that has not.")
    ] = False,
) -> None:
    """Describe a study as an RO-Crate: ro-crate-metadata.json in its folder.

    Files with their SHA-256, and for every stage its settings, input, software, host and times.
    The crate is the folder; pack and deposit it as it is.
    """
    from zifglass.core import InputError
    from zifglass.studies.crate import write_crate
    from zifglass.studies.place import Place, read_plan
    from zifglass.studies.states import states

    for text, what in ((licence, "licence"), *((one, "author") for one in author or ())):
        if text is not None and not text.strip():
            raise InputError(f"--{what} is empty; leave it out, or give one")
    if licence is not None and not licence.startswith(("http://", "https://")):
        raise InputError(f"a licence is given by its URL (https://…); got {licence!r}")
    place = Place(folder.resolve())
    plan = read_plan(place)
    path = write_crate(
        place,
        plan,
        states(place, plan),
        name=name or _name(place.root),
        authors=author or (),
        licence=licence,
        unfinished=unfinished,
    )
    typer.echo(f"{path} written")


def _name(root: Path) -> str:
    """The study's own name, where its file is there."""
    import yaml

    try:
        found = yaml.safe_load((root / "study.yaml").read_text(encoding="utf-8"))
        return str(found["name"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return root.name
