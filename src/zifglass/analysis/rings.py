"""Rings of the metal–linker network, counted exactly on the infinite periodic graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass._native import king_rings as _king_rings
from zifglass._native import primitive_rings as _primitive_rings
from zifglass.core import Frame, InputError, Structure, Trajectory, as_trajectory
from zifglass.core.neighbors import Pairs
from zifglass.core.settings import Settings
from zifglass.core.statistics import mean_of_series

from .accumulate import accumulate, known_times
from .linker_graphs import LinkerGraph, known_linkers
from .network import Network, NetworkSettings, network

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

NODES_IN_MEMORY = 10_000_000
"""Nodes of all distance tables together, some 50 bytes each; never more than twice this."""

FARTHEST_OFFSET = 10
"""Cells: an edge may lead this far. 200 nodes then stay within the packed offsets of the kernel."""


class RingSettings(Settings):
    """How far rings are followed, and how hard."""

    max_nodes: int = Field(
        default=32, ge=3, le=200, description="largest ring, in nodes (metal and linker together)"
    )
    max_steps: int = Field(
        default=1_000_000_000,
        ge=1,
        description="distances looked up before the count stops and says so (some 10 ns each)",
    )


@dataclass(frozen=True, eq=False)
class RingCount:
    """Rings of a periodic graph per cell, translates counted once.

    sizes (n,): 3 … the largest asked, in nodes. counts (n,): rings of each size; −1 where the
    count was given up. through (n, vertices): rings of each size that pass through each vertex
    of the cell. complete_to: the largest size counted whole; smaller than the largest asked
    where `max_steps` or memory did not suffice.
    """

    sizes: Indices
    counts: Indices
    through: Indices
    complete_to: int

    @property
    def complete(self) -> bool:
        return self.complete_to == self.sizes[-1]

    def of(self, size: int) -> int:
        """Rings of `size` nodes per cell. Raises InputError where they were not counted."""
        if not 3 <= size <= self.complete_to:
            raise InputError(
                f"rings of {size} nodes were not counted: sizes 3 to {self.complete_to} were"
            )
        return int(self.counts[size - 3])

    def as_dict(self) -> dict[int, int]:
        """{size: rings} of the sizes that occur."""
        return {int(s): int(c) for s, c in zip(self.sizes, self.counts, strict=True) if c > 0}


def primitive_rings(
    vertices: int, edges: Any, *, settings: RingSettings | None = None
) -> RingCount:
    """Primitive (shortest-path) rings of a periodic graph up to `settings.max_nodes` vertices.

    `vertices`: how many the cell holds. `edges` (edges, 5): i, j, and the offset in whole cells
    of j's image seen from i's, each edge once. A ring is primitive when no two of its vertices
    are closer in the infinite graph than along the ring (Franzblau 1991, DOI
    10.1103/PhysRevB.44.4925). Exact from one cell, however small. Raises InputError on edges
    that lead nowhere or from a vertex to itself.
    """
    settings = settings or RingSettings()
    table = checked_edges(vertices, edges)
    through = np.zeros((settings.max_nodes + 1, vertices), dtype=np.int64)
    complete_to = _primitive_rings(
        vertices, table, settings.max_nodes, settings.max_steps, NODES_IN_MEMORY, through
    )
    return _count(through, complete_to)


def king_rings(vertices: int, edges: Any, *, settings: RingSettings | None = None) -> RingCount:
    """King's rings of a periodic graph: for each vertex and two of its neighbours, every
    shortest way between the two that avoids the vertex, closed through it (DOI 10.1038/2131112a0).

    Arguments and result as for `primitive_rings`; a ring met more than once counts once.
    Where `max_steps` does not suffice nothing is known: complete_to is 2.
    """
    settings = settings or RingSettings()
    table = checked_edges(vertices, edges)
    through = np.zeros((settings.max_nodes + 1, vertices), dtype=np.int64)
    whole = _king_rings(vertices, table, settings.max_nodes, settings.max_steps, through)
    return _count(through, settings.max_nodes if whole else 2)


def checked_edges(vertices: int, edges: Any) -> Indices:
    """`edges` as a contiguous (edges, 5) integer array, or an InputError."""
    table = np.ascontiguousarray(np.asarray(edges, dtype=np.int64).reshape(-1, 5))
    for row in table[(table[:, :2].min(axis=1) < 0) | (table[:, :2].max(axis=1) >= vertices)]:
        raise InputError(f"edge {row.tolist()} leads outside the {vertices} vertices")
    for row in table[(table[:, 0] == table[:, 1]) & ~table[:, 2:].any(axis=1)]:
        raise InputError(f"edge {row.tolist()} joins a vertex to itself")
    if len(table) and np.abs(table[:, 2:]).max() > FARTHEST_OFFSET:
        table = _with_near_images(vertices, table)
    if len(table) and np.abs(table[:, 2:]).max() > FARTHEST_OFFSET:
        raise InputError(
            f"edges reach {np.abs(table[:, 2:]).max()} cells far whatever images are taken as "
            f"home; at most {FARTHEST_OFFSET} are handled: describe the graph in a larger cell"
        )
    return table


def _with_near_images(vertices: int, table: Indices) -> Indices:
    """The same graph with home images chosen anew so that a spanning tree stays in one cell.

    Atoms that diffused far in unwrapped coordinates leave large offsets behind.
    """
    neighbors: list[list[tuple[int, Indices]]] = [[] for _ in range(vertices)]
    for i, j, *offset in table.tolist():
        neighbors[i].append((j, np.array(offset)))
        neighbors[j].append((i, -np.array(offset)))
    home = np.zeros((vertices, 3), dtype=np.int64)
    reached: set[int] = set()
    for first in range(vertices):
        if first in reached:
            continue
        queue = [first]
        reached.add(first)
        for vertex in queue:
            for other, offset in neighbors[vertex]:
                if other not in reached:
                    reached.add(other)
                    home[other] = home[vertex] + offset
                    queue.append(other)
    moved = table.copy()
    moved[:, 2:] += home[table[:, 0]] - home[table[:, 1]]
    return moved


def _count(through: Indices, complete_to: int) -> RingCount:
    sizes = np.arange(3, len(through))
    counts = through[3:].sum(axis=1) // sizes
    counts[sizes > complete_to] = -1
    return RingCount(sizes, counts, through[3:], complete_to)


@dataclass(frozen=True, eq=False)
class RingStatistics:
    """Rings of the metal–linker network over the frames of a trajectory.

    sizes (n,): ring sizes in metal atoms (half the nodes), 2 … max_nodes // 2. times (frames,)
    fs or None. counts (frames, n): rings per cell, NaN where the count was given up. metals:
    metal atoms per cell. mean, mean_std (n,): rings per cell over the frames and its standard
    error (statistical inefficiency accounted for; NaN for a single frame). broken (frames,):
    linkers that are not intact. dangling (frames,): linker nodes that do not join exactly two
    metals. complete_to (frames,): the largest size counted whole, in metal atoms.
    """

    sizes: Indices
    times: Array | None
    counts: Array
    metals: int
    mean: Array
    mean_std: Array
    broken: Indices
    dangling: Indices
    complete_to: Indices

    @property
    def per_metal(self) -> Array:
        """Rings per metal atom (n,)."""
        return self.mean / self.metals

    @property
    def per_metal_std(self) -> Array:
        return self.mean_std / self.metals


@dataclass(frozen=True, eq=False)
class FrameRings:
    """Rings of one frame and the state of its network; `counts` as in `RingCount`."""

    rings: RingCount
    metals: int
    broken: int
    dangling: int


def frame_rings(
    structure: Structure | Frame | Atoms,
    *,
    settings: RingSettings | None = None,
    network_settings: NetworkSettings | None = None,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
    pairs: Pairs | None = None,
) -> FrameRings:
    """Primitive rings of the metal–linker network of one structure."""
    net = network(
        structure, settings=network_settings, graphs=graphs, expected=expected, pairs=pairs
    )
    return _frame_rings(net, primitive_rings(net.nodes, net.edges, settings=settings))


def frame_king_rings(
    structure: Structure | Frame | Atoms,
    *,
    settings: RingSettings | None = None,
    network_settings: NetworkSettings | None = None,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
    pairs: Pairs | None = None,
) -> FrameRings:
    """King's rings of the metal–linker network of one structure."""
    net = network(
        structure, settings=network_settings, graphs=graphs, expected=expected, pairs=pairs
    )
    return _frame_rings(net, king_rings(net.nodes, net.edges, settings=settings))


class RingAccumulator:
    """Primitive rings of each frame. Memory: a few dozen whole numbers a frame."""

    def __init__(
        self,
        *,
        settings: RingSettings | None = None,
        network_settings: NetworkSettings | None = None,
        graphs: Sequence[LinkerGraph] = known_linkers,
        expected: Mapping[str, int] | None = None,
    ) -> None:
        self._settings = settings
        self._make = partial(network, settings=network_settings, graphs=graphs, expected=expected)
        self._sizes = np.zeros(0, dtype=np.int64)
        self._metals = 0
        self._counts: list[Indices] = []
        self._state: list[tuple[int, int, int]] = []
        self._times: list[float | None] = []

    def update(self, frame: Frame) -> None:
        self.add(self._make(frame), frame.time)

    def add(self, net: Network, time: float | None) -> None:
        """Take the network of the next frame."""
        found = _frame_rings(net, primitive_rings(net.nodes, net.edges, settings=self._settings))
        even = found.rings.sizes % 2 == 0
        self._sizes = found.rings.sizes[even] // 2
        self._metals = found.metals
        self._counts.append(found.rings.counts[even])
        self._state.append((found.broken, found.dangling, found.rings.complete_to // 2))
        self._times.append(time)

    def merge(self, later: Self) -> None:
        self._counts += later._counts
        self._state += later._state
        self._times += later._times

    def finalise(self) -> RingStatistics:
        counts = np.array(self._counts, dtype=np.float64)
        counts[counts < 0] = np.nan
        means = [_mean(column[np.isfinite(column)]) for column in counts.T]
        broken, dangling, complete_to = np.array(self._state).T
        return RingStatistics(
            sizes=self._sizes,
            times=known_times(self._times),
            counts=counts,
            metals=self._metals,
            mean=np.array([mean for mean, _ in means]),
            mean_std=np.array([std for _, std in means]),
            broken=broken,
            dangling=dangling,
            complete_to=complete_to,
        )


def rings(
    trajectory: Trajectory | Structure | Sequence[Structure],
    *,
    settings: RingSettings | None = None,
    network_settings: NetworkSettings | None = None,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
) -> RingStatistics:
    """Primitive rings of the metal–linker network, frame by frame and on average.

    A frame with broken linkers counts like any other.
    """
    return accumulate(
        as_trajectory(trajectory),
        lambda: RingAccumulator(
            settings=settings,
            network_settings=network_settings,
            graphs=graphs,
            expected=expected,
        ),
    ).finalise()


def _mean(series: Array) -> tuple[float, float]:
    if not len(series):
        return float("nan"), float("nan")
    result = mean_of_series(series)
    return result.mean, result.std


def _frame_rings(net: Network, rings: RingCount) -> FrameRings:
    return FrameRings(
        rings=rings,
        metals=len(net.metals),
        broken=net.linkers.broken,
        dangling=int(np.count_nonzero(net.bridging != 2)),
    )
