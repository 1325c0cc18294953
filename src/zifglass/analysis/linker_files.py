"""A linker from a file: of the molecule alone, or of a crystal that is built from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Structure
from zifglass.core.structure import number_of
from zifglass.io import NoCellError, read

from .linker_graphs import LinkerGraph
from .linker_settings import OwnLinker
from .linkers import NON_METALS, bonded_pieces

Indices = NDArray[np.int64]


def _silent(sentence: str) -> None:
    pass


def read_linker(
    path: str | Path,
    *,
    name: str | None = None,
    donor: str = "N",
    note: Callable[[str], None] = _silent,
) -> OwnLinker:
    """The linker in a structure file (its last frame); name: that of the file unless given.

    Metal atoms are taken away; what is left must be one molecule or copies of one, so the
    framework's own crystal will do. Bonds follow from distances as in `linkers`, through the
    periodic boundaries where the file has a cell. A molecule on its own with one H on a nitrogen
    of a five-membered ring is the acid: that H is taken off, and `note` is told.

    donor: element that binds the metal. Raises InputError naming the file where it cannot be
    read, holds different molecules, no atom but H, or no donor, or where several such H leave a
    choice.
    """
    path = Path(path)
    structure = _structure_in(path)
    try:
        graph = _one_molecule(name or path.stem, structure)
        if number_of(donor) not in graph.numbers:
            raise InputError(
                f"the linker {graph.formula} has no {donor} to bind the metal: give one linker, "
                "deprotonated, as it sits in the framework"
            )
        if np.isin(structure.numbers, list(NON_METALS)).all():
            graph = _deprotonated(graph, note)
    except InputError as error:
        raise InputError(error.message, path) from error
    return OwnLinker.of(graph)


def _structure_in(path: Path) -> Structure:
    try:
        return read(path)[-1].structure
    except NoCellError:
        found = read(path, cell=np.full(3, 1e3))[-1].structure
    # A molecule in empty space.
    size = np.ptp(found.positions, axis=0) + 10.0
    return Structure(found.numbers, found.positions, np.diag(size), np.zeros(3, dtype=bool))


def _one_molecule(name: str, structure: Structure) -> LinkerGraph:
    graphs: list[LinkerGraph] = []
    bonds, hosts, pieces = bonded_pieces(structure)
    symbols = np.array(structure.symbols)
    lone = [p for p in pieces if (structure.numbers[p] == 1).all()]
    if lone and len(lone) < len(pieces):
        raise InputError(
            f"hydrogen {lone[0][0]} is 1.5 Å or more from any other atom of the linker: check the "
            "coordinates"
        )
    for piece in pieces:
        inside = np.isin(bonds.i, piece) & (bonds.i < bonds.j)
        joined = np.unique(np.column_stack([bonds.i[inside], bonds.j[inside]]), axis=0)
        hydrogens = piece[hosts[piece] >= 0]
        pairs = [*joined.tolist(), *np.column_stack([hydrogens, hosts[hydrogens]]).tolist()]
        place = {int(atom): k for k, atom in enumerate(piece)}
        graph = LinkerGraph.from_bonds(
            name, symbols[piece].tolist(), [(place[i], place[j]) for i, j in pairs]
        )
        if not any(graph.is_same_molecule(other) for other in graphs):
            graphs.append(graph)
    if len(graphs) > 1:
        kinds = ", ".join(graph.formula for graph in graphs[:4])
        raise InputError(
            f"one linker was expected, and this holds {len(graphs)} different molecules ({kinds}"
            f"{', …' * (len(graphs) > 4)}): give each linker a file of its own"
        )
    if not graphs:
        raise InputError("one linker was expected, and this holds no atom of one, only metals")
    return graphs[0]


def _deprotonated(graph: LinkerGraph, note: Callable[[str], None]) -> LinkerGraph:
    acid = [
        atom
        for atom, (z, h) in enumerate(zip(graph.numbers, graph.hydrogens, strict=True))
        if z == 7 and h == 1 and graph.smallest_ring(atom) == 5
    ]
    if not acid:
        return graph
    if len(acid) > 1:
        raise InputError(
            f"{len(acid)} nitrogens of five-membered rings carry H: take off those that the "
            "metal replaces"
        )
    hydrogens = tuple(h - (atom == acid[0]) for atom, h in enumerate(graph.hydrogens))
    found = replace(graph, hydrogens=hydrogens)
    note(
        f"linker {graph.name!r}: {graph.formula} is the acid; its N–H is taken off, the linker is "
        f"{found.formula}"
    )
    return found
