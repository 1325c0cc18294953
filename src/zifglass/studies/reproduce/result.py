"""What a study of the published numbers gave."""

from __future__ import annotations

from dataclasses import dataclass

from zifglass.core import Quantity

from ..published import Comparison, Published
from ..states import StageState
from .figures import Drawn
from .plan import Plan


@dataclass(frozen=True)
class Reproduction:
    """What a study gave. rows: one per published number. figures: one per published figure.
    student: the potential against its teacher, empty where it is none. unfinished: stages that
    were asked for and have not finished."""

    plan: Plan
    published: Published
    rows: tuple[Comparison, ...]
    figures: tuple[Drawn, ...]
    student: dict[str, Quantity]
    student_reason: str
    unfinished: tuple[StageState, ...]
    states: dict[str, StageState]

    def count(self, word: str) -> int:
        """Numbers with that verdict."""
        return sum(row.word == word for row in self.rows)
