"""The watchdog's eye on linkers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zifglass.analysis.linker_graphs import LinkerGraph, known_linkers
from zifglass.analysis.linker_settings import NO_OTHERS, LinkerSettings
from zifglass.analysis.linkers import linkers
from zifglass.core import Frame, InputError, Structure, Verdict


@dataclass
class IntactLinkers:
    """Linkers broken in each of the last `persistence` looks: a bond stretched for an instant by
    heat is none. What a linker is and which bonds it needs: `zifglass.analysis.linkers`."""

    expected: dict[str, int]
    persistence: int
    graphs: Sequence[LinkerGraph] = known_linkers
    name: str = "linkers"
    _broken_looks: int = 0
    _sentence: str = ""

    def update(self, frame: Frame) -> None:
        found = linkers(frame.structure, graphs=self.graphs, expected=self.expected)
        self._broken_looks = self._broken_looks + 1 if found.broken else 0
        atoms = ", ".join(str(i) for i in found.broken_atoms[:8])
        self._sentence = (
            f"{found.broken} of {sum(self.expected.values())} linkers are broken (atoms {atoms}"
            f"{', …' if len(found.broken_atoms) > 8 else ''})"
        )

    def verdict(self) -> Verdict:
        if self._broken_looks >= self.persistence:
            return Verdict("broken", self._sentence)
        return Verdict("ok", "no linker stays broken")

    def state(self) -> dict[str, Any]:
        return {"looks": self._broken_looks, "sentence": self._sentence}

    def restore(self, state: dict[str, Any]) -> None:
        self._broken_looks, self._sentence = state["looks"], state["sentence"]


def linkers_of(
    structure: Structure,
    settings: LinkerSettings = NO_OTHERS,
    *,
    note: Callable[[str], None] | None = None,
) -> dict[str, int] | None:
    """What `structure` should hold; None where that is no framework of the linkers that are looked
    for, or where some are broken to begin with. `note` is told why a framework is not watched."""
    say = note or (lambda sentence: None)
    try:
        found = settings.find(structure)
    except InputError as error:
        if settings.own or {6, 7} <= set(structure.numbers.tolist()):
            say(f"linkers are not watched: {error.message}")
        return None
    for sentence in settings.absent(found):
        say(sentence)
    if found.broken:
        say(f"linkers are not watched: {found.broken} are broken in the starting structure")
        return None
    return found.expected
