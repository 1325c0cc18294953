"""The linkers of zeolitic imidazolate frameworks as molecular graphs, and yours beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from zifglass._native import match_pattern
from zifglass.core import Frame, InputError, Structure
from zifglass.core.structure import number_of, symbols_of

if TYPE_CHECKING:
    from ase import Atoms

Indices = NDArray[np.int64]

BOND_TOLERANCE = 1.2
"""A bond is shorter than this times the sum of two covalent radii."""

CARBON_RADIUS = 0.73
"""Å, sp² carbon (Cordero et al. 2008, DOI 10.1039/b801115j); others as in ase.data, same source.
With it C–N bonds end at 1.728 Å and C–C bonds at 1.752 Å."""

HYDROGEN_REACH = 1.5
"""Å: a hydrogen belongs to the nearest other non-metal atom within this distance. A hot C–H
bond passes 1.25 Å in one vibration out of a hundred, and a linker is not broken by that."""


@dataclass(frozen=True)
class LinkerGraph:
    """A linker as it sits in the framework (deprotonated): its atoms but H, and their bonds.

    numbers: atomic numbers without H. bonds: pairs of positions in `numbers`, connected.
    hydrogens: how many H each of those atoms carries. Raises InputError on a graph that is
    empty, in pieces, or whose bonds lead nowhere.
    """

    name: str
    numbers: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]
    hydrogens: tuple[int, ...]

    def __post_init__(self) -> None:
        size = len(self.numbers)
        if not size or len(self.hydrogens) != size:
            raise InputError(
                f"linker {self.name!r} needs atoms other than H and one hydrogen count for each; "
                f"got {size} atoms and {len(self.hydrogens)} counts"
            )
        for i, j in self.bonds:
            if not (0 <= i < size and 0 <= j < size and i != j):
                raise InputError(
                    f"linker {self.name!r}: bond ({i}, {j}) must join two different of the "
                    f"{size} atoms, counted from 0"
                )
        if len(self._order) != size:
            raise InputError(
                f"linker {self.name!r} is in pieces: atom {self._order[0]} reaches "
                f"{len(self._order)} of its {size} atoms; check the bonds"
            )

    @property
    def composition(self) -> dict[int, int]:
        """Atomic number → how many, H included."""
        kinds, counts = np.unique(self.numbers, return_counts=True)
        result = {int(z): int(n) for z, n in zip(kinds, counts, strict=True)}
        return result | {1: result.get(1, 0) + sum(self.hydrogens)}

    @property
    def formula(self) -> str:
        """C3H3N2."""
        counts = {symbols_of([z])[0]: n for z, n in self.composition.items() if n}
        parts = [f"{symbol}{n}" if n > 1 else symbol for symbol, n in sorted(counts.items())]
        return "".join(parts)

    @cached_property
    def _neighbors(self) -> list[list[int]]:
        lists: list[list[int]] = [[] for _ in self.numbers]
        for i, j in self.bonds:
            lists[i].append(j)
            lists[j].append(i)
        return lists

    @cached_property
    def _order(self) -> list[int]:
        order = [0]
        for vertex in order:
            order += [n for n in dict.fromkeys(self._neighbors[vertex]) if n not in order]
        return order

    @cached_property
    def pattern(self) -> tuple[Indices, Indices, Indices]:
        """For the matcher: atomic numbers in an order where each atom is bonded to an earlier
        one, that earlier one (its place in the order), and the other bonds (closures, 2)."""
        place = {vertex: p for p, vertex in enumerate(self._order)}
        parent = [0]
        closures = []
        for p, vertex in enumerate(self._order[1:], start=1):
            earlier = sorted({place[n] for n in self._neighbors[vertex] if place[n] < p})
            parent.append(earlier[0])
            closures += [(q, p) for q in earlier[1:]]
        return (
            np.array([self.numbers[v] for v in self._order], dtype=np.int64),
            np.array(parent, dtype=np.int64),
            np.array(closures, dtype=np.int64).reshape(-1, 2),
        )

    def is_same_molecule(self, other: LinkerGraph) -> bool:
        """Whether `other` has the same atoms, bonds and hydrogens, whatever name and order."""
        if len(self.numbers) != len(other.numbers) or len(self.bonds) != len(other.bonds):
            return False
        # Hydrogens join the element in one label: a match of all labelled atoms is an isomorphism.
        ours, parent, closures = self.pattern
        hydrogens = np.array([self.hydrogens[v] for v in self._order], dtype=np.int64)
        theirs = np.array(other.numbers) * 1000 + np.array(other.hydrogens)
        ends = np.cumsum([0, *map(len, other._neighbors)], dtype=np.int64)
        neighbors = np.array([n for near in other._neighbors for n in near], dtype=np.int64)
        still = np.zeros((len(neighbors), 3), dtype=np.int64)
        labels = ours * 1000 + hydrogens
        return len(match_pattern(theirs, ends, neighbors, still, labels, parent, closures)) > 0

    def smallest_ring(self, atom: int) -> int | None:
        """Atoms of the smallest ring through `atom` (a place in `numbers`); None outside rings."""
        best = None
        for start in self._neighbors[atom]:
            depth = {atom: 0, start: 1}
            queue = [start]
            for vertex in queue:
                for n in self._neighbors[vertex]:
                    if n == atom and vertex != start:
                        size = depth[vertex] + 1
                        best = size if best is None else min(best, size)
                    if n not in depth:
                        depth[n] = depth[vertex] + 1
                        queue.append(n)
        return best

    @classmethod
    def from_bonds(
        cls, name: str, symbols: Sequence[str], bonds: Sequence[tuple[int, int]]
    ) -> LinkerGraph:
        """From element symbols (H among them or not) and the bonds between them."""
        numbers = [number_of(symbol) for symbol in symbols]
        heavy = [atom for atom, z in enumerate(numbers) if z != 1]
        place = {atom: p for p, atom in enumerate(heavy)}
        hydrogens = [0] * len(heavy)
        kept = []
        for i, j in bonds:
            if i in place and j in place:
                kept.append((place[i], place[j]))
            elif i in place or j in place:
                hydrogens[place[i if i in place else j]] += 1
        return cls(name, tuple(numbers[a] for a in heavy), tuple(kept), tuple(hydrogens))

    @classmethod
    def from_molecule(cls, name: str, molecule: Structure | Frame | Atoms) -> LinkerGraph:
        """From the coordinates of one isolated linker, deprotonated as in the framework.

        Bonds are pairs closer than `BOND_TOLERANCE` times their covalent radii; a hydrogen
        hangs on its nearest atom. Positions are taken as they are, without periodic images.
        """
        source: Any = molecule.structure if isinstance(molecule, Frame) else molecule
        numbers, positions = np.asarray(source.numbers), np.asarray(source.positions)
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        np.fill_diagonal(distances, np.inf)
        heavy = np.nonzero(numbers != 1)[0]
        bonds = [
            (int(i), int(j))
            for i in heavy
            for j in heavy[heavy > i]
            if distances[i, j] < bond_limit(int(numbers[i]), int(numbers[j]))
        ]
        if len(heavy):
            for atom in np.nonzero(numbers == 1)[0]:
                bonds.append((int(atom), int(heavy[np.argmin(distances[atom, heavy])])))
        return cls.from_bonds(name, symbols_of(numbers), bonds)


def bond_limit(first: int, second: int) -> float:
    """Å: atoms of these atomic numbers are bonded when closer than this."""
    radii = [CARBON_RADIUS if z == 6 else float(covalent_radii[z]) for z in (first, second)]
    return BOND_TOLERANCE * sum(radii)


_ring = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0))  # C2 N1 C5 C4 N3

imidazolate = LinkerGraph("imidazolate", (6, 7, 6, 6, 7), _ring, (1, 0, 1, 1, 0))
methylimidazolate = LinkerGraph(
    "2-methylimidazolate", (6, 7, 6, 6, 7, 6), (*_ring, (0, 5)), (0, 0, 1, 1, 0, 3)
)
benzimidazolate = LinkerGraph(
    "benzimidazolate",
    (6, 7, 6, 6, 7, 6, 6, 6, 6),
    (*_ring, (2, 5), (5, 6), (6, 7), (7, 8), (8, 3)),
    (1, 0, 0, 0, 0, 1, 1, 1, 1),
)

known_linkers: tuple[LinkerGraph, ...] = (imidazolate, methylimidazolate, benzimidazolate)
"""What is looked for where nothing else is asked."""


class UnsettledCompositionError(InputError):
    """More than one choice of linkers makes up the composition."""


def expected_linkers(numbers: Indices, graphs: Sequence[LinkerGraph]) -> dict[str, int]:
    """How many of each linker the composition calls for: {name: count}, zeros left out.

    Solves Σ_g count_g · formula_g = the atoms there are in whole numbers from 0, over the elements
    of the linkers; those with an element that is not there are out. Raises InputError where no
    whole numbers do, `UnsettledCompositionError` where more than one choice does.
    """
    there = set(numbers.tolist()) | {1}
    possible = [graph for graph in graphs if set(graph.numbers) <= there]
    if not possible:
        missing = sorted({z for graph in graphs for z in graph.numbers} - there)
        raise InputError(
            f"no linker can be here: {_listed(graphs)} need {', '.join(symbols_of(missing))}, "
            "which the structure lacks"
        )
    elements = sorted({z for graph in possible for z in graph.composition})
    matrix = tuple(tuple(graph.composition.get(z, 0) for graph in possible) for z in elements)
    present = tuple(int(np.count_nonzero(numbers == z)) for z in elements)
    ranges = _whole_number_ranges(matrix, present)
    have = "".join(f"{s}{n}" for s, n in zip(symbols_of(elements), present, strict=True))
    if ranges is None or not any(most for _, most in ranges):
        raise InputError(
            f"the composition {have} is no whole number of the linkers {_listed(possible)}: give "
            "the linker that is missing (--linker FILE; graphs=… in Python), or how many there are "
            "where other molecules are present (linkers.expected.NAME=N; expected=… in Python)"
        )
    if any(least != most for least, most in ranges):
        raise UnsettledCompositionError(
            f"the composition {have} does not say how many of each linker there are "
            f"({_listed(possible)}): say it (linkers.expected.NAME=N; expected={{name: count}} in "
            "Python)"
        )
    counts = zip(possible, ranges, strict=True)
    return {graph.name: count for graph, (count, _) in counts if count}


def _listed(graphs: Sequence[LinkerGraph]) -> str:
    return ", ".join(f"{graph.name} {graph.formula}" for graph in graphs)


@lru_cache(maxsize=256)
def _whole_number_ranges(
    matrix: tuple[tuple[int, ...], ...], present: tuple[int, ...]
) -> tuple[tuple[int, int], ...] | None:
    """Least and most of each x_g over all whole x ≥ 0 with matrix · x = present; None where there
    is no such x."""
    from scipy.optimize import LinearConstraint, milp

    table = np.array(matrix)
    size = table.shape[1]
    if np.linalg.matrix_rank(table) == size:
        x = np.rint(np.linalg.lstsq(table, np.array(present), rcond=None)[0]).astype(int)
        solves = (x >= 0).all() and (table @ x == present).all()
        return tuple((int(n), int(n)) for n in x) if solves else None
    found = []
    for g in range(size):
        ends = []
        for sign in (1, -1):
            result = milp(
                sign * np.eye(size)[g],
                integrality=np.ones(size, dtype=np.int64),
                constraints=LinearConstraint(table, present, present),
            )
            if result.x is None or (table @ np.rint(result.x).astype(int) != present).any():
                return None
            ends.append(round(result.x[g]))
        found.append((ends[0], ends[1]))
    return tuple(found)


def checked_expected(
    expected: Mapping[str, int] | None, numbers: Indices, graphs: Sequence[LinkerGraph]
) -> dict[str, int]:
    """`expected` as given, or from the composition."""
    if expected is None:
        return expected_linkers(numbers, graphs)
    names = [graph.name for graph in graphs]
    for name, count in expected.items():
        if name not in names:
            raise InputError(f"no linker is called {name!r}; there are {', '.join(names)}")
        if int(count) != count or count < 0:
            raise InputError(f"the count of {name!r} must be a whole number from 0; got {count}")
    if not any(expected.values()):
        raise InputError("at least one linker must be expected; every count is 0")
    return {name: int(count) for name, count in expected.items() if count}
