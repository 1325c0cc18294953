"""The folder that `zifglass analyse` leaves: results.json, a CSV and a figure per quantity."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zifglass.analysis import Measured
from zifglass.analysis.survey import Survey, SurveySettings
from zifglass.core import Quantity
from zifglass.core.files import plain, write_json, write_text

from .figures.measured import draw_measured
from .figures.structure import draw
from .measured import compare_measured, measured_summary, measured_table
from .structure_tables import Columns, columns, summary


def write_surveys(
    surveys: Mapping[str, Survey],
    settings: SurveySettings,
    folder: str | Path,
    *,
    measured: Mapping[str, Measured] | None = None,
) -> dict[str, dict[str, Quantity]]:
    """Write all of `surveys` (name → survey) into `folder`; return its results by column title.

    One trajectory: its files lie in `folder`. Many: each in a folder of its name, and in
    `folder` trajectories.csv, figures that show all and, where all are of one composition, their
    mean ± standard deviation as results.json. Returned: {"": that} or {name: of each}.
    measured (of `measured_files`): compared with the mean of all, which are of one composition.
    """
    folder = Path(folder)
    measured = measured or {}
    compared = compare_measured(measured, surveys, settings)
    beside = measured_summary(measured, compared)
    if len(surveys) == 1:
        ((name, survey),) = surveys.items()
        total = {"": _write_one(name, survey, folder, beside)}
    else:
        each = {
            name: _write_one(name, survey, folder / name, {}) for name, survey in surveys.items()
        }
        total = dict(each)
        if len({survey.formula for survey in surveys.values()}) == 1:
            total = {"": mean_of_trajectories(each) | beside}
            _write_results(total[""], folder)
        write_csv(folder / "trajectories.csv", _side_by_side(each))
        shared = set.intersection(*(set(survey.results) for survey in surveys.values()))
        for quantity in sorted(shared):
            results = {name: survey.results[quantity] for name, survey in surveys.items()}
            draw(quantity, results, folder / quantity)
    if compared:
        write_csv(folder / "measured.csv", measured_table(measured, compared))
        model = "model" if len(surveys) == 1 else f"mean of {len(surveys)} models"
        draw_measured(measured, compared, folder / "measured", model=model)
    write_text(folder / "settings.yaml", _settings(surveys, settings, measured))
    return total


def mean_of_trajectories(each: Mapping[str, Mapping[str, Quantity]]) -> dict[str, Quantity]:
    """Mean ± standard deviation over trajectories of every number that all of them have."""
    first, *others = each.values()
    found = {}
    for name, quantity in first.items():
        values = [quantity.value, *(other[name].value for other in others if name in other)]
        if len(values) == len(each) and all(_is_finite(value) for value in values):
            found[name] = Quantity(
                float(np.mean(values)),
                float(np.std(values, ddof=1)),
                quantity.unit,
                f"mean ± standard deviation of {len(values)} trajectories",
            )
    return found


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def write_csv(path: Path, table: Columns) -> None:
    """Write columns of equal length, NaN as empty fields; whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*(plain(np.asarray(column)) for column in table.values()), strict=True):
        writer.writerow(["" if value is None else value for value in row])
    write_text(path, text.getvalue())


def _write_one(
    name: str, survey: Survey, folder: Path, beside: Mapping[str, Quantity]
) -> dict[str, Quantity]:
    found = summary(survey) | dict(beside)
    for quantity, result in survey.results.items():
        write_csv(folder / f"{quantity}.csv", columns(quantity, result))
        draw(quantity, {name: result}, folder / quantity)
    _write_results(found, folder)
    return found


def _write_results(found: Mapping[str, Quantity], folder: Path) -> None:
    write_json(folder / "results.json", {name: q.as_dict() for name, q in found.items()})


def _side_by_side(each: Mapping[str, Mapping[str, Quantity]]) -> Columns:
    names = list(dict.fromkeys(name for found in each.values() for name in found))
    table: Columns = {"trajectory": np.array(list(each))}
    nothing = Quantity(None, None, "")
    for name in names:
        unit = next(found[name].unit for found in each.values() if name in found)
        row = [found.get(name, nothing) for found in each.values()]
        table[f"{name} ({unit})"] = np.array([q.value for q in row], dtype=object)
        table[f"{name}_std ({unit})"] = np.array([q.std for q in row], dtype=object)
    return table


def _settings(
    surveys: Mapping[str, Survey], settings: SurveySettings, measured: Mapping[str, Measured]
) -> str:
    from zifglass import __version__

    trajectories: dict[str, Any] = {
        name: {
            "source": survey.source,
            "formula": survey.formula,
            "frames": survey.frames,
            "from_fs": None if survey.span is None else survey.span[0],
            "until_fs": None if survey.span is None else survey.span[1],
            "left_out": survey.skipped,
            "notes": list(survey.notes),
        }
        for name, survey in surveys.items()
    }
    return yaml.safe_dump(
        {
            "zifglass": __version__,
            "settings": settings.model_dump(mode="json"),
            "trajectories": trajectories,
            "measured": [one.source for one in measured.values()],
        },
        sort_keys=False,
        allow_unicode=True,
    )
