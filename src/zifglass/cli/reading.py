"""The options of every command that reads files which do not say everything themselves."""

from __future__ import annotations

from typing import Annotated

import typer

SpeciesMapOption = Annotated[
    str | None,
    typer.Option(help="LAMMPS types or labels to elements: 1=C,2=H,3=N,4=Zn, or C,H,N,Zn."),
]
TimestepOption = Annotated[
    float | None,
    typer.Option(help="fs per step of the file's clock, or between frames without one."),
]
UnitsOption = Annotated[
    str | None,
    typer.Option(help="metal or real, for LAMMPS files that do not say (metal otherwise)."),
]
