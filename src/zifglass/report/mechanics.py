"""The folders that mechanics leaves: results.json, tables and figures of moduli and density."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass import mechanics
from zifglass.core import InputError, Quantity
from zifglass.core.files import atomic_path, write_json
from zifglass.core.units import GPa
from zifglass.io import write
from zifglass.mechanics import quantities
from zifglass.mechanics.verdict import check_one_temperature, same_run, table

from .figures.many import draw_many
from .figures.mechanics import beside_reference, pressure_volume, running, side_by_side

Array = NDArray[np.float64]


def write_fluctuations(
    folder: Path, result: mechanics.ElasticFluctuations, *, mass: float
) -> dict[str, Quantity]:
    """results.json, running.csv and the figure of running moduli; mass of the cell in amu."""
    extremes = mechanics.directional_extremes(
        result.compliance, samples=result.compliance_samples[:200]
    )
    found = {**quantities.of_fluctuations(result, mass=mass), **quantities.of_extremes(extremes)}
    write_quantities(
        folder,
        found,
        verdict={"word": result.verdict.word, "sentence": result.verdict.sentence},
        stability={"word": result.stability.word, "sentence": result.stability.sentence},
        temperature_K=result.temperature,
        axes=result.axes,
        mean_cell=result.mean_cell,
        frames=result.n_frames,
        discarded_frames=result.discarded,
        frames_per_independent_sample=result.inefficiency,
        largest_strain_rms=result.strain_rms,
    )
    _write_csv(folder / "running.csv", *quantities.running_rows(result))
    running(folder / "running", result)
    return found


def write_sweep(
    folder: Path,
    holds: Sequence[mechanics.Hold],
    *,
    mass: float,
    settings: mechanics.StrainSweepSettings,
) -> tuple[mechanics.StrainSweep, dict[str, Quantity]]:
    """Fit finished holds; results.json, pressure_volume.csv and its figure. mass: amu."""
    result = mechanics.analyse_sweep(holds, mass=mass, settings=settings)
    found = quantities.of_sweep(result)
    about = {}
    if len(result.window.chosen) >= 4:
        try:
            found |= quantities.of_third_order(result.third_order(), mass=mass)
        except InputError as error:  # points too flat or too few for K₀', not for K₀
            about["third_order"] = str(error)
    write_quantities(
        folder,
        found,
        **about,
        window=result.window.reason,
        bracketed=result.bracketed,
        temperature_K=result.temperature,
        holds=quantities.hold_rows(result),
        still_wanted=[step.name for step in mechanics.next_steps(holds, settings)],
    )
    _write_csv(folder / "pressure_volume.csv", *quantities.pressure_rows(result))
    pressure_volume(folder / "pressure_volume", {"sweep": result})
    return result, found


def write_static(folder: Path, result: mechanics.StaticElasticity) -> dict[str, Quantity]:
    """results.json and the relaxed structure."""
    found = quantities.of_static(result)
    if result.stability.word == "stable":  # of an unstable tensor they have no meaning
        found |= quantities.of_extremes(mechanics.directional_extremes(result.compliance))
    write_quantities(
        folder,
        found,
        stability={"word": result.stability.word, "sentence": result.stability.sentence},
        collapse={"word": result.collapse.word, "sentence": result.collapse.sentence},
    )
    write(folder / "relaxed.extxyz", [result.structure])
    return found


def write_audit(
    folder: Path, result: mechanics.PressureAudit, *, pressure: str, label: str, reference: str
) -> None:
    """results.json, audit.png and .svg. pressure: what both are, total or virial."""
    write_quantities(
        folder,
        quantities.of_audit(result),
        verdict={"word": result.verdict.word, "sentence": result.verdict.sentence},
        pressure=pressure,
        volumes=result.volume.tolist(),
        offsets_GPa=(result.offset / GPa).tolist(),
    )
    beside_reference(folder / "audit", result, pressure=pressure, label=label, reference=reference)


def sweep_pressures(folder: Path) -> tuple[Array, Array, Array]:
    """(volumes Å³, total pressures, their standard errors, eV/Å³) of an analysed sweep."""
    holds = read_results(folder).get("about", {}).get("holds")
    if not holds:
        raise InputError("no volumes of a strain sweep in these results; analyse the sweep", folder)
    names = ("volume_A3", "pressure_total_GPa", "pressure_std_GPa")
    volume, pressure, std = (np.array([hold[name] for hold in holds]) for name in names)
    return volume, pressure * GPa, std * GPa


def write_comparison(
    folder: Path, estimates: Sequence[mechanics.Estimate]
) -> mechanics.MechanicsVerdict:
    """verdict.json: the methods side by side, every pair, and what they say together; drawn as
    verdict.png and .svg."""
    compared = mechanics.compare_methods(estimates)
    write_json(
        folder / "verdict.json",
        {
            "verdict": compared.verdict.word,
            "sentence": compared.verdict.sentence,
            "probability": compared.probability,
            "estimates": table(estimates),
            "pairs": [
                {
                    "first": f"{c.first.method} ({c.first.average}) of {c.first.run}",
                    "second": f"{c.second.method} ({c.second.average}) of {c.second.run}",
                    "relation": c.relation,
                    "difference_GPa": c.difference / GPa,
                    "std_GPa": c.std / GPa,
                }
                for c in compared.comparisons
            ],
        },
    )
    side_by_side(folder / "verdict", estimates)
    return compared


def ensembles(results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Quantity → `mechanics.Ensemble` as a dictionary, with its unit, for every modulus and
    density that all `results` (glass → results.json) have. Raises InputError where none is, on
    one glass under two names and on different temperatures."""
    check_one_temperature(
        {label: one.get("about", {}).get("temperature_K") for label, one in results.items()}
    )
    tables: dict[str, dict[str, Any]] = {}
    for name in sorted(set.intersection(*(set(one) for one in results.values())) - {"about"}):
        entries = [one[name] for one in results.values()]
        if not name.startswith(("bulk_modulus", "density")):
            continue
        if not all(isinstance(e, dict) and isinstance(e.get("value"), float) for e in entries):
            continue
        if not all(e.get("std") for e in entries):
            continue
        for a, b in combinations(range(len(entries)), 2):
            if all(np.isclose(entries[a][k], entries[b][k], rtol=1e-6) for k in ("value", "std")):
                raise same_run(list(results)[a], list(results)[b])
        whole = mechanics.ensemble(
            list(results),
            np.array([e["value"] for e in entries]),
            stds=np.array([e["std"] for e in entries]),
        )
        tables[name] = {
            **vars(whole), "unit": entries[0]["unit"], "verdict": whole.verdict.sentence
        }  # fmt: skip
    if not tables:
        raise InputError("these results have no modulus or density in common: one method each")
    return tables


def write_ensemble(
    folder: Path, results: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """ensemble.json, ensemble.csv and the figure of `ensembles`, which it returns."""
    tables = ensembles(results)
    write_json(folder / "ensemble.json", tables)
    names = ["quantity", "unit", "glass", "value", "std"]
    rows = [
        [name, whole["unit"], label, float(value), float(std)]
        for name, whole in tables.items()
        for label, value, std in zip(results, whole["values"], whole["stds"], strict=True)
    ]
    _write_csv(folder / "ensemble.csv", names, rows)
    draw_many(
        list(results),
        {
            f"{name.replace('_', ' ')}\n({whole['unit']})": [
                Quantity(float(value), float(std), whole["unit"])
                for value, std in zip(whole["values"], whole["stds"], strict=True)
            ]
            for name, whole in tables.items()
        },
        folder / "ensemble",
    )
    return tables


def read_results(folder: Path) -> dict[str, Any]:
    """The results.json of a folder, or such a file itself."""
    path = folder / "results.json" if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read these results: {error.strerror}", path) from error
    except ValueError as error:
        raise InputError(f"this is not JSON: {error}", path) from None
    if not isinstance(found, dict):
        raise InputError("results are named quantities", path)
    return found


def write_quantities(folder: Path, found: Mapping[str, Quantity], **about: Any) -> None:
    """results.json, with `about` beside the quantities."""
    named = {name: quantity.as_dict() for name, quantity in found.items()}
    write_json(folder / "results.json", {**named, "about": about})


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([f"{x:.8g}" if isinstance(x, float) else x for x in row] for row in rows)
