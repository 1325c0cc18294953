"""`analyse`: every structural quantity of one trajectory or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zifglass.core import InputError
from zifglass.core.settings import settings_from
from zifglass.core.units import ps
from zifglass.studies.stage import Stage, StageContext, stage_kind

from .handover import frames_of

if TYPE_CHECKING:
    from zifglass.analysis.survey import Survey, SurveySettings
    from zifglass.core import Trajectory

_sources: Final[dict[str, tuple[str, ...]]] = {
    "rings": ("franzblau1991",),
    "pores": ("willems2012",),
    "msd": ("calandrini2011", "bulow2020"),
    "bonds": ("luzar1996",),
    "scattering": ("waasmaier1995", "soper2011"),
    "linkers": ("cordero2008",),
}


def analyse_stage(
    name: str,
    *,
    stages: Mapping[str, str] | None = None,
    files: Mapping[str, str | Path] | None = None,
    measured: Sequence[str | Path] = (),
    segment: str | None = None,
    first: float | None = None,
    last: float | None = None,
    every: int = 1,
    settings: SurveySettings | None = None,
) -> Stage:
    """stages: name of a trajectory → the stage that leaves it; files: name → file. measured:
    F(Q) and D(r) to compare with. segment: only that one of a run. first, last: ps. every: n-th
    frame."""
    from zifglass.analysis.survey import SurveySettings

    if not stages and not files:
        raise InputError(f"stage {name!r} analyses nothing: give it stages or files")
    inputs: dict[str, Path] = {f"trajectory:{n}": Path(path) for n, path in (files or {}).items()}
    inputs |= {f"measured:{Path(path).name}": Path(path) for path in measured}
    return Stage(
        name=name,
        kind="analyse",
        settings={
            "survey": (settings or SurveySettings()).model_dump(mode="json"),
            "segment": segment,
            "first": first,
            "last": last,
            "every": every,
        },
        inputs=inputs,
        needs=dict(stages or {}),
    )


@stage_kind("analyse", method=2)
def analyse(context: StageContext) -> None:
    """results.json, and a table and a figure per quantity, as `zifglass analyse` leaves them."""
    from zifglass.analysis.survey import SurveySettings, survey
    from zifglass.report.measured import measured_files
    from zifglass.report.structure import write_surveys

    settings = settings_from(SurveySettings, context.settings["survey"])
    measured = [p for role, p in context.stage.inputs.items() if role.startswith("measured:")]
    beside = measured_files(measured, settings)
    surveys = survey(_trajectories(context), settings=settings, processes=context.threads)
    for sentence in _remarks(surveys):
        context.note(sentence)
    write_surveys(surveys, settings, context.folder, measured=beside)
    quantities = dict.fromkeys(q for one in surveys.values() for q in one.results)
    context.cite(*(key for quantity in quantities for key in _sources.get(quantity, ())))


def _trajectories(context: StageContext) -> dict[str, Trajectory]:
    from zifglass.io import read

    segment = context.settings["segment"]
    found = {role: frames_of(path, segment=segment) for role, path in context.results.items()}
    for role, path in context.stage.inputs.items():
        if role.startswith("trajectory:"):
            found[role.removeprefix("trajectory:")] = read(path)
    return {name: _chosen(frames, context.settings) for name, frames in found.items()}


def _chosen(frames: Trajectory, settings: Mapping[str, Any]) -> Trajectory:
    first, last, every = settings["first"], settings["last"], settings["every"]
    if first is not None or last is not None:
        if frames.times is None:
            raise InputError("these frames carry no times to choose by", frames.source)
        times = frames.times / ps
        low = float("-inf") if first is None else first - 1e-9
        high = float("inf") if last is None else last + 1e-9
        inside = ((times >= low) & (times <= high)).nonzero()[0]
        if not len(inside):
            raise InputError(
                f"no frame in the ps asked for; there are {times[0]:g} to {times[-1]:g} ps",
                frames.source,
            )
        frames = frames[int(inside[0]) : int(inside[-1]) + 1]
    return frames[::every]


def _remarks(surveys: Mapping[str, Survey]) -> list[str]:
    skipped = {k: v for one in surveys.values() for k, v in one.skipped.items()}
    notes = dict.fromkeys(note for one in surveys.values() for note in one.notes)
    return [*(f"left out: {name} ({why})" for name, why in skipped.items()), *notes]
