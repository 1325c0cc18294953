"""What the stages of a study left: numbers and columns, or why there are none."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Quantity

from ..states import StageState
from .plan import Plan

Array = NDArray[np.float64]


class Missing(Exception):
    """There is no such result; the message says why."""


@dataclass(frozen=True)
class Found:
    """The finished stages of a plan. states: name → where it stands, of those that were asked
    for."""

    plan: Plan
    states: Mapping[str, StageState]

    def stages(self, pattern: str) -> list[str]:
        """Finished stages that match. Raises Missing, saying why, where there are none."""
        named = self.plan.names(pattern)
        finished = [name for name in named if self._is_finished(name)]
        if not finished:
            raise Missing(self._why(named[0]) if named else self.plan.why_not(pattern))
        return finished

    def all_of(self, pattern: str) -> tuple[list[str], str]:
        """Finished stages that match, and a remark on those that are not among them."""
        finished = self.stages(pattern)
        others = [name for name in self.plan.names(pattern) if name not in finished]
        remark = "; ".join(f"without {name}: {self._why(name)}" for name in others)
        return finished, remark

    def molten(self, pattern: str) -> tuple[list[str], str]:
        """As `all_of`, of melt–quench runs that have melted: no others gave a liquid or a glass.
        Raises Missing where none has."""
        finished, remark = self.all_of(pattern)
        chosen, remarks = [], [remark] if remark else []
        for stage in finished:
            word = self.quantity(f"{stage.rpartition('/')[0]}/melting", "melting").value
            if word == "liquid":
                chosen.append(stage)
            else:
                remarks.append(f"without {stage}: it did not melt ({word})")
        if not chosen:
            raise Missing("; ".join(remarks))
        return chosen, "; ".join(remarks)

    def folder(self, stage: str) -> Path:
        """Of a finished stage. Raises Missing."""
        self.stages(stage)
        return self.states[stage].folder

    def results(self, stage: str) -> dict[str, Any]:
        """results.json of a finished stage."""
        text = (self.folder(stage) / "results.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def quantity(self, stage: str, name: str) -> Quantity:
        """One number of a finished stage. Raises Missing."""
        found = self.results(stage)
        if name not in found or found[name]["value"] is None:
            raise Missing(f"stage {stage} gave no {name}")
        entry = found[name]
        return Quantity(entry["value"], entry["std"], entry["unit"], entry.get("note"))

    def columns(self, stage: str, file: str) -> dict[str, Array]:
        """A CSV table of a finished stage, empty fields NaN. Raises Missing."""
        path = self.folder(stage) / file
        if not path.exists():
            raise Missing(f"stage {stage} left no {file}")
        return columns_of(path)

    def _is_finished(self, name: str) -> bool:
        return name in self.states and self.states[name].is_finished

    def _why(self, name: str) -> str:
        state = self.states.get(name)
        if state is None:
            return "not asked for (--only)"
        if state.word == "blocked":
            return self._why(self._root(name))
        sentence = state.sentence.replace(str(state.folder), name)
        return f"stage {name} {_is[state.word]}" + (f": {sentence}" if sentence else "")

    def _root(self, name: str) -> str:
        """The failed stage that blocks `name`."""
        needs = next(s.needs for s in self.plan.stages if s.name == name).values()
        for need in needs:
            if self.states[need].word == "failed":
                return need
        return self._root(next(n for n in needs if self.states[n].word == "blocked"))


_is = {
    "finished": "has finished", "running": "is running", "queued": "is queued",
    "stopped": "was stopped", "interrupted": "was interrupted", "failed": "failed",
    "blocked": "is blocked", "waiting": "has not begun", "outdated": "is outdated",
    "edited": "was edited",
}  # fmt: skip


def columns_of(path: Path) -> dict[str, Array]:
    """Title → values of a CSV table; what is no number is NaN."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file))
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {
        name: np.array([_number(text) for text in column])
        for name, column in zip(names, columns, strict=True)
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
