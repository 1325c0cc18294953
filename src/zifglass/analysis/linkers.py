"""Which linkers are whole: copies of molecular graphs in the bond graph of a structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from zifglass._native import match_pattern
from zifglass.core import Frame, InputError, Structure, Trajectory, as_structure, as_trajectory
from zifglass.core.neighbors import Pairs, neighbor_list
from zifglass.core.statistics import mean_of_series

from .accumulate import accumulate, known_times
from .linker_graphs import (
    HYDROGEN_REACH,
    LinkerGraph,
    UnsettledCompositionError,
    bond_limit,
    checked_expected,
    expected_linkers,
    known_linkers,
)

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

NON_METALS = frozenset(
    atomic_numbers[s] for s in ["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I"]
)
"""Atomic numbers that a linker or a piece of one may hold."""


@dataclass(frozen=True, eq=False)
class Linkers:
    """The linkers of one structure, intact and broken.

    kinds (linkers,): the name of each intact linker. atoms: for each its atoms but H, in the
    order of its graph, an array (k,). shifts: for each an array (k, 3): whole cells that, added
    to the positions as given, put the linker together around its first atom. hydrogens
    (linkers,): how many H it carries; hydrogens_expected (linkers,). expected: {name: count}
    from the composition. owner (atoms,): the intact linker an atom belongs to, H included, else
    −1. fragment (atoms,): the broken piece it belongs to, else −1; metals have neither.
    fragments: the atoms of each broken piece, H included.
    """

    kinds: tuple[str, ...]
    atoms: tuple[Indices, ...]
    shifts: tuple[Indices, ...]
    hydrogens: Indices
    hydrogens_expected: Indices
    expected: dict[str, int]
    owner: Indices
    fragment: Indices
    fragments: tuple[Indices, ...]
    bonds: Pairs

    @property
    def intact(self) -> int:
        """How many linkers are whole."""
        return len(self.kinds)

    @property
    def broken(self) -> int:
        """How many of the expected linkers are not."""
        return sum(self.expected.values()) - self.intact

    @property
    def broken_fraction(self) -> float:
        """1 − intact/expected."""
        return self.broken / sum(self.expected.values())

    @property
    def broken_atoms(self) -> Indices:
        """Atoms of broken linkers, ascending."""
        return np.nonzero(self.fragment >= 0)[0]

    def counts(self) -> dict[str, int]:
        """Intact linkers of each expected kind."""
        return {name: self.kinds.count(name) for name in self.expected}


def linkers(
    structure: Structure | Frame | Atoms,
    *,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
    pairs: Pairs | None = None,
) -> Linkers:
    """Find every linker of `graphs` as a subgraph of the bond graph, labelled by element.

    Two atoms (not H) are bonded when closer than `bond_limit`: 1.728 Å for C–N, 1.752 Å for
    C–C. A linker is intact when every bond of its graph is there, around a closed walk of zero
    lattice vector where the graph has rings; for imidazolate that is the five-cycle
    C–N–C–N–C. Hydrogens are counted, and do not decide. `expected` is read off the composition
    (`expected_linkers`) unless given; where that leaves a choice, only kinds of which a whole copy
    is there count. `pairs`: neighbours that were computed anyway, of a
    cutoff that reaches every bond. Cost: linear in atoms.

    Raises InputError where the composition does not settle what is expected.
    """
    structure = as_structure(structure)
    numbers = structure.numbers
    try:
        wanted = checked_expected(expected, numbers, graphs)
    except UnsettledCompositionError as unsettled:
        wanted = _settled(structure, graphs, pairs, unsettled)
    searched = [graph for graph in graphs if graph.name in wanted]
    near = _near(structure, searched, pairs)
    bonds = near.select(_is_bond(numbers, near))
    found = _assign(searched, wanted, numbers, bonds)
    owner = np.full(len(numbers), -1, dtype=np.int64)
    for index, (_, atoms, _) in enumerate(found):
        owner[atoms] = index
    fragment, count = _pieces(numbers, owner, bonds)
    hosts = _hydrogen_hosts(numbers, near)
    hydrogens = np.bincount(owner[hosts[hosts >= 0]] + 1, minlength=len(found) + 1)[1:]
    fragment, count = _hang_hydrogens(numbers, hosts, owner, fragment, count)
    return Linkers(
        kinds=tuple(graph.name for graph, _, _ in found),
        atoms=tuple(atoms for _, atoms, _ in found),
        shifts=tuple(shifts for _, _, shifts in found),
        hydrogens=hydrogens,
        hydrogens_expected=np.array([sum(g.hydrogens) for g, _, _ in found], dtype=np.int64),
        expected=wanted,
        owner=owner,
        fragment=fragment,
        fragments=_groups(fragment, count),
        bonds=bonds,
    )


def bonded_pieces(structure: Structure) -> tuple[Pairs, Indices, tuple[Indices, ...]]:
    """(bonds, hosts, pieces) of all non-metal atoms: bonds between those but H; hosts (atoms,):
    the atom that an H hangs on, else −1; pieces: the atoms of each molecule, H included."""
    numbers = structure.numbers
    heavy = sorted(set(numbers.tolist()) & (NON_METALS - {1}))
    reach = max([HYDROGEN_REACH, *(bond_limit(a, b) for a in heavy for b in heavy)])
    near = neighbor_list(structure, reach)
    bonds = near.select(_is_bond(numbers, near))
    hosts = _hydrogen_hosts(numbers, near)
    owner = np.full(len(numbers), -1, dtype=np.int64)
    fragment, count = _pieces(numbers, owner, bonds)
    fragment, count = _hang_hydrogens(numbers, hosts, owner, fragment, count)
    return bonds, hosts, _groups(fragment, count)


def _near(structure: Structure, graphs: Sequence[LinkerGraph], pairs: Pairs | None) -> Pairs:
    heavy = {z for graph in graphs for z in graph.numbers}
    reach = max([HYDROGEN_REACH, *(bond_limit(a, b) for a in heavy for b in heavy)])
    if pairs is None or pairs.cutoff < reach:
        return neighbor_list(structure, reach)
    return pairs.select(pairs.distances < reach)


def _is_bond(numbers: Indices, near: Pairs) -> NDArray[np.bool_]:
    """Pairs of non-metal atoms other than H that are closer than their bond limit."""
    kinds, index = np.unique(numbers, return_inverse=True)
    limits = np.zeros((len(kinds), len(kinds)))
    for a, za in enumerate(kinds.tolist()):
        for b, zb in enumerate(kinds.tolist()):
            if {za, zb} <= NON_METALS - {1}:
                limits[a, b] = bond_limit(za, zb)
    return near.distances < limits[index[near.i], index[near.j]]


def _assign(
    graphs: Sequence[LinkerGraph], wanted: Mapping[str, int], numbers: Indices, bonds: Pairs
) -> list[tuple[LinkerGraph, Indices, Indices]]:
    """Intact linkers as (graph, atoms, shifts): the largest graphs choose first, no atom twice,
    no more of a kind than expected."""
    used = np.zeros(len(numbers), dtype=bool)
    found = []
    for graph in sorted(graphs, key=lambda g: -len(g.numbers)):
        sites = _sites(graph, numbers, bonds, used)
        chosen = _without_overlap(sites, numbers, bonds)[: wanted[graph.name]]
        for site in sites[np.sort(chosen)]:
            used[site[:, 0]] = True
            found.append((graph, site[:, 0].copy(), site[:, 1:].copy()))
    return found


def _settled(
    structure: Structure,
    graphs: Sequence[LinkerGraph],
    pairs: Pairs | None,
    unsettled: UnsettledCompositionError,
) -> dict[str, int]:
    """What the composition says of the kinds of which the structure holds a whole copy."""
    numbers = structure.numbers
    near = _near(structure, graphs, pairs)
    bonds = near.select(_is_bond(numbers, near))
    used = np.zeros(len(numbers), dtype=bool)
    there: list[LinkerGraph] = []
    for size in sorted({len(graph.numbers) for graph in graphs}, reverse=True):
        alike = [graph for graph in graphs if len(graph.numbers) == size]
        sites = [_sites(graph, numbers, bonds, used) for graph in alike]
        there += [graph for graph, found in zip(alike, sites, strict=True) if len(found)]
        for found in sites:
            used[found[:, :, 0]] = True
    if len(there) in (0, len(graphs)):
        raise unsettled
    try:
        return expected_linkers(numbers, there)
    except InputError:
        raise unsettled from None


def _sites(graph: LinkerGraph, numbers: Indices, bonds: Pairs, used: NDArray[np.bool_]) -> Indices:
    """Matches (sites, atoms of the graph, 4): atom and shift, none of them used, one per
    molecule."""
    first = np.searchsorted(bonds.i, np.arange(len(numbers) + 1)).astype(np.int64)
    sites = match_pattern(
        np.ascontiguousarray(numbers), first, bonds.j, bonds.shifts, *graph.pattern
    )
    return _one_per_molecule(sites[~used[sites[:, :, 0]].any(axis=1)])


def _one_per_molecule(sites: Indices) -> Indices:
    """Of the embeddings onto the same atoms (a graph's symmetries), the first; ordered by atom."""
    _, first = np.unique(np.sort(sites[:, :, 0], axis=1), axis=0, return_index=True)
    return sites[first]


def _without_overlap(sites: Indices, numbers: Indices, bonds: Pairs) -> Indices:
    """Indices of matches that share no atom, the likeliest molecules first: fewest bonds to
    atoms outside, then the shortest longest bond."""
    atoms = sites[:, :, 0]
    if np.bincount(atoms.ravel(), minlength=1).max(initial=0) < 2:
        degree = np.bincount(bonds.i, minlength=len(numbers))
        outside = degree[atoms].sum(axis=1)
        return np.argsort(outside, kind="stable")
    scores = []
    for match, members in enumerate(atoms):
        within = np.isin(bonds.i, members)
        inside = within & np.isin(bonds.j, members)
        scores.append(
            (np.count_nonzero(within & ~inside), bonds.distances[inside].max(initial=0.0), match)
        )
    used: set[int] = set()
    chosen = []
    for _, _, match in sorted(scores):
        members = atoms[match].tolist()
        if used.isdisjoint(members):
            used.update(members)
            chosen.append(match)
    return np.array(chosen, dtype=np.int64)


def _pieces(numbers: Indices, owner: Indices, bonds: Pairs) -> tuple[Indices, int]:
    """Non-metal atoms (not H) outside every intact linker, in bonded pieces: (fragment, count)."""
    loose = (owner < 0) & np.isin(numbers, list(NON_METALS - {1}))
    fragment = np.full(len(numbers), -1, dtype=np.int64)
    if not loose.any():
        return fragment, 0
    both = loose[bonds.i] & loose[bonds.j]
    links = coo_array(
        (np.ones(np.count_nonzero(both), dtype=bool), (bonds.i[both], bonds.j[both])),
        shape=(len(numbers),) * 2,
    )
    label = connected_components(links, directed=False)[1]
    kinds, fragment[loose] = np.unique(label[loose], return_inverse=True)
    return fragment, len(kinds)


def _hydrogen_hosts(numbers: Indices, near: Pairs) -> Indices:
    """(atoms,): for each H the nearest other non-metal atom within reach; −1 elsewhere."""
    hosts = np.full(len(numbers), -1, dtype=np.int64)
    heavy = np.isin(numbers, list(NON_METALS - {1}))
    ours = (numbers[near.i] == 1) & heavy[near.j] & (near.distances < HYDROGEN_REACH)
    i, j, distances = near.i[ours], near.j[ours], near.distances[ours]
    order = np.lexsort((distances, i))[::-1]  # the nearest is written last
    hosts[i[order]] = j[order]
    return hosts


def _hang_hydrogens(
    numbers: Indices, hosts: Indices, owner: Indices, fragment: Indices, count: int
) -> tuple[Indices, int]:
    """Give each H the linker or piece of its host; a lone H is a piece. Fills `owner`."""
    held = hosts >= 0
    owner[held] = owner[hosts[held]]
    fragment[held] = fragment[hosts[held]]
    lone = np.nonzero((numbers == 1) & ~held)[0]
    fragment[lone] = count + np.arange(len(lone))
    return fragment, count + len(lone)


def _groups(labels: Indices, count: int) -> tuple[Indices, ...]:
    """The members of each label 0 … count − 1, ascending."""
    return tuple(np.nonzero(labels == label)[0] for label in range(count))


@dataclass(frozen=True, eq=False)
class BrokenLinkers:
    """Broken linkers over the frames of a trajectory.

    times (frames,) fs or None. intact (frames,), expected: linkers. fraction (frames,):
    1 − intact/expected. mean, mean_std: over the frames, with the statistical inefficiency
    accounted for (NaN for one frame). atoms: for each frame the atoms of its broken linkers.
    """

    times: Array | None
    intact: Indices
    expected: int
    fraction: Array
    mean: float
    mean_std: float
    atoms: tuple[Indices, ...]


class LinkerAccumulator:
    """Broken linkers of each frame. Memory: two numbers a frame, and the broken atoms."""

    def __init__(
        self,
        *,
        graphs: Sequence[LinkerGraph] = known_linkers,
        expected: Mapping[str, int] | None = None,
    ) -> None:
        self._graphs = graphs
        self._wanted = expected
        self._expected = 0
        self._intact: list[int] = []
        self._atoms: list[Indices] = []
        self._times: list[float | None] = []

    def update(self, frame: Frame) -> None:
        self.add(linkers(frame, graphs=self._graphs, expected=self._wanted), frame.time)

    def add(self, found: Linkers, time: float | None) -> None:
        """Take what `linkers` gave for the next frame."""
        self._expected = sum(found.expected.values())
        self._intact.append(found.intact)
        self._atoms.append(found.broken_atoms)
        self._times.append(time)

    def merge(self, later: Self) -> None:
        self._intact += later._intact
        self._atoms += later._atoms
        self._times += later._times

    def finalise(self) -> BrokenLinkers:
        fraction = 1.0 - np.array(self._intact) / self._expected
        average = mean_of_series(fraction)
        return BrokenLinkers(
            times=known_times(self._times),
            intact=np.array(self._intact),
            expected=self._expected,
            fraction=fraction,
            mean=average.mean,
            mean_std=average.std,
            atoms=tuple(self._atoms),
        )


def broken_linkers(
    trajectory: Trajectory | Structure | Sequence[Structure],
    *,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
) -> BrokenLinkers:
    """The broken fraction of each frame, 1 − intact/expected, and its mean."""
    frames = as_trajectory(trajectory)
    return accumulate(
        frames, lambda: LinkerAccumulator(graphs=graphs, expected=expected)
    ).finalise()
