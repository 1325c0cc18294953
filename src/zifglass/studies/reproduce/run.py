"""Run the stages of a plan, read off every number and figure, write what came out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zifglass.core import Quantity, Stopped
from zifglass.core.files import write_json, write_text
from zifglass.report.page import write_page

from ..forecast import Forecast, forecast
from ..place import Place
from ..place import make_plan as plan_of_stages
from ..published import Comparison, castel2024
from ..runner import run_stages
from ..states import StageState, states, with_needs
from .budgets import shortened
from .figures import draw_all
from .found import Found, Missing
from .page import page_of
from .plan import Plan
from .result import Reproduction
from .rows import comparisons


def reproduce(
    plan: Plan,
    folder: str | Path,
    *,
    cores: int | None = None,
    max_wall: float | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Reproduction:
    """Do what is left of the work of `plan` in `folder`, and write results.json, numbers.csv,
    figures/ and reproduce.html there.

    A stage that fails is a row *not run* with its reason. Raises Stopped, with everything saved
    and what there is written, after a signal or `max_wall` seconds.
    """
    folder = Path(folder)
    wanted = plan.wanted()
    stopped: Stopped | None = None
    if wanted:
        try:
            run_stages(plan.stages, folder, cores=cores, only=wanted, max_wall=max_wall, tell=tell)
        except Stopped as error:
            stopped = error
    result = read_off(plan, folder)
    write(result, folder)
    if stopped is not None:
        raise stopped
    return result


def expected(
    plan: Plan, folder: Path, *, tell: Callable[[str], None] = lambda sentence: None
) -> list[Forecast]:
    """What is left to do in `folder`: time of dynamics and disk, from a measured step."""
    place = Place(folder.resolve())
    return forecast(plan_of_stages(place, plan.stages), _states(plan, place), tell=tell)


def _states(plan: Plan, place: Place) -> dict[str, StageState]:
    """Of the stages that what was asked for is read off, and those they need."""
    wanted = with_needs(plan.stages, plan.wanted())
    found = states(place, plan_of_stages(place, plan.stages))
    return {name: state for name, state in found.items() if name in wanted}


def read_off(plan: Plan, folder: Path) -> Reproduction:
    """From what the stages in `folder` left; runs nothing. Draws the figures."""
    stand = _states(plan, Place(folder.resolve()))
    found = Found(plan, stand)
    published = castel2024()
    student, reason = _student(found)
    return Reproduction(
        plan,
        published,
        tuple(comparisons(published, found)),
        tuple(draw_all(published.figures, found, folder / "figures")),
        student,
        reason,
        tuple(state for state in stand.values() if not state.is_finished),
        stand,
    )


def _student(found: Found) -> tuple[dict[str, Quantity], str]:
    try:
        names = ("energy", "forces", "stress", "rms_force")
        return {name: found.quantity("student-teacher", name) for name in names}, ""
    except Missing as error:
        return {}, str(error)


def write(result: Reproduction, folder: Path) -> None:
    """results.json, numbers.csv, reproduce.html; the figures are there already."""
    plan = result.plan
    about = {
        "source": f"DOI {result.published.doi}, {result.published.document}",
        "budget": plan.budget_name,
        "settings": plan.budget.model_dump(mode="json"),
        "shortened": [
            {"what": what, "here": ours, "full": full}
            for what, ours, full in shortened(plan.budget)
        ],
        "potential": plan.potential,
        "glasses": [path.name for path in plan.glasses],
        "asked_for": sorted(plan.only),
        "verdicts": {w: result.count(w) for w in ("agrees", "differs", "no verdict", "not run")},
        "student_against_teacher": {k: q.as_dict() for k, q in result.student.items()},
        "figures": {
            d.name: {"drawn": d.path is not None, "remark": d.remark} for d in result.figures
        },
        "unfinished": {s.name: f"{s.word}: {s.sentence}" for s in result.unfinished},
    }
    entries = {_key(row): _entry(row) for row in result.rows}
    write_json(folder / "results.json", {**entries, "about": about})
    write_text(folder / "numbers.csv", _csv(entries))
    write_page(page_of(result), folder / "reproduce.html")


def _key(row: Comparison) -> str:
    """The published key; with what ours was computed with, where that is another."""
    other = row.ours is not None and row.ours.by != row.published.by
    return row.published.key + (f"/{row.ours.by}" if other and row.ours is not None else "")


def _entry(row: Comparison) -> dict[str, Any]:
    p, ours = row.published, row.ours
    return {
        "value": None if ours is None else ours.value,
        "std": None if ours is None else ours.std,
        "unit": p.unit,
        "quantity": p.name,
        "column": p.column,
        "computed_with": None if ours is None else ours.by,
        "published": p.printed,
        "published_with": p.by,
        "difference": row.difference,
        "difference_std": row.std,
        "z": row.z,
        "probability": row.probability,
        "visible": row.visible,
        "errors": row.parts,
        "verdict": row.word,
        "note": "; ".join(x for x in (row.reason, *row.remarks) if x),
        "source": p.source,
    }


def _csv(entries: dict[str, dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name in next(iter(entries.values())) if name != "errors"]
    writer.writerow(["key", *names])
    for key, entry in entries.items():
        writer.writerow([key, *("" if entry[n] is None else entry[n] for n in names)])
    return text.getvalue()
