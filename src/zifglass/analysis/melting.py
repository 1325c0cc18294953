"""Has a crystal melted in a trajectory? One verdict from three clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zifglass.core import Frame, InputError, Structure, Trajectory, as_trajectory

from .linker_graphs import LinkerGraph, known_linkers
from .melting_clocks import Melting, MeltingSettings
from .melting_monitor import MeltingMonitor

if TYPE_CHECKING:
    from ase import Atoms


def melting(
    trajectory: Trajectory | Sequence[Frame],
    *,
    reference: Structure | Frame | Atoms | None = None,
    settings: MeltingSettings | None = None,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
) -> Melting:
    """Has the crystal `reference` (the first frame if not given) melted in this trajectory?

    Runs `MeltingMonitor` over the frames. Raises InputError where frames have no times or
    these do not increase, and as `network` does.
    """
    monitor = MeltingMonitor(reference, settings=settings, graphs=graphs, expected=expected)
    frames = as_trajectory(trajectory)
    if frames.times is None:
        raise InputError("melting needs the time of every frame", frames.source)
    for frame in frames:
        monitor.update(frame)
    return monitor.result()
