"""`compare` and `ensemble`: several moduli of one material; one modulus of several glasses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zifglass.core import Quantity
from zifglass.studies.stage import Stage, StageContext, stage_kind


def compare_stage(name: str, results: Mapping[str, str]) -> Stage:
    """results: run → stage (strain-sweep or fluctuations). Equal trajectories, equal runs."""
    return Stage(name=name, kind="compare", needs=dict(results))


def ensemble_stage(name: str, results: Mapping[str, str]) -> Stage:
    """results: glass → stage, all of one method."""
    return Stage(name=name, kind="ensemble", needs=dict(results))


@stage_kind("compare", method=1)
def compare(context: StageContext) -> None:
    """verdict.json: whether independent moduli of one kind agree."""
    from zifglass import mechanics
    from zifglass.report.mechanics import read_results, write_comparison

    estimates = [
        estimate
        for run, folder in context.results.items()
        for estimate in mechanics.estimates_of_results(read_results(folder), run=run)
    ]
    found = write_comparison(context.folder, estimates)
    context.note(f"{found.verdict.word}: {found.verdict.sentence}")
    known = np.isfinite(found.probability)
    context.write_results(
        {
            "agreement_probability": Quantity(
                found.probability if known else None, None, "1", found.verdict.sentence
            ),
        },
        verdict=found.verdict.word,
        sentence=found.verdict.sentence,
    )


@stage_kind("ensemble", method=1, references=("castel2024",))
def ensemble(context: StageContext) -> None:
    """Mean and spread over glasses of every modulus and density they have in common."""
    from zifglass.core.files import write_json
    from zifglass.report.mechanics import ensembles, read_results

    tables = ensembles({glass: read_results(path) for glass, path in context.results.items()})
    write_json(context.folder / "ensemble.json", tables)
    found = {}
    for name, whole in tables.items():
        count = len(whole["labels"])
        found[name] = Quantity(
            whole["mean"], whole["mean_std"], whole["unit"], f"mean of {count}, its standard error"
        )
        spread, own = whole["spread"], whole["sampling"]
        found[f"{name}_spread"] = Quantity(
            spread,
            spread / np.sqrt(2.0 * (count - 1)),
            whole["unit"],
            f"standard deviation between {count}; sampling error of one {own:.3g}",
        )
    context.write_results(found)
