"""A folder's builder, and the page of whatever folder it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zifglass.core import InputError, ZifglassError

from ..page import Page
from .account import Account, page_of
from .collection import Entry, StageWord, divided, page_of_many, shared, study_page
from .generic import results_account
from .mechanics import (
    comparison_account,
    ensemble_account,
    fluctuations_account,
    static_account,
    sweep_account,
)
from .recognise import Kind, kind_of, parts_of
from .run import run_account
from .structure import structure_account

BUDGET = 3e6
"""Bytes of trajectories in a page of one folder, and in a page of many together."""

ROOM = 9e6
"""Bytes of figures, curves and their tables in a page."""

_builders: dict[Kind, Callable[..., Account]] = {
    "run": run_account,
    "structure": structure_account,
    "sweep": sweep_account,
    "fluctuations": fluctuations_account,
    "static": static_account,
    "comparison": comparison_account,
    "ensemble": ensemble_account,
    "results": results_account,
}


def folder_page(
    folder: str | Path,
    *,
    states: Mapping[str, StageWord] | None = None,
    title: str | None = None,
    budget: float = BUDGET,
) -> Page:
    """The page of a folder that zifglass left: a run, an analysis, moduli, a study, or a folder of
    such folders.

    states: of a study's stages, as `studies.states` finds them; without them their own records
    are believed. title: in place of the folder's name. budget: bytes of trajectories in the page.
    Raises InputError where the folder is none of these or a file in it cannot be read.
    """
    folder = Path(folder).resolve()
    kind = kind_of(folder)
    if kind == "study":
        return study_page(folder, account_of, title=title, states=states, budget=budget, room=ROOM)
    parts = parts_of(folder) if kind in ("collection", "comparison", "run") else []
    if kind == "run":  # an analysis inside a run's folder belongs to it
        parts = [path for path in parts if path.name not in ("trajectory", "checkpoints")]
    if not parts:
        account = account_of(folder, budget=budget, alone=True)
        return page_of(account, title=title)
    entries = _entries(folder, parts, budget)
    own = None if kind == "collection" else account_of(folder, budget=0.5 * budget, alone=True)
    return page_of_many(title or folder.name, entries, own=own)


def account_of(
    folder: Path, *, budget: float = BUDGET, room: float = ROOM, alone: bool = True
) -> Account:
    """What a folder of a single piece of work tells. budget: bytes of its trajectory; room: bytes
    of figures and curves; alone: whether the page is its own. Raises InputError on folders of
    folders."""
    kind = kind_of(folder)
    if kind not in _builders:
        raise InputError(f"this folder is a {kind}, not one piece of work", folder)
    return _builders[kind](folder, budget=budget, room=room, alone=alone)


def _entries(folder: Path, parts: list[Path], budget: float) -> list[Entry]:
    """Every piece of work below `folder`, named by its way from there."""
    leaves = _leaves(parts)
    kinds = {str(path): kind_of(path) for path in leaves}
    shares, rooms = shared(kinds, budget), divided(kinds, ROOM)
    entries = []
    for path in leaves:
        name = path.relative_to(folder).as_posix()
        try:
            account = account_of(
                path, budget=shares[str(path)], room=rooms[str(path)], alone=len(leaves) <= 3
            )
        except ZifglassError as error:
            entries.append(Entry(name, None, StageWord("unreadable", str(error))))
        else:
            entries.append(Entry(name, account))
    return entries


def _leaves(parts: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in parts:
        if kind_of(path) == "collection":
            found += _leaves(parts_of(path))
        elif kind_of(path) != "study":
            found.append(path)
    return found
