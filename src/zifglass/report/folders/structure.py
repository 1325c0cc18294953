"""The folder that `zifglass analyse` leaves."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zifglass.analysis import LinkerSettings
from zifglass.core import InputError, Quantity, ZifglassError
from zifglass.io import read

from ..page import Fold, Model, Notice, Part, Text, model_of
from .account import Account
from .conclusions import conclusion_of_structure, verdict_of_melting
from .read import csv_table, figures_within, linkers_in, read_json, read_yaml, side_by_side
from .results import array_tables, chosen, quantities_in, quantity_table, subscripts
from .settings import facts_of

_key = (
    "coordination", "broken_linker_fraction", "porous_volume", "surface_area",
    "largest_free_sphere", "angle_mean", "rings_of_4", "rings_of_6", "rings_of_8", "pmf_barrier",
    "bond_lifetime",
)  # fmt: skip
_tones: dict[str, Any] = {"solid": "good", "liquid": "good", "undecided": "caution"}
_most_models = 12
_most_verdicts = 4  # one by one


def structure_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """What an analysis found. The structures are shown if their files are still where they were;
    with a budget of 0, as beside the runs that made them, they are not."""
    about = read_yaml(folder / "settings.yaml")
    trajectories = about.get("trajectories")
    if not isinstance(trajectories, dict) or not trajectories:
        raise InputError("no trajectories are named here", folder / "settings.yaml")
    results = folder / "results.json"
    found = quantities_in(read_json(results)) if results.exists() else {}
    looked_for = linkers_in(about.get("settings", {}).get("linkers"))
    models, missing = (
        _models(folder, trajectories, looked_for, budget, alone) if budget else ([], [])
    )
    numbers: list[Part] = []
    many = len(trajectories) > 1
    if found:
        numbers.append(quantity_table(found, caption="Results"))
    if many and (folder / "trajectories.csv").exists():
        numbers += _each(folder, trajectories, room / len(trajectories))
    figures, left = figures_within(folder, room)
    sentences = [*_sentences(trajectories, found), *left]
    return Account(
        title=folder.name,
        kind=f"Structure of {_what(trajectories)}",
        conclusions=conclusion_of_structure(found),
        sentences=[*sentences, *missing],
        notices=_verdicts(folder, trajectories, found),
        key=chosen(found, _key),
        models=models,
        view_caption="Rings and pores are those of the last frame.",
        figures=side_by_side(figures),
        numbers=[*numbers, *array_tables(found)],
        settings=[facts_of(about.get("settings", {}))],
        provenance=[
            facts_of(
                {"zifglass": about.get("zifglass"), "trajectories": trajectories}
                | ({"measured": about["measured"]} if about.get("measured") else {})
            )
        ],
    )


def _what(trajectories: Mapping[str, Mapping[str, Any]]) -> str:
    formulas = sorted({subscripts(str(one.get("formula"))) for one in trajectories.values()})
    if len(trajectories) == 1:
        return formulas[0]
    return f"{len(trajectories)} trajectories of {', '.join(formulas)}"


def _sentences(
    trajectories: Mapping[str, Mapping[str, Any]], found: Mapping[str, Quantity]
) -> list[str]:
    frames = [int(one.get("frames", 0)) for one in trajectories.values()]
    each = f"{frames[0]}" if len(set(frames)) == 1 else f"{min(frames)} to {max(frames)}"
    of = "" if len(frames) == 1 else f" from each of {len(frames)} trajectories"
    one = max(frames) == 1
    said = [f"One frame{of} was analysed." if one else f"{each} frames{of} were analysed."]
    left = {
        f"{name} ({reason})"
        for one in trajectories.values()
        for name, reason in (one.get("left_out") or {}).items()
    }
    if left:
        said.append(f"Left out: {'; '.join(sorted(left))}.")
    notes = dict.fromkeys(n for one in trajectories.values() for n in one.get("notes") or ())
    said += [f"{note[:1].upper()}{note[1:]}." for note in notes]
    if not found:
        said.append("The compositions differ, so that there is no mean over the trajectories.")
    return said


def _verdicts(
    folder: Path, trajectories: Mapping[str, Any], found: Mapping[str, Quantity]
) -> list[Notice]:
    """Molten or not; of several trajectories each one's verdict, of many how often each."""
    if len(trajectories) == 1:
        return [_verdict(found["melting"])] if "melting" in found else []
    each = {}
    for name in trajectories:
        path = folder / name / "results.json"
        own = quantities_in(read_json(path)) if path.exists() else {}
        if "melting" in own:
            each[name] = _verdict(own["melting"])
    if len(each) <= _most_verdicts:
        return [Notice(n.word, f"{name}: {n.text}", n.tone) for name, n in each.items()]
    words = Counter(notice.word for notice in each.values())
    tones = {notice.word: notice.tone for notice in each.values()}
    return [
        Notice(word, f"{count} of {len(trajectories)} trajectories.", tones[word])
        for word, count in words.items()
    ]


def _verdict(melting: Quantity) -> Notice:
    word = str(melting.value)
    return Notice(word, verdict_of_melting(melting), _tones.get(word, "plain"))


def _each(folder: Path, trajectories: Mapping[str, Any], room: float) -> list[Part]:
    """All side by side, and each one's figures and numbers behind its name."""
    parts: list[Part] = [
        Fold(
            "Every trajectory, side by side",
            [csv_table(folder / "trajectories.csv", "Results of every trajectory")],
            long=True,
        )
    ]
    for name in trajectories:
        inside = folder / name
        if not (inside / "results.json").exists():
            continue
        found = quantities_in(read_json(inside / "results.json"))
        figures, left = figures_within(inside, room)
        said: list[Part] = [Text(" ".join(left))] if left else []
        shown = [*said, *side_by_side(figures), quantity_table(found)]
        parts.append(Fold(str(name), shown, long=True))
    return parts


def _models(
    folder: Path,
    trajectories: Mapping[str, Mapping[str, Any]],
    looked_for: LinkerSettings,
    budget: float,
    alone: bool,
) -> tuple[list[Model], list[str]]:
    """What can still be read, and a sentence about what cannot."""
    models, missing = [], []
    shown = list(trajectories.items())[:_most_models]
    for name, one in shown:
        path = _found(folder, one.get("source"))
        try:
            if path is None:
                raise InputError("not there")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # told when it was analysed
                trajectory = read(path)
            if trajectory[0].structure.formula != one.get("formula"):
                raise InputError("another structure")
            models.append(
                model_of(
                    str(name), trajectory, budget=budget / len(shown),
                    pore_spacing=0.5 if alone else 0.9, looked_for=looked_for,
                )
            )  # fmt: skip
        except ZifglassError:
            missing.append(str(name))
    if not missing:
        return models, []
    names = ", ".join(missing)
    return models, [f"Not shown in 3D, as the file it was read from is gone or changed: {names}."]


def _found(folder: Path, source: Any) -> Path | None:
    """The file a trajectory was read from: as it was named, or from the folder's own place."""
    if not source:
        return None
    for path in (Path(source), folder / source, folder.parent / source):
        if path.exists():
            return path
    return None
