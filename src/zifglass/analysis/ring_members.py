"""Which metal atoms each primitive ring passes: for pictures. `rings.py` counts them, faster."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np

from .network import Indices, Network

Vertex = tuple[int, tuple[int, int, int]]
_origin = (0, 0, 0)


def ring_members(net: Network, *, max_metals: int = 8) -> list[Indices]:
    """Every primitive ring of up to `max_metals` metal atoms, once per cell.

    A ring is an array (metals, 4) in the order of the ring: metal node, and the whole cells from
    its home image to the one the ring passes. As in `primitive_rings`, a ring is primitive when no
    two of its vertices are closer in the infinite graph than along it (Franzblau 1991, DOI
    10.1103/PhysRevB.44.4925); it suffices that no two opposite ones are.
    """
    near = _Shells(net, max_metals)
    found: dict[tuple[Vertex, ...], list[Vertex]] = {}
    for metal in range(len(net.metals)):
        for ring in near.rings_through(metal):
            found.setdefault(_name(ring), ring)
    metals = len(net.metals)
    return [
        np.array([(node, *cell) for node, cell in ring if node < metals], dtype=np.int64)
        for ring in found.values()
    ]


class _Shells:
    """Shortest ways from each node out into the periodic graph, found when first asked for."""

    def __init__(self, net: Network, reach: int) -> None:
        self._reach = reach
        self._edges: dict[int, list[Vertex]] = defaultdict(list)
        for metal, linker, a, b, c in net.edges.tolist():
            self._edges[metal].append((linker, (a, b, c)))
            self._edges[linker].append((metal, (-a, -b, -c)))
        self._found: dict[int, tuple[dict[Vertex, int], dict[Vertex, list[Vertex]]]] = {}

    def rings_through(self, node: int) -> list[list[Vertex]]:
        """Primitive rings through a node's home image, each at least once."""
        depth, before = self._from(node)
        rings = []
        for end, steps in depth.items():
            if steps < 2 or len(before[end]) < 2:
                continue
            ways = self._ways(node, end)
            for one, other in combinations(ways, 2):
                if set(one[1:-1]).isdisjoint(other[1:-1]):
                    ring = one[:-1] + other[:0:-1]
                    if self._is_primitive(ring):
                        rings.append(ring)
        return rings

    def _is_primitive(self, ring: list[Vertex]) -> bool:
        half = len(ring) // 2
        return all(
            self._distance(a, b) == half for a, b in zip(ring[:half], ring[half:], strict=True)
        )

    def _distance(self, a: Vertex, b: Vertex) -> int | None:
        return self._from(a[0])[0].get((b[0], _minus(b[1], a[1])))

    def _ways(self, node: int, end: Vertex) -> list[list[Vertex]]:
        """Every shortest way from the node's home image to `end`, both ends included."""
        if end == (node, _origin):
            return [[end]]
        before = self._from(node)[1]
        return [[*way, end] for last in before[end] for way in self._ways(node, last)]

    def _from(self, node: int) -> tuple[dict[Vertex, int], dict[Vertex, list[Vertex]]]:
        """Steps to every image within reach, and the images one step before it."""
        if node in self._found:
            return self._found[node]
        start = (node, _origin)
        depth, before = {start: 0}, defaultdict(list)
        layer = [start]
        for steps in range(1, self._reach + 1):
            following = []
            for here in layer:
                for other, offset in self._edges[here[0]]:
                    there = (other, _plus(here[1], offset))
                    if there not in depth:
                        depth[there] = steps
                        following.append(there)
                    if depth[there] == steps:
                        before[there].append(here)
            layer = following
        self._found[node] = depth, before
        return depth, before


def _name(ring: list[Vertex]) -> tuple[Vertex, ...]:
    """The same for a ring and its images, wherever it starts: the least of its descriptions."""
    least = min(node for node, _ in ring)
    return min(
        tuple(sorted((node, _minus(cell, home)) for node, cell in ring))
        for first, home in ring
        if first == least
    )


def _plus(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _minus(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
