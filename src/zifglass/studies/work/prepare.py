"""`prepare`: the structure a study starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from zifglass.core import InputError, Quantity
from zifglass.core.settings import Settings, settings_from
from zifglass.studies.stage import Stage, StageContext, stage_kind

from .handover import STRUCTURE, cite_potential, starting_structure

if TYPE_CHECKING:
    from zifglass.core import Structure
    from zifglass.potentials.relax import RelaxSettings

_sources = {"zif4": "castel2024", "zif8": "park2006"}
_evaluations = 300  # of a relaxation, for the estimate


def _three(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = value.lower().split("x")
    if not all(part.strip().isdigit() for part in parts):
        raise ValueError("a supercell is written 2x2x2")
    return [int(part) for part in parts]


def _no(value: Any) -> Any:
    """YAML reads an unquoted no as false."""
    return "no" if value is False else value


class PrepareSettings(Settings):
    """What is done to a structure before anything else."""

    supercell: Annotated[tuple[int, int, int], BeforeValidator(_three)] = Field(
        default=(1, 1, 1), description="Copies along the three cell vectors, such as 2x2x2."
    )
    volume_change: float = Field(
        default=0.0,
        gt=-0.5,
        lt=1.0,
        description="Affine change of the volume, atoms moving along; 0.02 is +2 %.",
    )
    relax: Annotated[Literal["no", "atoms", "cell"], BeforeValidator(_no)] = Field(
        default="no", description="Relax nothing, the atoms in their cell, or atoms and cell."
    )
    species_map: str | None = Field(
        default=None, description="LAMMPS types or labels to elements: 1=C,2=H,3=N,4=Zn."
    )


def prepare_stage(
    name: str,
    structure: str | Path,
    *,
    settings: PrepareSettings | None = None,
    relaxation: RelaxSettings | None = None,
    potential: str | None = None,
) -> Stage:
    """structure: name of a shipped one, or a file whose last frame is taken. relaxation,
    potential: for `settings.relax`."""
    from zifglass.io import structures

    chosen = settings or PrepareSettings()
    path = structures.path_of(str(structure)) if str(structure) in structures.NAMES else structure
    if chosen.relax != "no" and potential is None:
        raise InputError(f"stage {name!r} relaxes its structure and has no potential to do it with")
    plain = chosen.model_dump(mode="json")
    if chosen.relax != "no":
        from zifglass.potentials.relax import RelaxSettings

        plain["relaxation"] = (relaxation or RelaxSettings()).model_dump(mode="json")
    return Stage(
        name=name,
        kind="prepare",
        settings=plain,
        inputs={"structure": Path(path)},
        potential=None if chosen.relax == "no" else potential,
    )


def _estimate(stage: Stage, structure: Structure, seconds: float) -> tuple[float, float]:
    relaxes = stage.settings["relax"] != "no"
    return (_evaluations * seconds if relaxes else 0.0), 200.0 * len(structure)


@stage_kind("prepare", method=1, estimate=_estimate)
def prepare(context: StageContext) -> None:
    """structure.extxyz: the last frame of the input, repeated, scaled, relaxed."""
    from zifglass.io import structures, write

    given = {k: v for k, v in context.settings.items() if k != "relaxation"}
    settings = settings_from(PrepareSettings, given)
    structure = prepared(_read(context, settings.species_map), settings)
    about: dict[str, Any] = {}
    if settings.relax != "no":
        structure, about = _relaxed(context, structure, settings.relax)
    for shipped, key in _sources.items():
        if context.input("structure").resolve() == structures.path_of(shipped).resolve():
            context.cite(key)
    write(context.folder / STRUCTURE, structure)
    note = "a property of the structure as given"
    context.write_results(
        {
            "atoms": Quantity(len(structure), None, "1"),
            "volume": Quantity(structure.volume, None, "Å³", note),
            "density": Quantity(structure.density_g_per_cm3, None, "g/cm³", note),
        },
        formula=structure.formula,
        **about,
    )


def prepared(structure: Structure, settings: PrepareSettings) -> Structure:
    """Repeated and scaled, not relaxed."""
    structure = structure.repeat(settings.supercell)
    if settings.volume_change:
        factor = (1.0 + settings.volume_change) ** (1.0 / 3.0)
        structure = structure.scaled_to(structure.cell * factor)
    return structure


def _read(context: StageContext, species_map: str | None) -> Structure:
    if species_map is None:
        return starting_structure(context)
    from zifglass.io import read, species_map_from_text

    mapping = species_map_from_text(species_map)
    return read(context.input("structure"), species_map=mapping)[-1].structure


def _relaxed(
    context: StageContext, structure: Structure, what: str
) -> tuple[Structure, dict[str, Any]]:
    import warnings

    from zifglass.core import ZifglassError
    from zifglass.potentials import relax

    cite_potential(context)
    settings = settings_from(relax.RelaxSettings, context.settings["relaxation"])
    action = relax.relax_cell if what == "cell" else relax.relax_positions
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", relax.ClosedPoreWarning)
        result = action(context.potential(), structure, settings=settings)
    for item in seen:
        context.note(str(item.message))
    if not result.converged:
        raise ZifglassError(
            f"the relaxation of {structure.formula} did not converge in {result.steps} steps: "
            "allow more (relaxation.max_steps) or ask for less (relaxation.forces)"
        )
    return result.structure, {"relaxation": result.as_results()}
