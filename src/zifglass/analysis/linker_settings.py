"""Which linkers are looked for: one definition for analyses, runs, sweeps and studies.

A linker of your own travels as its graph, not as a file: settings that hold it are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from pydantic import Field, model_validator

from zifglass.core import Frame, InputError, Structure
from zifglass.core.settings import Settings
from zifglass.core.structure import number_of, symbols_of

from .linker_graphs import LinkerGraph, known_linkers
from .linkers import Linkers, linkers

if TYPE_CHECKING:
    from ase import Atoms


class OwnLinker(Settings):
    """A linker as it sits in the framework (deprotonated); `analysis.read_linker` makes it."""

    name: str = Field(min_length=1, description="what it is called in results")
    symbols: tuple[str, ...] = Field(description="elements of its atoms but H")
    bonds: tuple[tuple[int, int], ...] = Field(description="pairs of these atoms, counted from 0")
    hydrogens: tuple[int, ...] = Field(description="how many H each of these atoms carries")

    @model_validator(mode="after")
    def _is_a_graph(self) -> OwnLinker:
        _ = self.graph
        return self

    @property
    def graph(self) -> LinkerGraph:
        numbers = tuple(number_of(symbol) for symbol in self.symbols)
        return LinkerGraph(self.name, numbers, self.bonds, self.hydrogens)

    @classmethod
    def of(cls, graph: LinkerGraph) -> OwnLinker:
        return cls(
            name=graph.name,
            symbols=tuple(symbols_of(graph.numbers)),
            bonds=graph.bonds,
            hydrogens=graph.hydrogens,
        )


class LinkerSettings(Settings):
    """Which linkers are looked for, and how many there should be."""

    own: tuple[OwnLinker, ...] = Field(
        default=(),
        description="graphs looked for beside imidazolate, 2-methylimidazolate and "
        "benzimidazolate; --linker FILE reads one from a molecule or a crystal",
    )
    expected: dict[str, int] | None = Field(
        default=None,
        description="name: how many there are in the cell (needed where it holds guests); read "
        "off the composition if unset",
    )

    @model_validator(mode="after")
    def _are_different(self) -> LinkerSettings:
        graphs = self.graphs
        for i, one in enumerate(graphs):
            for other in graphs[:i]:
                if one.is_same_molecule(other):
                    raise InputError(
                        f"the linkers {other.name!r} and {one.name!r} are the same molecule: "
                        "give it once"
                    )
                if one.name == other.name:
                    raise InputError(
                        f"two different linkers are called {one.name!r}: give one another name "
                        "(that of its file)"
                    )
        return self

    @property
    def graphs(self) -> tuple[LinkerGraph, ...]:
        """The known linkers, but those that are given anew, and your own."""
        own = tuple(linker.graph for linker in self.own)
        return (
            *(k for k in known_linkers if not any(k.is_same_molecule(g) for g in own)),
            *own,
        )

    def with_own(self, more: Iterable[OwnLinker]) -> LinkerSettings:
        """These, and `more`. Raises InputError on a name or a molecule that is there twice."""
        return LinkerSettings(own=(*self.own, *more), expected=self.expected)

    def find(self, structure: Structure | Frame | Atoms) -> Linkers:
        """`linkers` of a structure."""
        return linkers(structure, graphs=self.graphs, expected=self.expected)

    def absent(self, found: Linkers) -> list[str]:
        """A sentence for each of your own linkers of which no whole copy was found."""
        return [
            _absence(linker.graph, found.expected.get(linker.name, 0))
            for linker in self.own
            if linker.name not in found.kinds
        ]

    def check_present(self, structures: Mapping[str, Structure | Frame]) -> None:
        """Raises InputError where one of your own linkers is whole in none of `structures` (where
        from → structure), and as `linkers` does."""
        if not (self.own and structures):
            return
        found: dict[str, Linkers] = {}
        for source, structure in structures.items():
            try:
                found[source] = self.find(structure)
            except InputError as error:
                raise InputError(error.message, source) from error
        for linker in self.own:
            if not any(linker.name in one.kinds for one in found.values()):
                source, one = next(iter(found.items()))
                raise InputError(_absence(linker.graph, one.expected.get(linker.name, 0)), source)


NO_OTHERS: Final = LinkerSettings()
"""The known linkers, as many as the composition says."""


def is_default(settings: LinkerSettings) -> bool:
    """Left out of what is written and fingerprinted, as before there was this setting."""
    return settings == NO_OTHERS


def _absence(graph: LinkerGraph, expected: int) -> str:
    if not expected:
        return (
            f"linker {graph.name!r} ({graph.formula}) is not in this structure: its composition "
            "calls for none; check the file against the framework, its hydrogens too"
        )
    return (
        f"linker {graph.name!r} ({graph.formula}) is nowhere whole in this structure, whose "
        f"composition calls for {expected}: is it another isomer, or is the structure distorted?"
    )
