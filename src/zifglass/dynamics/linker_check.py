"""The watchdog's eye on linkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zifglass.analysis.linkers import linkers
from zifglass.core import Frame, InputError, Structure, Verdict


@dataclass
class IntactLinkers:
    """Linkers broken in each of the last `persistence` looks: a bond stretched for an instant by
    heat is none. What a linker is and which bonds it needs: `zifglass.analysis.linkers`."""

    expected: dict[str, int]
    persistence: int
    name: str = "linkers"
    _broken_looks: int = 0
    _sentence: str = ""

    def update(self, frame: Frame) -> None:
        found = linkers(frame.structure, expected=self.expected)
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


def linkers_of(structure: Structure) -> dict[str, int] | None:
    """What `structure` should hold by its composition; None where that is no framework with
    known linkers, or where some are broken to begin with."""
    try:
        found = linkers(structure)
    except InputError:
        return None
    return None if found.broken or not found.expected else found.expected
