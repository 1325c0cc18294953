"""What a plan will take, from one measured evaluation of the potential."""

from __future__ import annotations

import time

from zifglass.core import Structure
from zifglass.io import read, structures

from ..potential import load
from ..stage import Stage, kind_of
from ..states import with_needs
from .plan import Plan
from .stages import CRYSTAL


def costs(plan: Plan, *, calls: int = 3) -> dict[str, tuple[float, float]]:
    """Stage → (seconds of dynamics on all cores, bytes), of those that are asked for. Evaluates
    each potential `calls` times on the crystal; time grows with the number of atoms."""
    crystal = structures.load(CRYSTAL)
    seconds: dict[str, float] = {}
    wanted = with_needs(plan.stages, plan.wanted())
    found = {}
    for stage in plan.stages:
        if stage.name not in wanted:
            continue
        estimate = kind_of(stage.kind).estimate
        if estimate is None or stage.potential is None:
            found[stage.name] = (0.0, 0.0)
            continue
        if stage.potential not in seconds:
            seconds[stage.potential] = _measured(stage.potential, crystal, calls)
        start = _start(stage, crystal)
        found[stage.name] = estimate(
            stage, start, seconds[stage.potential] * len(start) / len(crystal)
        )
    return found


def _start(stage: Stage, crystal: Structure) -> Structure:
    if "structure" in stage.inputs:
        return read(stage.inputs["structure"])[-1].structure
    return crystal.repeat((2, 2, 2))  # the only one that is made


def _measured(potential: str, structure: Structure, calls: int) -> float:
    loaded = load(potential)
    loaded(structure)
    began = time.perf_counter()
    for _ in range(calls):
        loaded(structure)
    return (time.perf_counter() - began) / calls
