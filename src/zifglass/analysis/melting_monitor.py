"""Watches a crystal melt, frame by frame, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Structure, Verdict, as_structure
from zifglass.core.neighbors import neighbor_list
from zifglass.core.structure import number_of
from zifglass.core.trajectory import check_same_atoms
from zifglass.core.units import ps

from .linker_graphs import LinkerGraph, bond_limit, known_linkers
from .melting_clocks import History, Melting, MeltingSettings, judge
from .network import Network, network
from .rings import RingSettings, primitive_rings

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Edge = tuple[int, ...]

STRETCH = 1.2
"""A linker of the reference counts as broken where a bond exceeds its limit by this factor:
momentary stretches of a hot bond are left out."""


class MeltingMonitor:
    """A `core.Monitor` whose verdict is solid, liquid or undecided.

    Frames are gathered into blocks of `settings.block`; a metal–linker bond is there in a block
    when it is there in at least half of its frames. A window is `settings.persistence` blocks
    on end. Linkers are those of the reference, known by their atoms ever after. Memory does not
    grow with time beyond `settings.max_windows` rows.
    """

    def __init__(
        self,
        reference: Structure | Frame | Atoms | None = None,
        *,
        settings: MeltingSettings | None = None,
        graphs: Sequence[LinkerGraph] = known_linkers,
        expected: Mapping[str, int] | None = None,
    ) -> None:
        self.settings = settings or MeltingSettings()
        self._graphs, self._expected = graphs, expected
        self._reference: _Reference | None = None
        self._start = self._last = np.nan
        self._block = _Block(0, 0)
        self._window: list[_Summary] = []
        self._rows: list[list[float]] = []
        self._pending: list[list[float]] = []
        self._stride = 1
        if reference is not None:
            self._begin(as_structure(reference))

    @property
    def name(self) -> str:
        return "melting"

    def update(self, frame: Frame) -> None:
        """Look at one more frame. Raises InputError on a missing or not increasing time, on
        other atoms, and on a first frame without metal or linkers."""
        if frame.time is None:
            raise InputError("melting needs the time of every frame", frame=frame.index)
        if frame.time <= self._last:
            raise InputError(
                f"times must increase: {frame.time:g} fs after {self._last:g} fs",
                frame=frame.index,
            )
        reference = self._reference or self._begin(frame.structure)
        check_same_atoms(reference.numbers, frame.structure.numbers, "trajectory", frame.index)
        if np.isnan(self._start):
            self._start = frame.time
        number = int((frame.time - self._start) / (self.settings.block * ps) + 1e-9)
        if number > self._block.number:
            self._close_block()
            self._block = _Block(number, len(reference.metals))
        self._last = frame.time
        reference.look(frame, self._block)

    def result(self) -> Melting:
        """Verdict, onset and clocks of what was seen so far (whole blocks only)."""
        return judge(self._history(), self.settings)

    def verdict(self) -> Verdict:
        return self.result().verdict

    def _begin(self, structure: Structure) -> _Reference:
        net = network(
            structure,
            settings=self.settings.network,
            graphs=self._graphs,
            expected=self._expected,
        )
        self._reference = _Reference(structure, net, self.settings)
        self._block = _Block(0, len(net.metals))
        return self._reference

    def _close_block(self) -> None:
        reference, block = self._reference, self._block
        if reference is None or not block.frames:
            return
        self._window.append(reference.summarise(block, self._start, self.settings))
        if len(self._window) == self.settings.persistence:
            self._add(reference.row(self._window, self.settings))
            del self._window[0]

    def _add(self, row: list[float]) -> None:
        self._pending.append(row)
        if len(self._pending) == self._stride:
            self._rows.append(_merged(self._pending))
            self._pending = []
        if len(self._rows) > self.settings.max_windows:
            if len(self._rows) % 2:
                self._pending = [self._rows.pop()] * self._stride
            self._rows = [_merged(self._rows[i : i + 2]) for i in range(0, len(self._rows), 2)]
            self._stride *= 2

    def _history(self) -> History:
        sizes = self.settings.ring_size - 1
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 6 + sizes)
        reference = self._reference
        return History(
            times=table[:, 0],
            coordination=table[:, 1],
            lost=table[:, 2],
            msd=table[:, 3],
            rings=table[:, 4],
            broken=table[:, 5],
            ring_counts=table[:, 6:],
            reference_rings=np.zeros(sizes) if reference is None else reference.rings,
            metal_distance=np.nan if reference is None else reference.metal_distance,
            observed=0.0 if np.isnan(self._start) else self._last - self._start,
            start=float(self._start),
        )

    def state(self) -> dict[str, Any]:
        """Everything needed to continue exactly: numbers and numpy arrays."""
        reference = self._reference
        if reference is None:
            return {}
        return {
            "reference_numbers": reference.numbers,
            "reference_positions": reference.positions,
            "reference_cell": reference.cell,
            "fractional": reference.fractional.copy(),
            "images": reference.images.copy(),
            "bonds_stretched": reference.stretched,
            "seen": reference.seen,
            "start": float(self._start),
            "last": float(self._last),
            "stride": self._stride,
            "rows": np.array(self._rows, dtype=np.float64),
            "pending": np.array(self._pending, dtype=np.float64),
            "block": self._block.state(),
            "window_numbers": np.array([s.numbers for s in self._window], dtype=np.float64),
            "window_edges": np.array(
                [(n, *edge) for n, s in enumerate(self._window) for edge in sorted(s.edges)],
                dtype=np.int64,
            ).reshape(-1, 6),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`, given by a monitor of the same settings."""
        if not state:
            return
        reference = self._begin(
            Structure(
                np.asarray(state["reference_numbers"]),
                np.asarray(state["reference_positions"]),
                np.asarray(state["reference_cell"]),
            )
        )
        reference.fractional = np.array(state["fractional"], dtype=np.float64)
        reference.images = np.array(state["images"], dtype=np.float64)
        reference.stretched = float(state["bonds_stretched"])
        reference.seen = bool(state["seen"])
        self._start, self._last = float(state["start"]), float(state["last"])
        self._stride = int(state["stride"])
        self._rows = np.asarray(state["rows"], dtype=np.float64).tolist()
        self._pending = np.asarray(state["pending"], dtype=np.float64).tolist()
        self._block = _Block.restored(state["block"])
        edges = np.asarray(state["window_edges"], dtype=np.int64).reshape(-1, 6).tolist()
        numbers = np.asarray(state["window_numbers"], dtype=np.float64).tolist()
        self._window = [
            _Summary(row, frozenset(tuple(e[1:]) for e in edges if e[0] == n))
            for n, row in enumerate(numbers)
        ]


class _Summary:
    """A closed block: numbers [time, coordination, msd, broken] and the edges that held."""

    def __init__(self, numbers: list[float], edges: frozenset[Edge]) -> None:
        self.numbers, self.edges = numbers, edges


class _Block:
    """Sums over the frames of a block."""

    def __init__(self, number: int, metals: int) -> None:
        self.number, self.frames, self.bonds = number, 0, 0
        self.displacement = np.zeros((metals, 3))
        self.edges: dict[Edge, int] = {}

    def state(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "frames": self.frames,
            "bonds": self.bonds,
            "displacement": self.displacement.copy(),
            "edges": np.array(
                [(*edge, count) for edge, count in self.edges.items()], dtype=np.int64
            ).reshape(-1, 6),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> _Block:
        displacement = np.array(state["displacement"], dtype=np.float64).reshape(-1, 3)
        block = cls(int(state["number"]), len(displacement))
        block.frames, block.bonds = int(state["frames"]), int(state["bonds"])
        block.displacement = displacement
        table = np.asarray(state["edges"], dtype=np.int64).reshape(-1, 6).tolist()
        block.edges = {tuple(row[:5]): row[5] for row in table}
        return block


class _Reference:
    """The crystal: its bonds and rings, and where its atoms have gone since."""

    def __init__(self, structure: Structure, net: Network, settings: MeltingSettings) -> None:
        self.numbers, self.positions, self.cell = (
            structure.numbers,
            structure.positions,
            structure.cell,
        )
        self.metals = net.metals
        self.edges = frozenset(tuple(edge) for edge in net.edges.tolist())
        if not self.edges:
            raise InputError(
                f"the reference has no {settings.network.metal}–{settings.network.donor} bond "
                f"shorter than {settings.network.cutoff:g} Å: it is no crystal to melt"
            )
        self.nodes = net.nodes
        self.cutoff = settings.network.cutoff
        self._set_donors(structure, net, settings)
        self.weights = structure.masses / structure.masses.sum()
        self.fractional = structure.positions @ np.linalg.inv(structure.cell)
        self.home = self.fractional.copy()
        self.images = np.zeros_like(self.fractional)
        self.seen = False
        self.stretched = 0.0
        self.rings = self._ring_counts(self.edges, settings)
        self.metal_distance = _nearest(structure, self.metals)

    def _set_donors(self, structure: Structure, net: Network, settings: MeltingSettings) -> None:
        """Donor atoms of whole linkers: their linker node and their place in its home image."""
        found = net.linkers
        atoms = np.concatenate(found.atoms) if found.intact else np.zeros(0, dtype=np.int64)
        shifts = np.concatenate(found.shifts) if found.intact else np.zeros((0, 3), dtype=np.int64)
        ours = structure.numbers[atoms] == number_of(settings.network.donor)
        self.donors, self.donor_shifts = atoms[ours], shifts[ours]
        self.donor_nodes = len(self.metals) + found.owner[self.donors]
        self.sites = np.concatenate([self.metals, self.donors])
        bonds = found.bonds
        held = (bonds.i < bonds.j) & (found.owner[bonds.i] >= 0)
        held &= found.owner[bonds.i] == found.owner[bonds.j]
        self.bonds = bonds.select(held)
        kinds = structure.numbers
        self.bond_limits = STRETCH * np.array(
            [
                bond_limit(int(kinds[i]), int(kinds[j]))
                for i, j in zip(self.bonds.i, self.bonds.j, strict=True)
            ]
        )
        self.bond_linkers = found.owner[self.bonds.i]
        self.linkers = found.intact

    def look(self, frame: Frame, block: _Block) -> None:
        """Add one frame to a block."""
        cell = frame.structure.cell
        self._follow(frame)
        moved = self.fractional - self.home
        moved -= self.weights @ moved
        block.displacement += moved[self.metals] @ cell
        places = self.fractional @ cell
        sub = Structure(self.numbers[self.sites], places[self.sites], cell)
        near = neighbor_list(sub, self.cutoff)
        count = len(self.metals)
        ours = (near.i < count) & (near.j >= count)
        donor = near.j[ours] - count
        table = np.column_stack(
            [near.i[ours], self.donor_nodes[donor], near.shifts[ours] - self.donor_shifts[donor]]
        )
        for edge in set(map(tuple, table.tolist())):
            block.edges[edge] = block.edges.get(edge, 0) + 1
        block.bonds += len(donor)
        block.frames += 1
        self.stretched = self._broken_fraction(places, cell)

    def _follow(self, frame: Frame) -> None:
        """Continuous fractional coordinates, whatever the frame's choice of images."""
        fractional = frame.structure.positions @ np.linalg.inv(frame.structure.cell)
        if frame.unwrapped and self.seen:
            self.fractional = fractional - self.images
            return
        step = fractional - self.fractional
        self.images = np.round(step)
        self.fractional = self.fractional + (step - self.images)
        self.seen = True

    def _broken_fraction(self, places: Array, cell: Array) -> float:
        vectors = places[self.bonds.j] + self.bonds.shifts @ cell - places[self.bonds.i]
        long = np.linalg.norm(vectors, axis=1) > self.bond_limits
        return len(np.unique(self.bond_linkers[long])) / max(self.linkers, 1)

    def summarise(self, block: _Block, start: float, settings: MeltingSettings) -> _Summary:
        mean = block.displacement / block.frames
        held = frozenset(e for e, count in block.edges.items() if 2 * count >= block.frames)
        time = start + block.number * settings.block * ps
        coordination = block.bonds / block.frames / len(self.metals)
        msd = float((mean**2).sum(axis=1).mean())
        return _Summary([time, coordination, msd, self.stretched], held)

    def row(self, window: list[_Summary], settings: MeltingSettings) -> list[float]:
        """One line of the history; its columns are the fields of `History`."""
        held = [summary.edges for summary in window]
        lost = self.edges.difference(*held)
        counts: dict[Edge, int] = {}
        for edges in held:
            for edge in edges - self.edges:
                counts[edge] = counts.get(edge, 0) + 1
        new = {edge for edge, count in counts.items() if 2 * count > len(window)}
        time, coordination, msd, broken = window[0].numbers
        rings = self._ring_counts((self.edges - lost) | new, settings)
        change = float(np.abs(rings - self.rings).sum() / max(self.rings.sum(), 1.0))
        if broken > settings.broken_limit or not self.rings.any():
            change = float("nan")
        return [time, coordination, len(lost) / len(self.edges), msd, change, broken, *rings]

    def _ring_counts(self, edges: frozenset[Edge] | set[Edge], settings: MeltingSettings) -> Array:
        """Rings of 2 … ring_size metals."""
        table = np.array(sorted(edges), dtype=np.int64).reshape(-1, 5)
        count = primitive_rings(
            self.nodes, table, settings=RingSettings(max_nodes=2 * settings.ring_size)
        )
        result = count.counts[count.sizes % 2 == 0].astype(np.float64)
        return np.where(result < 0, np.nan, result)


def _merged(rows: list[list[float]]) -> list[float]:
    """The mean of rows, at the time of the first."""
    mean = np.mean(np.array(rows), axis=0).tolist()
    return [rows[0][0], *mean[1:]]


def _nearest(structure: Structure, atoms: Indices) -> float:
    """Mean distance from each of `atoms` to the nearest of them, images counted, Å."""
    sub = Structure(structure.numbers[atoms], structure.positions[atoms], structure.cell)
    cutoff = 8.0
    while True:
        near = neighbor_list(sub, cutoff)
        if len(np.unique(near.i)) == len(atoms):
            nearest = np.full(len(atoms), np.inf)
            np.minimum.at(nearest, near.i, near.distances)
            return float(nearest.mean())
        cutoff *= 1.5
