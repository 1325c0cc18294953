"""The metal–linker network: a periodic graph with exact cell offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from zifglass.core import Frame, InputError, Structure, as_structure
from zifglass.core.neighbors import Pairs, neighbor_list
from zifglass.core.settings import Settings
from zifglass.core.structure import number_of

from .linker_graphs import LinkerGraph, known_linkers
from .linkers import Linkers, linkers

if TYPE_CHECKING:
    from ase import Atoms

Indices = NDArray[np.int64]


class NetworkSettings(Settings):
    """What counts as a bond of the network."""

    metal: str = Field(default="Zn", description="element of the metal nodes")
    donor: str = Field(default="N", description="element of the linkers that binds the metal")
    cutoff: float = Field(default=2.5, gt=0, description="metal–donor bonds are shorter, Å")


@dataclass(frozen=True, eq=False)
class Network:
    """Metal atoms and linkers as the nodes of a periodic graph.

    Nodes 0 … metals − 1 are the metal atoms, then the intact linkers in the order of
    `linkers`, then the pieces of broken ones that hold a donor atom. edges (edges, 5): metal
    node, linker node, and the offset (3 whole cells) of the linker's home image seen from the
    metal's; each once, however many donors of that linker image bind the metal. bonds: all
    metal–donor bonds. metals (metal nodes,): atom numbers. fragment_nodes: how many nodes are
    pieces. bridging (linker nodes,): how many metal atoms (images counted) each one joins.
    coordination (metal nodes,): donors bound to each metal.
    """

    edges: Indices
    metals: Indices
    linkers: Linkers
    fragment_nodes: int
    bridging: Indices
    coordination: Indices
    bonds: int

    @property
    def nodes(self) -> int:
        return len(self.metals) + self.linker_nodes

    @property
    def linker_nodes(self) -> int:
        """Intact linkers and pieces of broken ones."""
        return self.linkers.intact + self.fragment_nodes

    def bridging_counts(self) -> dict[int, int]:
        """{metals joined: linker nodes}: 2 is a bridge, 1 a dangling end, 0 a free linker."""
        joined, counts = np.unique(self.bridging, return_counts=True)
        return {int(n): int(count) for n, count in zip(joined, counts, strict=True)}


def network(
    structure: Structure | Frame | Atoms,
    *,
    settings: NetworkSettings | None = None,
    graphs: Sequence[LinkerGraph] = known_linkers,
    expected: Mapping[str, int] | None = None,
    pairs: Pairs | None = None,
) -> Network:
    """The graph of metal atoms and linkers joined by metal–donor bonds shorter than the cutoff.

    A bond leads from a metal atom to a donor in some cell; the donor sits in the linker at
    some shift from the linker's home image; the difference is the edge's offset. So the graph
    is the same for wrapped, unwrapped, skewed and rotated descriptions of a structure, up to
    the choice of home images. A broken linker stays as its pieces. `pairs`: neighbours that
    were computed anyway, to at least the cutoff.

    Raises InputError where there is no metal, and as `linkers` does.
    """
    settings = settings or NetworkSettings()
    structure = as_structure(structure)
    metals = np.nonzero(structure.numbers == number_of(settings.metal))[0]
    if not len(metals):
        raise InputError(
            f"the structure holds no {settings.metal}: the metal of its network must be named "
            f"(settings.metal); it has {structure.formula}"
        )
    reach = max(settings.cutoff, 1.8)
    if pairs is None or pairs.cutoff < settings.cutoff:
        pairs = neighbor_list(structure, reach)
    found = linkers(structure, graphs=graphs, expected=expected, pairs=pairs)
    node, shift, fragment_nodes = _linker_nodes(structure, found, number_of(settings.donor))
    metal = np.full(len(structure), -1, dtype=np.int64)
    metal[metals] = np.arange(len(metals))
    near = (metal[pairs.i] >= 0) & (node[pairs.j] >= 0) & (pairs.distances < settings.cutoff)
    near &= structure.numbers[pairs.j] == number_of(settings.donor)
    i, j = pairs.i[near], pairs.j[near]
    joined = np.column_stack([metal[i], len(metals) + node[j], pairs.shifts[near] - shift[j]])
    edges = np.unique(joined, axis=0).astype(np.int64).reshape(-1, 5)
    linker_nodes = found.intact + fragment_nodes
    return Network(
        edges=edges,
        metals=metals,
        linkers=found,
        fragment_nodes=fragment_nodes,
        bridging=np.bincount(edges[:, 1] - len(metals), minlength=linker_nodes),
        coordination=np.bincount(metal[i], minlength=len(metals)),
        bonds=len(i),
    )


def _linker_nodes(structure: Structure, found: Linkers, donor: int) -> tuple[Indices, Indices, int]:
    """(node, shift, pieces): per atom its linker node (−1: none) and the whole cells from its
    position as given to its place in the node's home image; how many nodes are pieces."""
    node = np.full(len(structure), -1, dtype=np.int64)
    shift = np.zeros((len(structure), 3), dtype=np.int64)
    if found.intact:
        atoms = np.concatenate(found.atoms)
        node[atoms] = found.owner[atoms]
        shift[atoms] = np.concatenate(found.shifts)
    pieces = [f for f in found.fragments if (structure.numbers[f] == donor).any()]
    for index, piece in enumerate(pieces):
        node[piece] = found.intact + index
        _join(piece, found.bonds, shift)
    return node, shift, len(pieces)


def _join(piece: Indices, bonds: Pairs, shift: Indices) -> None:
    """Fill `shift` so that a bonded piece hangs together, walking out from its first heavy atom.

    A piece that meets its own image is cut where the walk closes.
    """
    inside = np.isin(bonds.i, piece) & np.isin(bonds.j, piece)
    i, j = np.searchsorted(piece, bonds.i[inside]), np.searchsorted(piece, bonds.j[inside])
    if not len(i):
        return
    step = {(a, b): s for a, b, s in zip(i, j, bonds.shifts[inside], strict=True)}
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(piece),) * 2).tocsr()
    order, parent = breadth_first_order(links, i[0], directed=False)
    for place in order[1:]:
        shift[piece[place]] = shift[piece[parent[place]]] + step[parent[place], place]
