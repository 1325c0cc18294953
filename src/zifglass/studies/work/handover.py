"""What one stage takes from another, or from a file: a structure, frames.

A stage that ends in a structure leaves it as structure.extxyz, exact to the bit; one that ends in
frames leaves trajectory.h5 and, in results.json, when each segment began and ended.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zifglass.core import InputError

if TYPE_CHECKING:
    from zifglass.core import Structure, Trajectory
    from zifglass.studies.stage import StageContext

STRUCTURE = "structure.extxyz"


def starting_structure(context: StageContext) -> Structure:
    """Of the stage needed as ``structure``, or the last frame of the input file of that role."""
    from zifglass.io import read

    if "structure" in context.results:
        path = context.result("structure") / STRUCTURE
    elif "structure" in context.stage.inputs:
        path = context.input("structure")
    else:
        raise InputError(
            f"stage {context.stage.name!r} needs a structure: a stage or a file of role 'structure'"
        )
    return read(path)[-1].structure


def frames_of(folder: Path, *, segment: str | None = None) -> Trajectory:
    """The frames a stage left (one where it left a structure alone), or those of one segment.

    Raises InputError where the stage has no such segment, or skipped it.
    """
    from zifglass.io import read

    path = folder / "trajectory.h5"
    if not path.exists():
        if segment is not None:
            raise InputError(f"no trajectory, so no segment {segment!r} of it", folder)
        return read(folder / STRUCTURE)
    frames = read(path)
    return frames if segment is None else _segment_of(frames, folder, segment)


def _segment_of(frames: Trajectory, folder: Path, segment: str) -> Trajectory:
    found = {one["name"]: one for one in _segments(folder)}
    if segment not in found:
        raise InputError(f"no segment is called {segment!r}; there are {', '.join(found)}", folder)
    span = found[segment]
    if not span["ran"]:
        raise InputError(f"segment {segment!r} did not run: its condition was not met", folder)
    assert frames.times is not None
    # The frame at the start is the last of the segment before.
    inside = [i for i, t in enumerate(frames.times) if span["start_fs"] < t <= span["end_fs"]]
    if not inside:
        raise InputError(f"no frame lies in segment {segment!r}: shorten frames_every", folder)
    return frames[inside[0] : inside[-1] + 1]


def _segments(folder: Path) -> list[dict[str, Any]]:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return list(results["about"]["segments"])


def cite_potential(context: StageContext) -> None:
    """Record the sources of the stage's potential."""
    name = context.stage.potential or ""
    if name.startswith("python:"):
        return
    from zifglass.potentials import catalogue

    if name in [item.name for item in catalogue.entries()]:
        context.cite("castel2024")
    context.cite("batzner2022", *(["musaelian2023"] if name.startswith("nequip:") else []))
