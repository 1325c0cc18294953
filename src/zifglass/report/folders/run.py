"""The folder of a molecular dynamics run, whether finished, running, stopped or killed."""

from __future__ import annotations

import csv
import io
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.analysis import LinkerSettings
from zifglass.core import InputError, Protocol, Trajectory
from zifglass.core.locks import is_locked
from zifglass.core.units import GPa, ps
from zifglass.dynamics import read_thermo
from zifglass.dynamics.estimate import timeline
from zifglass.dynamics.protocol_file import protocol_from
from zifglass.io import read

from ..page import (
    Chart,
    Column,
    Download,
    Figure,
    Mark,
    Model,
    Notice,
    Part,
    Table,
    Text,
    model_of,
    thermo_chart,
)
from ..page.model import Cell, Tone
from ..page.numbers import number
from .account import Account
from .captions import caption_of
from .conclusions import conclusion_of_run
from .read import figures_in, linkers_in, read_json, read_yaml
from .results import chosen, quantities_in, quantity_table, subscripts
from .settings import facts_of

_key = (
    "density", "pressure_total", "temperature", "glass_transition", "expansion_glass",
    "expansion_liquid",
)  # fmt: skip
_wide_room = 2.5e5  # bytes, for a chart and a table of many points
_drawn_here = frozenset({"melt-quench", "timeline"})  # the chart shows the same


def run_account(folder: Path, *, budget: float, room: float, alone: bool) -> Account:
    """What a run tells. budget: bytes of its trajectory in the page. alone: a page of its own,
    with the planned timeline and finer pores."""
    started = read_yaml(folder / "run.yaml")
    status = read_json(folder / "status.json") if (folder / "status.json").exists() else {}
    protocol = _protocol_of(started, folder)
    thermo = _thermo_of(folder)
    results = folder / "results.json"
    found = quantities_in(read_json(results)) if results.exists() else {}
    trajectory = _trajectory_of(folder)
    looked_for = linkers_in(started.get("linkers"))
    model = _model(folder.name, trajectory, looked_for, budget, alone)
    figures: list[Part] = []
    if thermo is not None:
        figures.append(_chart(thermo, protocol, room))
    figures += figures_in(folder, without=_drawn_here)
    numbers: list[Part] = []
    if found:
        numbers.append(quantity_table(found, caption="Results of the run"))
    numbers += [_segments(protocol, status), *_events(status)]
    return Account(
        title=folder.name,
        kind=f"{_kind(protocol.name)} of {subscripts(started['structure']['formula'])}",
        conclusions=conclusion_of_run(found, _key),
        sentences=_sentences(started, status, protocol, thermo, model, _left(trajectory)),
        notices=_notices(folder, status, protocol, thermo),
        key=chosen(found, _key),
        models=() if model is None else (model,),
        view_caption=_view_caption(model),
        figures=figures,
        numbers=numbers,
        settings=[
            *([_timeline(protocol)] if alone else []),
            facts_of(_settings(started["protocol"])),
        ],
        provenance=_provenance(started),
    )


# --- reading -------------------------------------------------------------------------------


def _protocol_of(started: Mapping[str, Any], folder: Path) -> Protocol:
    try:
        return protocol_from(started["protocol"])
    except (KeyError, InputError) as error:
        said = error.message if isinstance(error, InputError) else f"it has no {error}"
        raise InputError(f"this does not describe a run: {said}", folder / "run.yaml") from error


def _thermo_of(folder: Path) -> dict[str, Any] | None:
    if not (folder / "thermo.csv").exists():
        return None
    thermo = read_thermo(folder)
    return thermo if len(thermo["time_ps"]) else None


def _trajectory_of(folder: Path) -> Trajectory | None:
    """None where a run has not written a frame yet."""
    if not (folder / "trajectory.h5").exists() and not (folder / "trajectory").is_dir():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a growing run has not finished is told as notes
        try:
            trajectory = read(folder)
        except InputError:
            if (folder / "trajectory.h5").exists():
                raise
            return None
    return trajectory if len(trajectory) else None


def _left(trajectory: Trajectory | None) -> tuple[str, ...]:
    return () if trajectory is None else trajectory.notes


def _model(
    name: str,
    trajectory: Trajectory | None,
    looked_for: LinkerSettings,
    budget: float,
    alone: bool,
) -> Model | None:
    if trajectory is None:
        return None
    return model_of(
        name,
        trajectory,
        budget=budget,
        pore_spacing=0.5 if alone else 1.0,
        looked_for=looked_for,
    )


# --- words ---------------------------------------------------------------------------------


def _kind(name: str) -> str:
    known = {"melt-quench": "Melt–quench", "flexible-npt": "Flexible-cell run"}
    return known.get(name, name.replace("-", " ").capitalize())


def _sentences(
    started: Mapping[str, Any], status: Mapping[str, Any], protocol: Protocol,
    thermo: Mapping[str, Any] | None, model: Model | None, notes: tuple[str, ...],
) -> list[str]:  # fmt: skip
    potential = started.get("potential", {}).get("name", "an unnamed potential")
    atoms = "" if model is None else f", {len(model.numbers)} atoms,"
    said = [f"{subscripts(started['structure']['formula'])}{atoms} with the potential {potential}."]
    done = float(status.get("time_ps", thermo["time_ps"][-1] if thermo is not None else 0.0))
    step = f" in {status['step']} steps" if "step" in status else ""
    said.append(f"{number(done)} of {number(protocol.duration / ps)} ps were run{step}.")
    temperatures = [t for s in timeline(protocol) for t in s.temperatures or ()]
    if temperatures:
        low, high = min(temperatures), max(temperatures)
        span = f"{low:.0f} K" if low == high else f"between {low:.0f} and {high:.0f} K"
        said.append(
            f"The thermostat was set {'to' if low == high else ''} {span}.".replace("  ", " ")
        )
    if model is not None:
        broken = len(model.overlays[-1].broken)
        said.append(
            "No linker is broken in the last frame." if not broken
            else f"In the last frame {broken} atoms belong to broken linkers; they are marked."
        )  # fmt: skip
    return [*said, *(f"Of the trajectory: {note}." for note in notes)]


def _notices(
    folder: Path, status: Mapping[str, Any], protocol: Protocol, thermo: Mapping[str, Any] | None
) -> list[Notice]:
    word = status.get("status", "")
    done = float(status.get("time_ps", thermo["time_ps"][-1] if thermo is not None else 0.0))
    of = f"{number(done)} of {number(protocol.duration / ps)} ps"
    if word == "finished":
        events = len(status.get("events", ()))
        seen = "nothing to report" if not events else f"{events} event{'s' * (events > 1)}"
        tone: Tone = "caution" if events else "good"
        return [
            Notice(
                "finished", f"The whole protocol was run, {of}; the watchdog noted {seen}.", tone
            )
        ]
    if word == "stopped by the watchdog":
        return [Notice(word, f"{status.get('reason', '')}. {of} were run.", "bad")]
    if is_locked(folder / "run.lock"):
        return [Notice("running", f"{of} so far, as this page was written.", "caution")]
    return [
        Notice(
            "not finished", f"{of} so far; the same command goes on where it stopped.", "caution"
        )
    ]  # fmt: skip


def _view_caption(model: Model | None) -> str:
    if model is None:
        return ""
    return (
        "Turn it with the mouse, a finger or the arrow keys. Orange-red: atoms of broken linkers; "
        "amber: metals without four neighbours. Rings and pores are those of the last frame."
    )


# --- figures and tables --------------------------------------------------------------------

_in_csv = (
    "segment", "time_ps", "target_K", "temperature_K", "energy_potential_eV", "conserved_eV",
    "pressure_total_GPa", "pressure_virial_GPa", "volume_A3", "density_g_cm3",
)  # fmt: skip


def _chart(thermo: Mapping[str, Any], protocol: Protocol, room: float) -> Chart:
    names = [segment.name for segment in protocol.segments]
    points, lines = (600, 2000) if room > _wide_room else (200, 300)
    return thermo_chart(
        thermo, segments=names, downloads=[_thermo_csv(thermo, lines)], most_points=points
    )


def _thermo_csv(thermo: Mapping[str, Any], most: int) -> Download:
    """The lines of the thermo log, at most `most` of them, evenly spread."""
    lines = len(thermo["time_ps"])
    every = max(1, -(-lines // most))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_in_csv)
    for row in zip(*(thermo[name][::every] for name in _in_csv), strict=True):
        writer.writerow(["" if not np.isfinite(x) else f"{x:.10g}" for x in row])
    which = "every line" if every == 1 else f"every {every}th line"
    return Download("thermo.csv", text.getvalue(), f"thermo.csv ({which})")


def _timeline(protocol: Protocol) -> Figure:
    from ..figures.dynamics import draw_timeline

    with tempfile.TemporaryDirectory() as folder:
        draw_timeline(protocol, Path(folder) / "timeline")
        svg = (Path(folder) / "timeline.svg").read_text(encoding="utf-8")
    return Figure(svg, caption_of("timeline"))


def _segments(protocol: Protocol, status: Mapping[str, Any]) -> Table:
    """The protocol, and what became of each segment."""
    history = {one.get("name"): one for one in status.get("segments", ())}
    rows: list[list[Cell]] = []
    for stretch in timeline(protocol):
        segment = stretch.segment
        temperature = None
        if stretch.temperatures is not None:
            low, high = stretch.temperatures
            temperature = f"{low:g}" if low == high else f"{low:g} → {high:g}"
        pressure = segment.pressure_total
        rows.append(
            [
                segment.name, segment.ensemble, segment.duration / ps or None,
                None if segment.is_minimisation else segment.timestep, temperature,
                None if pressure is None else pressure / GPa,
                _fate(history.get(segment.name), status),
            ]
        )  # fmt: skip
    columns = [
        Column("segment"), Column("ensemble"), Column("duration", "ps"), Column("time step", "fs"),
        Column("temperature", "K"), Column("total pressure", "GPa"), Column("state"),
    ]  # fmt: skip
    if all(row[5] is None for row in rows):
        columns, rows = _without(columns, rows, 5)
    return Table(columns, rows, "The protocol, segment by segment", "protocol")


def _without(columns: list[Column], rows: list[list[Cell]], k: int) -> tuple[Any, Any]:
    return columns[:k] + columns[k + 1 :], [row[:k] + row[k + 1 :] for row in rows]


def _fate(one: Mapping[str, Any] | None, status: Mapping[str, Any]) -> Mark:
    if one is None:
        return Mark("not begun", "plain")
    if not one.get("ran", True):
        return Mark("left out", "plain")
    if "end_fs" in one or status.get("status") == "finished":
        return Mark("done", "good")
    return Mark("begun", "caution")


def _events(status: Mapping[str, Any]) -> list[Part]:
    events = status.get("events", ())
    if not events:
        return []
    rows: list[list[Cell]] = [
        [e.get("time_ps"), e.get("segment"), e.get("check"), e.get("sentence"), e.get("policy")]
        for e in events
    ]
    columns = [
        Column("time", "ps"), Column("segment"), Column("check"), Column("what was seen"),
        Column("what was done"),
    ]  # fmt: skip
    return [Table(columns, rows, "Events that the watchdog noted", "events")]


def _settings(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol's numbers, each segment under its own name."""
    values = {key: value for key, value in protocol.items() if key != "segments"}
    for segment in protocol["segments"]:
        values[segment["name"]] = {key: v for key, v in segment.items() if key != "name"}
    return values


def _provenance(started: Mapping[str, Any]) -> list[Part]:
    facts = {key: value for key, value in started.items() if key != "protocol"}
    return [Text("What the run was started with; a change of any of it makes another run."),
            facts_of(facts)]  # fmt: skip
