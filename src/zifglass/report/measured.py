"""Measured F(Q) and D(r) beside the mean of the models: table, numbers and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zifglass.analysis import Comparison, Measured, compare_scattering, mean_scattering
from zifglass.analysis.scattering import read_measured
from zifglass.analysis.survey import Survey, SurveySettings
from zifglass.core import InputError, Quantity

from .structure_tables import Columns, padded

_axis = {"F(Q)": ("Q (1/Å)", ""), "D(r)": ("r (Å)", " (1/Å²)")}


def measured_files(paths: Sequence[str | Path], settings: SurveySettings) -> dict[str, Measured]:
    """File name → what it holds. Refuses what could not be compared, before anything is run."""
    found: dict[str, Measured] = {}
    for path in map(Path, paths):
        if settings.quantities is not None and "scattering" not in settings.quantities:
            raise InputError(
                "a measured file is compared with the scattering: add scattering to the quantities",
                path,
            )
        if path.name in found:
            raise InputError(f"two measured files are called {path.name}: rename one", path)
        measured = read_measured(path)
        _ = measured.kind
        found[path.name] = measured
    return found


def compare_measured(
    measured: Mapping[str, Measured], surveys: Mapping[str, Survey], settings: SurveySettings
) -> dict[str, Comparison]:
    """File name → the mean of all trajectories beside it."""
    if not measured:
        return {}
    formulas = sorted({survey.formula for survey in surveys.values()})
    if len(formulas) > 1:
        raise InputError(
            f"a measurement is compared with models of one composition; got {', '.join(formulas)}"
        )
    model = mean_scattering([survey.results["scattering"] for survey in surveys.values()])
    return {
        name: compare_scattering(one, model, settings=settings.comparison)
        for name, one in measured.items()
    }


def measured_summary(
    measured: Mapping[str, Measured], compared: Mapping[str, Comparison]
) -> dict[str, Quantity]:
    """scattering_scale_FILE and scattering_residual_FILE."""
    found = {}
    for name, fit in compared.items():
        kind = measured[name].kind
        unit = "Å⁻¹" if kind == "F(Q)" else "Å"
        note = f"{kind}, {fit.x[0]:.4g} to {fit.x[-1]:.4g} {unit}"
        found[f"scattering_scale_{name}"] = Quantity(
            fit.scale, None, "1", f"{note}; measured = scale × model, by least squares"
        )
        found[f"scattering_residual_{name}"] = Quantity(
            fit.residual, None, "1", f"{note}; root of Σ(measured − model)²/Σ measured²"
        )
    return found


def measured_table(measured: Mapping[str, Measured], compared: Mapping[str, Comparison]) -> Columns:
    """measured.csv: the compared points of every file, the model scaled."""
    table: Columns = {}
    for name, fit in compared.items():
        axis, unit = _axis[measured[name].kind]
        table |= {
            f"{axis} of {name}": fit.x,
            f"measured{unit} of {name}": fit.measured,
            f"scaled model{unit} of {name}": fit.model,
            f"scaled model_std{unit} of {name}": fit.model_std,
        }
    return padded(table)
