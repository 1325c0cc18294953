"""`md` and `melt-quench`: a protocol carried out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zifglass.core import InputError, Quantity
from zifglass.core.settings import settings_from
from zifglass.studies.stage import Stage, StageContext, stage_kind

from .handover import STRUCTURE, cite_potential, starting_structure

if TYPE_CHECKING:
    from zifglass.core import Protocol, Structure
    from zifglass.dynamics import RunResult, RunSettings

_aside = {"checkpoint_seconds", "checkpoint_steps"}  # change no result


def md_stage(
    name: str,
    protocol: Protocol,
    *,
    potential: str,
    structure: str | None = None,
    file: str | Path | None = None,
    fork: str | None = None,
    seed: int = 0,
    run: RunSettings | None = None,
    kind: str = "md",
    array: str | None = None,
) -> Stage:
    """structure: the stage whose structure it starts from, or else `file`. fork: the md stage
    whose last velocities it takes over too. kind: ``melt-quench`` also reads off what the quench
    says, and takes a protocol with the segments ``quench`` and ``glass``."""
    from zifglass.dynamics import RunSettings, protocol_as_dict

    if kind == "melt-quench":
        _quench_segments(protocol)
    settings = (run or RunSettings()).model_dump(mode="json", exclude=_aside)
    aside = (run or RunSettings()).model_dump(mode="json", include=_aside)
    needs = {"structure": structure, "fork": fork}
    return Stage(
        name=name,
        kind=kind,
        settings={"protocol": protocol_as_dict(protocol), "seed": seed, "run": settings},
        inputs={} if file is None else {"structure": Path(file)},
        potential=potential,
        needs={role: need for role, need in needs.items() if need is not None},
        array=array,
        aside=aside,
    )


def _estimate(stage: Stage, structure: Structure, seconds: float) -> tuple[float, float]:
    from zifglass.dynamics import protocol_from
    from zifglass.dynamics.estimate import cost

    found = cost(protocol_from(stage.settings["protocol"]), structure, seconds)
    return found.seconds, float(found.bytes)


@stage_kind("md", method=2, estimate=_estimate)
def md(context: StageContext) -> None:
    """trajectory.h5, thermo.csv, structure.extxyz, and the means over the last segment."""
    from zifglass.dynamics import read_thermo

    _, result = _carry_out(context)
    thermo = read_thermo(context.folder)
    last = thermo["segment"] == thermo["segment"][-1]
    context.write_results(
        {
            name: _mean(thermo[column][last], unit)
            for name, column, unit in (
                ("temperature", "temperature_K", "K"),
                ("pressure_total", "pressure_total_GPa", "GPa"),
                ("density", "density_g_cm3", "g/cm³"),
                ("energy_potential", "energy_potential_eV", "eV"),
            )
        },
        **_about(result),
    )


@stage_kind("melt-quench", method=2, references=("castel2024",), estimate=_estimate)
def melt_quench(context: StageContext) -> None:
    """As md, and density, expansion and glass transition of the quench, with their figure."""
    from zifglass.dynamics import read_thermo
    from zifglass.dynamics.quench import quench_results
    from zifglass.report.figures.dynamics import draw_melt_quench

    protocol, result = _carry_out(context)
    quench, glass = _quench_segments(protocol)
    thermo = read_thermo(context.folder)
    draw_melt_quench(thermo, context.folder / "melt-quench")
    context.write_results(quench_results(thermo, segment=quench, glass=glass), **_about(result))


def _carry_out(context: StageContext) -> tuple[Protocol, RunResult]:
    from zifglass.dynamics import RunSettings, protocol_from
    from zifglass.dynamics.tasks import Task, carry_out
    from zifglass.io import write

    cite_potential(context)
    protocol = protocol_from(context.settings["protocol"])
    context.cite(*_sources(protocol))
    task = Task(
        protocol,
        starting_structure(context),
        context.stage.potential or "",
        context.folder,
        seed=context.settings["seed"],
        settings=settings_from(RunSettings, {**context.settings["run"], **context.stage.aside}),
        max_wall=context.max_wall,
        fork=context.results.get("fork"),
        threads=context.threads,
        loader=lambda name: context.potential(),
    )
    result = carry_out(task, note=context.note)
    write(context.folder / STRUCTURE, result.structure)
    return protocol, result


def _quench_segments(protocol: Protocol) -> tuple[int, int]:
    names = [segment.name for segment in protocol.segments]
    if not {"quench", "glass"} <= set(names):
        raise InputError(
            f"a melt-quench has segments called quench and glass; {protocol.name!r} has "
            f"{', '.join(names)}"
        )
    return names.index("quench"), names.index("glass")


def _sources(protocol: Protocol) -> list[str]:
    found: dict[str, None] = {"chodera2007": None}  # the errors of the means
    for segment in protocol.segments:
        kind = segment.ensemble
        if kind.startswith("minimise"):
            found["bitzek2006"] = None
        if kind.startswith("npt"):
            found |= {"martyna1994": None, "tuckerman2006": None}
        if kind.endswith("csvr"):
            found["bussi2007"] = None
            found |= {"bussi2009": None} if kind.startswith("npt") else {}
        elif segment.has_thermostat:
            found["martyna1996"] = None
    return list(found)


def _about(result: RunResult) -> Mapping[str, Any]:
    return {"segments": result.segments, "events": result.events, "steps": result.steps}


def _mean(values: np.ndarray[Any, Any], unit: str) -> Quantity:
    from zifglass.core.statistics import mean_of_series

    found = mean_of_series(values)
    if not np.isfinite(found.std):
        return Quantity(found.mean, None, unit, "one line of the thermo table: no error")
    return Quantity(found.mean, found.std, unit)
