"""`strain-sweep`, `fluctuations`, `static`: moduli and density of one structure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from zifglass.core import Quantity
from zifglass.core.settings import settings_from
from zifglass.studies.stage import Stage, StageContext, stage_kind

from .handover import cite_potential, frames_of, starting_structure

if TYPE_CHECKING:
    from zifglass.core import Structure
    from zifglass.mechanics import FluctuationSettings, StaticSettings, StrainSweepSettings

_static_evaluations = 25 * 40  # of 25 relaxations, for the estimate


def strain_sweep_stage(
    name: str,
    *,
    potential: str,
    structure: str | None = None,
    file: str | Path | None = None,
    settings: StrainSweepSettings | None = None,
    seed: int = 0,
) -> Stage:
    """structure: the stage whose structure is strained, or else `file`."""
    from zifglass.mechanics import StrainSweepSettings

    plain = (settings or StrainSweepSettings()).model_dump(mode="json")
    return _of_structure(
        name, "strain-sweep", {"sweep": plain, "seed": seed}, potential, structure, file
    )


def static_stage(
    name: str,
    *,
    potential: str,
    structure: str | None = None,
    file: str | Path | None = None,
    settings: StaticSettings | None = None,
) -> Stage:
    """structure: the stage whose structure is relaxed and strained, or else `file`."""
    from zifglass.mechanics import StaticSettings

    plain = (settings or StaticSettings()).model_dump(mode="json")
    return _of_structure(name, "static", {"static": plain}, potential, structure, file)


def fluctuations_stage(
    name: str,
    run: str,
    *,
    temperature: float,
    segment: str | None = None,
    settings: FluctuationSettings | None = None,
    seed: int = 0,
) -> Stage:
    """run: the flexible-cell md stage; segment: only that one of it. temperature: of its
    thermostat, K. seed: of the bootstrap."""
    from zifglass.mechanics import FluctuationSettings

    return Stage(
        name=name,
        kind="fluctuations",
        settings={
            "temperature": temperature,
            "segment": segment,
            "seed": seed,
            "fluctuations": (settings or FluctuationSettings()).model_dump(mode="json"),
        },
        needs={"run": run},
    )


def _of_structure(
    name: str,
    kind: str,
    settings: dict[str, object],
    potential: str,
    structure: str | None,
    file: str | Path | None,
) -> Stage:
    return Stage(
        name=name,
        kind=kind,
        settings=settings,
        inputs={} if file is None else {"structure": Path(file)},
        potential=potential,
        needs={} if structure is None else {"structure": structure},
    )


def _sweep_estimate(stage: Stage, structure: Structure, seconds: float) -> tuple[float, float]:
    """With one step more in each direction than the fewest; what is needed shows on the way."""
    from zifglass import mechanics
    from zifglass.dynamics.estimate import cost

    settings = settings_from(mechanics.StrainSweepSettings, stage.settings["sweep"])
    first = cost(mechanics.preparation_protocol(settings), structure, seconds)
    step = cost(mechanics.step_protocol("expansion", settings), structure, seconds)
    steps = 2 * min(settings.min_steps + 1, settings.max_steps)
    return first.seconds + steps * step.seconds, float(first.bytes + steps * step.bytes)


@stage_kind(
    "strain-sweep", method=1, references=("castel2024", "birch1947"), estimate=_sweep_estimate
)
def strain_sweep(context: StageContext) -> None:
    """K₀ and ρ₀ from total pressures at a ladder of volumes; each run in a folder of its own."""
    from zifglass.mechanics import StrainSweepSettings
    from zifglass.report.mechanics import write_sweep
    from zifglass.studies.sweep import Sweep, finished_holds, run_sweep

    cite_potential(context)
    context.cite("martyna1996", "bitzek2006")
    settings = settings_from(StrainSweepSettings, context.settings["sweep"])
    structure = starting_structure(context)
    left = context.max_wall
    run_sweep(
        Sweep(
            context.folder,
            structure,
            context.stage.potential or "",
            settings,
            context.settings["seed"],
            threads=context.threads,
            deadline=None if left is None else time.monotonic() + left,
            note=context.note,
        )
    )
    holds = finished_holds(context.folder, settings, n_atoms=len(structure))
    result, _ = write_sweep(
        context.folder, holds, mass=float(structure.masses.sum()), settings=settings
    )
    context.note(f"window: {result.window.reason}")


@stage_kind("fluctuations", method=1, references=("parrinello1982", "hill1952"))
def fluctuations(context: StageContext) -> None:
    """K and C from the fluctuations of a flexible cell, with running moduli."""
    import numpy as np

    from zifglass import mechanics
    from zifglass.core.structure import masses_of
    from zifglass.report.mechanics import write_fluctuations

    context.cite("hartlap2007", "mouhat2014", "gaillac2016", "chodera2007", "chodera2016")
    frames = frames_of(context.result("run"), segment=context.settings["segment"])
    result = mechanics.strain_fluctuations(
        frames,
        temperature=context.settings["temperature"],
        generator=np.random.default_rng(context.settings["seed"]),
        settings=settings_from(mechanics.FluctuationSettings, context.settings["fluctuations"]),
    )
    mass = float(masses_of(frames.numbers).sum())
    write_fluctuations(context.folder, result, mass=mass)
    context.note(f"{result.verdict.word}: {result.verdict.sentence}")


def _static_estimate(stage: Stage, structure: Structure, seconds: float) -> tuple[float, float]:
    return _static_evaluations * seconds, 200.0 * len(structure)


@stage_kind(
    "static", method=1, references=("hill1952", "mouhat2014", "liu1989"), estimate=_static_estimate
)
def static(context: StageContext) -> None:
    """The elastic tensor at 0 K, atoms and cell relaxed."""
    from zifglass import mechanics
    from zifglass.report.mechanics import write_static

    cite_potential(context)
    context.cite("gaillac2016")
    result = mechanics.static_elasticity(
        context.potential(),
        starting_structure(context),
        settings=settings_from(mechanics.StaticSettings, context.settings["static"]),
    )
    found: dict[str, Quantity] = write_static(context.folder, result)
    for verdict in (result.stability, result.collapse):
        context.note(f"{verdict.word}: {verdict.sentence}")
    context.note(f"K (Hill, 0 K) {found['bulk_modulus_hill'].value:.3f} GPa")
