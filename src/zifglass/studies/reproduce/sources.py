"""Where the structures and trajectories come from that zifglass does not make itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zifglass.core import InputError
from zifglass.potentials.catalogue import data_folders

GLASSES_PUBLISHED: Final = 10
HOW_TO_GET_GLASSES: Final = (
    "the ab initio glasses are not on this machine: get ZIF4_15glass*.cif of "
    "129-Gaillac_ChemMater_2020 from github.com/fxcoudert/citable-data (CC-BY 4.0), put them into "
    "a folder DIR/citable-data/glasses and set ZIFGLASS_DATA=DIR"
)

roles: Final = {
    "crystal": "the crystal at 300 K",
    "liquid": "the liquid",
    "glass": "an ab initio glass at 300 K, one trajectory each: glass-01, glass-02…",
    "test": "frames of the liquids with ab initio energies and forces, unseen in training",
    "volume-4": "the crystal at −4 % and 1500 K",
    "volume-2": "the crystal at −2 % and 1500 K",
    "volume0": "the crystal at its own volume and 1500 K",
    "volume+2": "the crystal at +2 % and 1500 K",
}
"""What a file or folder in the folder of AIMD trajectories is, by how its name begins."""


@dataclass(frozen=True)
class Source:
    """An AIMD trajectory. name: of its stage. files: all it is read from, the first is opened (its
    folder, where it is a run of ours)."""

    name: str
    role: str
    path: Path
    files: tuple[Path, ...]


def published_glasses() -> list[Path]:
    """The ab initio glasses found on this machine, by number; empty where there are none."""
    for folder in data_folders():
        found = sorted((folder / "citable-data" / "glasses").glob("ZIF4_15glass[0-9][0-9].cif"))
        if found:
            return found
    return []


def glass_name(path: Path) -> str:
    """ZIF4_15glass03.cif → 03."""
    return path.stem[-2:]


def aimd_sources(folder: Path) -> list[Source]:
    """The trajectories in `folder`, by role.

    An entry is a file, the folder of a run, or a folder that holds a CP2K ``*-pos-1.xyz``; what
    lies beside it (cell, velocities) counts as part of it. Raises InputError where nothing has a
    role, and on an entry of a role that cannot be told.
    """
    if not folder.is_dir():
        raise InputError("the AIMD trajectories are given as a folder; this is none", folder)
    found = [_source(path, role) for path, role in _entries(folder)]
    if not found:
        raise InputError(
            "no AIMD trajectory here: the name of each begins with what it is, " + ", ".join(roles),
            folder,
        )
    names = [source.name for source in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two trajectories are called {twice[0]}", folder)
    return found


def unused(folder: Path) -> list[str]:
    """Names in the folder that are of no role."""
    known = {path.name for path, _ in _entries(folder)}
    return sorted(p.name for p in folder.iterdir() if p.name not in known and p.name[0] != ".")


def _entries(folder: Path) -> list[tuple[Path, str]]:
    chosen = []
    for path in sorted(folder.iterdir()):
        role = next((role for role in roles if _plays(path.name, role)), None)
        if role is not None and not _lies_beside(path.name):
            chosen.append((path, role))
    return chosen


def _lies_beside(name: str) -> bool:
    """Whether a file belongs to another: cell, velocities and forces of a CP2K run."""
    return name.endswith((".cell", "-vel-1.xyz", "-frc-1.xyz", ".yaml", ".json"))


def _plays(name: str, role: str) -> bool:
    rest = name[len(role) :]
    return name.startswith(role) and not re.match(r"\d*[a-zA-Z]", rest)


def _source(path: Path, role: str) -> Source:
    name = path.name.partition(".")[0] if path.is_file() else path.name
    name = re.sub(r"[^\w+=-]", "-", name).replace("+", "p")
    if path.is_file():
        project = path.name.removesuffix("-pos-1.xyz")
        beside = path.parent.glob(f"{project}-*") if project != path.name else ()
        also = sorted(p for p in beside if _lies_beside(p.name))
        return Source(name.removesuffix("-pos-1"), role, path, (path, *also))
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".lock")
    positions = [p for p in files if p.name.endswith("-pos-1.xyz")]
    if len(positions) > 1:
        raise InputError("two CP2K trajectories (*-pos-1.xyz) in one folder: join or part", path)
    if not files:
        raise InputError("this folder is empty", path)
    return Source(name, role, positions[0] if positions else path, tuple(files))
