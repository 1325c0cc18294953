"""The folders that `zifglass mechanics` leaves: sweep, fluctuations, static, compare, ensemble."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zifglass.core import InputError, Quantity, ZifglassError
from zifglass.dynamics import read_thermo
from zifglass.io import read

from ..page import Column, Fold, Mark, Model, Notice, Part, Table, Text, model_of, thermo_chart
from ..page.model import Cell, Tone
from .account import Account
from .conclusions import conclusion_of_run
from .read import download_of, figures_in, linkers_in, read_json, read_yaml
from .results import array_tables, chosen, quantities_in, quantity_table
from .settings import facts_of

_tones: dict[str, Tone] = {
    "agree": "good", "stable": "good", "converged": "good", "ok": "good", "disagree": "bad",
    "unstable": "bad", "collapsed": "bad", "doubtful": "caution",
}  # fmt: skip


def sweep_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """A strain sweep, finished or not: P(V) with its fit, every hold, every run's thermo log."""
    results = read_json(folder / "results.json") if (folder / "results.json").exists() else {}
    about, found = results.get("about", {}), quantities_in(results)
    runs = _runs_of_sweep(folder)
    conclusions, sentences, notices = [], [], []
    if found:
        k, rho = found["bulk_modulus"], found["density_at_zero_pressure"]
        holds = len(about.get("holds", ()))
        conclusions = [
            f"The bulk modulus is {_said(k)} and the density at zero pressure {_said(rho)}, "
            f"from the total pressures at {holds} volumes (second-order Birch–Murnaghan)."
        ]
        sentences = [f"{_sentence(about.get('window', ''))}"]
        if not about.get("bracketed", True):
            notices.append(
                Notice("not bracketed", "P = 0 lies outside the volumes: the density is "
                       "extrapolated.", "caution")
            )  # fmt: skip
        if wanted := about.get("still_wanted"):
            notices.append(Notice("not finished", f"Still wanted: {', '.join(wanted)}.", "caution"))
    else:
        notices.append(
            Notice("not finished", "The sweep has no result yet; the same command goes on.",
                   "caution")
        )  # fmt: skip
        sentences.append(f"{len(runs)} runs of the ladder have begun.")
    numbers: list[Part] = [quantity_table(found)] if found else []
    numbers += [_holds(about["holds"])] if about.get("holds") else []
    return Account(
        title=folder.name,
        kind="Strain sweep",
        conclusions=conclusions,
        sentences=sentences,
        notices=notices,
        key=chosen(found, ("bulk_modulus", "density_at_zero_pressure", "volume_at_zero_pressure")),
        models=_last_frames(runs, budget) if alone else (),
        view_caption="The last frame at each volume.",
        figures=[*figures_in(folder), *_thermo_folds(runs)],
        numbers=numbers,
        settings=_settings(folder),
        provenance=_started(runs),
    )


def fluctuations_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """Moduli from the fluctuations of a flexible cell."""
    results = read_json(folder / "results.json")
    about, found = results["about"], quantities_in(results)
    k, reuss = found["bulk_modulus_volume"], found["bulk_modulus_reuss"]
    return Account(
        title=folder.name,
        kind="Fluctuations of a flexible cell",
        conclusions=[
            f"From the volume alone the bulk modulus is {_said(k)}; the strain tensor gives "
            f"{_said(reuss)} (Reuss). Both come from one run, so that their agreement is an "
            "identity and confirms nothing.",
        ],
        sentences=[
            f"{about['frames']} frames, of which {about['discarded_frames']} of the beginning were "
            "left out as equilibration.",
        ],
        notices=[_notice(about.get("verdict", {}))],
        key=chosen(
            found,
            ("bulk_modulus_volume", "bulk_modulus_reuss", "bulk_modulus_voigt", "bulk_modulus_hill",
             "shear_modulus_hill", "density", "independent_samples"),
        ),
        figures=figures_in(folder),
        numbers=[quantity_table(found), *array_tables(found)],
        settings=[*_settings(folder), facts_of(_plain_about(about, ("verdict",)))],
    )  # fmt: skip


def static_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """The elastic tensor at 0 K."""
    results = read_json(folder / "results.json")
    about, found = results["about"], quantities_in(results)
    relaxed = folder / "relaxed.extxyz"
    models = [model_of("relaxed", read(relaxed), budget=budget)] if relaxed.exists() else []
    return Account(
        title=folder.name,
        kind="Static elasticity at 0 K",
        conclusions=[
            f"Atoms and cell relaxed: the bulk modulus is {_said(found['bulk_modulus_hill'])} "
            "(Hill; its error is that of the finite differences)."
        ],
        sentences=[],
        notices=[_notice(about.get("stability", {})), _notice(about.get("collapse", {}))],
        key=chosen(
            found,
            ("bulk_modulus_voigt", "bulk_modulus_reuss", "bulk_modulus_hill", "shear_modulus_hill",
             "density"),
        ),
        models=models,
        view_caption="The relaxed structure.",
        figures=figures_in(folder),
        numbers=[quantity_table(found), *array_tables(found)],
        settings=_settings(folder),
    )  # fmt: skip


def comparison_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """Methods side by side with one verdict."""
    value = read_json(folder / "verdict.json")
    rows: list[list[Cell]] = [
        [
            one["run"], one["method"], one["average"],
            Quantity(one["bulk_modulus_GPa"], one["bulk_modulus_std_GPa"], "GPa"),
            None if one.get("density_g_per_cm3") is None
            else Quantity(one["density_g_per_cm3"], one["density_std_g_per_cm3"], "g/cm³"),
        ]
        for one in value["estimates"]
    ]  # fmt: skip
    estimates = Table(
        [
            Column("run"), Column("method"), Column("average"), Column("bulk modulus", "GPa"),
            Column("density", "g/cm³"),
        ],
        rows, "Every estimate with its standard error", "estimates",
    )  # fmt: skip
    pairs = Table(
        [
            Column("one"), Column("other"), Column("relation"), Column("difference", "GPa"),
        ],
        [
            [p["first"], p["second"], p["relation"],
             Quantity(p["difference_GPa"], p["std_GPa"], "GPa")]
            for p in value["pairs"]
        ],
        "What may be compared with what, pair by pair", "pairs",
    )  # fmt: skip
    probability = value.get("probability")
    said = f"{len(value['estimates'])} estimates, {len(value['pairs'])} pairs."
    if probability is not None:
        said += (
            " If all were one material's, differences as large as these would be seen with "
            f"probability {probability:.2g}."
        )
    return Account(
        title=folder.name,
        kind="Moduli compared",
        sentences=[said],
        notices=[_notice({"word": value["verdict"], "sentence": value["sentence"]})],
        figures=figures_in(folder),
        numbers=[estimates, pairs],
        settings=_settings(folder),
    )


def ensemble_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """Several glasses: mean and spread, and each one's value."""
    value = read_json(folder / "ensemble.json")
    key, parts, count = {}, [], 0
    for name, one in value.items():
        key[name] = Quantity(one["mean"], one["spread"], one["unit"])
        each: list[list[Cell]] = [
            [label, Quantity(v, std, one["unit"])]
            for label, v, std in zip(one["labels"], one["values"], one["stds"], strict=True)
        ]
        count = len(each)
        parts.append(
            Table(
                [Column("glass"), Column(name.replace("_", " "), one["unit"])], each,
                f"Sampling error of one: {one['sampling']:.2g} {one['unit']}", name,
            )
        )  # fmt: skip
    return Account(
        title=folder.name,
        kind="Several glasses",
        conclusions=conclusion_of_run(key, list(key)),
        sentences=[
            f"{count} glasses; every number here is their mean ± the standard deviation among them."
        ],
        key=key,
        figures=figures_in(folder),
        numbers=parts,
        settings=_settings(folder),
    )


# --- parts ---------------------------------------------------------------------------------


def _said(quantity: Quantity) -> str:
    from ..page.tables import quantity_text

    return quantity_text(quantity)


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""


def _notice(verdict: Mapping[str, Any]) -> Notice:
    word = str(verdict.get("word", "no verdict"))
    return Notice(word, _sentence(str(verdict.get("sentence", ""))), _tones.get(word, "caution"))


def _plain_about(about: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    return {
        name.replace("_", " "): value
        for name, value in about.items()
        if name not in without and not isinstance(value, dict)
    }


def _settings(folder: Path) -> list[Part]:
    path = folder / "settings.json"
    return [facts_of(read_json(path))] if path.exists() else []


def _holds(holds: Any) -> Table:
    rows: list[list[Cell]] = [
        [
            h["step"], h["volume_A3"],
            Quantity(h["pressure_total_GPa"], h["pressure_std_GPa"], "GPa"),
            h.get("independent_samples"), h.get("drift_in_standard_errors"),
            h.get("temperature_K"), h.get("coordination"),
            Mark("; ".join(h["flags"]), "caution") if h.get("flags") else Mark("sound", "good"),
        ]
        for h in holds
    ]  # fmt: skip
    columns = [
        Column("step"), Column("volume", "Å³"), Column("total pressure", "GPa"),
        Column("independent samples"), Column("drift", "standard errors"),
        Column("temperature", "K"), Column("coordination"), Column("judged"),
    ]  # fmt: skip
    return Table(columns, rows, "Every hold of the ladder", "holds")


def _runs_of_sweep(folder: Path) -> list[Path]:
    """The preparation, then by volume: compressions backwards, expansions."""

    def place(path: Path) -> int:
        direction, _, number = path.name.partition("-")
        if not number.isdigit():
            return 0
        return -int(number) if direction == "compression" else int(number)

    runs = [path.parent for path in folder.glob("*/thermo.csv")]
    known = ("preparation", "compression", "expansion")
    return sorted((r for r in runs if r.name.split("-")[0] in known), key=place)


def _thermo_folds(runs: list[Path]) -> list[Part]:
    folds: list[Part] = []
    for run in runs:
        try:
            thermo = read_thermo(run)
        except InputError:  # a table made elsewhere, with other columns: offered as it is
            folds.append(Fold(f"Thermo log of {run.name}", [download_of(run / "thermo.csv")]))
            continue
        if len(thermo["time_ps"]):
            names = _segment_names(run)
            folds.append(
                Fold(
                    f"Thermo log of {run.name}",
                    [thermo_chart(thermo, segments=names, most_points=300)], long=True,
                )
            )  # fmt: skip
    return folds


def _segment_names(run: Path) -> list[str]:
    if not (run / "run.yaml").exists():
        return []
    segments = read_yaml(run / "run.yaml").get("protocol", {}).get("segments", [])
    return [str(segment.get("name")) for segment in segments]


def _last_frames(runs: list[Path], budget: float) -> list[Model]:
    models = []
    for run in runs:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trajectory = read(run)
            last = trajectory[len(trajectory) - 1 :]
            started = read_yaml(run / "run.yaml") if (run / "run.yaml").exists() else {}
            models.append(
                model_of(
                    run.name, last, budget=budget, pore_spacing=0.7,
                    looked_for=linkers_in(started.get("linkers")),
                )
            )  # fmt: skip
        except ZifglassError:
            continue
    return models


def _started(runs: list[Path]) -> list[Part]:
    for run in runs:
        if (run / "run.yaml").exists():
            facts = {k: v for k, v in read_yaml(run / "run.yaml").items() if k != "protocol"}
            return [Text(f"What the first run of the ladder ({run.name}) was started with."),
                    facts_of(facts)]  # fmt: skip
    return []
