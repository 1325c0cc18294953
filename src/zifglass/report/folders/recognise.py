"""What a folder is, from the files in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from zifglass.core import InputError

Kind = Literal[
    "study", "run", "structure", "sweep", "fluctuations", "static", "comparison", "ensemble",
    "results", "collection",
]  # fmt: skip

_deepest = 4  # folders of folders


def kind_of(folder: Path) -> Kind:
    """Which builder the folder is for. Raises InputError where zifglass left nothing in it."""
    if not folder.exists():
        raise InputError("there is no such folder", folder)
    if not folder.is_dir():
        raise InputError(
            "a report is made of a folder: of a run, an analysis, moduli or a study; this is a "
            "file (zifglass analyse makes such a folder of a trajectory)",
            folder,
        )
    found = _own_kind(folder)
    if found is not None:
        return found
    if parts_of(folder):
        return "collection"
    raise InputError(
        "nothing of zifglass is in this folder: no run.yaml, no results.json, no plan.json, and no "
        "folder with one of these",
        folder,
    )


def parts_of(folder: Path, depth: int = _deepest) -> list[Path]:
    """The recognised folders inside, in the order of their names; a folder that only holds such
    folders counts as one."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [
        path
        for path in inside
        if _own_kind(path) is not None or (depth > 1 and parts_of(path, depth - 1))
    ]


def _own_kind(folder: Path) -> Kind | None:
    return next((kind for kind, is_so in _signs.items() if is_so(folder)), None)


def _has(*names: str) -> Callable[[Path], bool]:
    return lambda folder: all((folder / name).exists() for name in names)


def _about(*keys: str) -> Callable[[Path], bool]:
    def is_so(folder: Path) -> bool:
        about = _read(folder / "results.json").get("about")
        return isinstance(about, dict) and all(key in about for key in keys)

    return is_so


def _is_structure(folder: Path) -> bool:
    path = folder / "settings.yaml"
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.startswith("zifglass:") and "\ntrajectories:" in text


def _is_sweep(folder: Path) -> bool:
    preparation = folder / "preparation"
    has_runs = preparation.is_dir() and (folder / "settings.json").exists()
    return has_runs or _about("holds", "window")(folder)


def _read(path: Path) -> dict[str, Any]:
    """An unreadable file tells nothing of the kind; its builder will say what is wrong."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


_signs: dict[Kind, Callable[[Path], bool]] = {
    "study": _has("plan.json"),
    "run": _has("run.yaml"),
    "structure": _is_structure,
    "sweep": _is_sweep,
    "fluctuations": _about("mean_cell", "axes"),
    "static": _about("stability", "collapse"),
    "comparison": _has("verdict.json"),
    "ensemble": _has("ensemble.json"),
    "results": _has("results.json"),
}
