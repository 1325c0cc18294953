"""What a study will take, before it starts: time and disk of every stage, from one measured step
per composition, density and potential on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zifglass.core import InputError, Structure, ZifglassError
from zifglass.core.settings import settings_from

from .kinds import kind_of
from .place import Plan
from .potential import load
from .stage import Stage
from .states import StageState
from .work.prepare import PrepareSettings, prepared


@dataclass(frozen=True)
class Forecast:
    """Of one stage. seconds: with all cores of this machine to itself; bytes: of its results.
    None where nothing is known (analyses: seconds to minutes), 0 where it has finished."""

    stage: Stage
    seconds: float | None
    bytes: float | None


def forecast(
    plan: Plan, states: Mapping[str, StageState], *, tell: Callable[[str], None] = lambda _: None
) -> list[Forecast]:
    """Of every stage of `states`, in the order of the work. Loads every potential once.

    tell: told what is measured. Raises InputError where a potential or structure cannot be read.
    """
    clock = _Clock(plan, tell)
    found = []
    for stage in plan.stages:
        if stage.name not in states:
            continue
        if states[stage.name].is_finished:
            found.append(Forecast(stage, 0.0, 0.0))
            continue
        estimate = kind_of(stage.kind).estimate
        structure = None if estimate is None else clock.structure_of(stage)
        if estimate is None or structure is None:
            found.append(Forecast(stage, None, None))
            continue
        each = 0.0 if stage.potential is None else clock.seconds(stage)
        found.append(Forecast(stage, *estimate(stage, structure, each)))
    return found


class _Clock:
    """Measured steps, one per potential and what a step's time depends on: the composition of the
    starting structure and, to a tenth, its volume."""

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self._by_name = {stage.name: stage for stage in plan.stages}
        self._tell = tell
        self._structures: dict[str, Structure] = {}
        self._seconds: dict[tuple[str, int, str], float] = {}

    def structure_of(self, stage: Stage) -> Structure | None:
        """What it starts from, as far as that is known before anything has run: the structure as
        prepared, but for its relaxation and dynamics."""
        source = self._source(stage)
        if source is None:
            return None
        if source.name not in self._structures:
            self._structures[source.name] = _structure_in(source)
        return self._structures[source.name]

    def seconds(self, stage: Stage) -> float:
        structure, potential = self.structure_of(stage), stage.potential
        assert structure is not None and potential is not None
        tenths = round(10.0 * math.log(structure.volume))
        key = (structure.formula, tenths, potential)
        if key not in self._seconds:
            from zifglass.dynamics.estimate import seconds_per_step

            try:
                each = seconds_per_step(structure, load(potential))
            except ZifglassError as error:
                raise InputError(f"stage {stage.name!r}: {error}") from error
            self._tell(
                f"{potential}: {1e3 * each:.3g} ms per step of {structure.formula} (measured)"
            )
            self._seconds[key] = each
        return self._seconds[key]

    def _source(self, stage: Stage) -> Stage | None:
        """The stage whose input file it all began with."""
        while "structure" in stage.needs:
            stage = self._by_name[stage.needs["structure"]]
        return stage if "structure" in stage.inputs else None


def _structure_in(stage: Stage) -> Structure:
    from zifglass.io import read, species_map_from_text

    path = stage.inputs["structure"]
    if stage.kind != "prepare":
        return read(path)[-1].structure
    given = {k: v for k, v in stage.settings.items() if k in PrepareSettings.model_fields}
    settings = settings_from(PrepareSettings, given)
    text = settings.species_map
    mapping = None if text is None else species_map_from_text(text)
    return prepared(read(path, species_map=mapping)[-1].structure, settings)
