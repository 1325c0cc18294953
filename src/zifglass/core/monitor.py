"""What looks at a run while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .trajectory import Frame


@dataclass(frozen=True)
class Verdict:
    """What a monitor thinks: a word (``ok``, ``solid``, ``liquid``, ``undecided``, ``broken``…),
    one sentence for people, and how sure it is (0 … 1, None where that has no meaning)."""

    word: str
    sentence: str
    confidence: float | None = None


@runtime_checkable
class Monitor(Protocol):
    """Looks at frames as they come.

    `state` returns plain JSON-able data or numpy arrays (a dict); a monitor of the same settings
    that is given it through `restore` continues exactly: same verdicts, same state, to the bit.
    """

    @property
    def name(self) -> str: ...
    def update(self, frame: Frame) -> None: ...
    def verdict(self) -> Verdict: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
