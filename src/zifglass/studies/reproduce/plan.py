"""Which stages a budget makes, which of them each table and figure needs, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from zifglass.core import InputError

from ..potential import sha256_of_potential
from ..stage import Stage
from . import stages as stages_of
from .budgets import Budget, BudgetName, budget_called
from .sources import Source

NO_AIMD: Final = "the published AIMD trajectories were not given (--aimd DIR)"
STUDENTS: Final = {"zif4-fast": stages_of.TEACHER}
_liquid = ("melt-quench/*/liquid", "melt-quench/*/melting")
_phases = ("crystal/structure", *_liquid, "ab-initio-glass/*/structure", "as-published/*")
_glass = ("melt-quench/*/glass", "melt-quench/*/melting")
_distributions = (*_glass, "as-published/*", "aimd/glass*")
needs: Final[dict[str, tuple[str, ...]]] = {
    "table-S1": ("heated/*/melting",),
    "table-S2": ("heated/*/last", "heated/*/melting", "aimd/volume*"),
    "table-S3": ("student-teacher", "label-errors"),
    "table-S4": ("sweep/single", "sweep/l*"),
    "table-S5": (*_phases, "aimd/*"),
    "table-S6": (*_phases, "aimd/*"),
    "table-S7": ("sweep/single", "sweep/supercell"),
    "table-S8": ("npt/*/moduli",),
    "figure-S1": ("heated/*/plateau", "aimd/volume*"),
    "figure-S2": ("sweep/single", "sweep/l*"),
    "figure-S3": ("ab-initio-glass/*/structure", "as-published/*", "aimd/glass*"),
    "figure-S4": ("melt-quench/*/melt", "melt-quench/*/melting", "melt-quench/*/course"),
    "figure-S5": (*_glass, "as-published/*", "crystal/structure"),
    "figure-S6": (*_glass, "as-published/*", "crystal/structure"),
    "figure-S7": (*_glass, "large-glass/glass", "large-glass/melting"),
    "figure-S8": ("sweep/single",),
    "figure-S9": ("npt/crystal/run",),
    "figure-S10": ("npt/crystal/moduli",),
    "figure-S11": (),
    "figure-S12": (*_liquid, "aimd/liquid*"),
    "figure-S13": ("heated/*/plateau",),
    "figure-S14": ("heated/*/plateau",),
    "figure-S15": _distributions,
    "figure-S16": _distributions,
    "figure-S17": ("crystal/structure", *_liquid, "aimd/crystal*", "aimd/liquid*"),
}
"""Table or figure → patterns of the stages that it is read off."""


@dataclass(frozen=True)
class Plan:
    """stages: all of them. left_out: pattern of stage names → why they are not among these.
    glasses: the published ones found. only: tables and figures asked for."""

    budget_name: BudgetName
    budget: Budget
    potential: str
    stages: tuple[Stage, ...]
    left_out: Mapping[str, str]
    glasses: tuple[Path, ...]
    only: frozenset[str] = field(default_factory=lambda: frozenset(needs))
    seed: int = 0

    def names(self, pattern: str) -> list[str]:
        """Stages whose name matches, in order."""
        return [stage.name for stage in self.stages if fnmatchcase(stage.name, pattern)]

    def wanted(self) -> list[str]:
        """Stages that what was asked for is read off."""
        patterns = [pattern for item in sorted(self.only) for pattern in needs[item]]
        found = [name for pattern in patterns for name in self.names(pattern)]
        return list(dict.fromkeys(found))

    def why_not(self, pattern: str) -> str:
        """Why no stage matches `pattern`."""
        for left, reason in self.left_out.items():
            if fnmatchcase(pattern, left) or fnmatchcase(left, pattern):
                return reason
        return "no such run in this study"


def make_plan(
    budget_name: BudgetName,
    *,
    potential: str,
    glasses: Sequence[Path] = (),
    aimd: Sequence[Source] = (),
    only: Sequence[str] = (),
    teacher: str | None = None,
    stress_trained: Mapping[str, str] | None = None,
    seed: int = 0,
    budget: Budget | None = None,
) -> Plan:
    """All stages of a budget.

    glasses: CIF files of the ab initio glasses. aimd: trajectories of the published kind. only:
    such as S5, table-S5, figure-S16. teacher: what `potential` was distilled from, where that is
    not known. stress_trained: λσ ("1", "100") → potential. budget: in place of the one of that
    name. Raises InputError on unknown names.
    """
    b = budget or budget_called(budget_name)
    left_out: dict[str, str] = {}
    stages = [
        *stages_of.crystal(b, potential, seed),
        *stages_of.heated(b, potential, seed),
        *stages_of.melt_quench(b, potential, seed, left_out, budget_name),
        *stages_of.ab_initio_glasses(b, potential, seed, glasses, left_out),
        *stages_of.sweeps(b, potential, seed, stress_trained or {}, left_out),
        *stages_of.flexible(b, potential, seed, glasses, left_out, budget_name),
        *stages_of.aimd(b, aimd, left_out),
    ]
    for pattern in ("aimd/*", "label-errors"):
        left_out.setdefault(pattern, NO_AIMD)
    if teacher is not None:
        sha256_of_potential(teacher)  # one that was asked for must be here
    stages += stages_of.against_teacher(potential, teacher or STUDENTS.get(potential), left_out)
    return Plan(
        budget_name,
        b,
        potential,
        tuple(stages),
        left_out,
        tuple(glasses),
        _asked_for(only),
        seed,
    )


def _asked_for(only: Sequence[str]) -> frozenset[str]:
    chosen: set[str] = set()
    for name in only:
        kind, dash, number = name.strip().rpartition("-")
        found = {n for n in needs if n == name.strip() or (not dash and n.endswith(f"-{number}"))}
        if not found or kind not in ("", "table", "figure"):
            raise InputError(
                f"no table or figure {name!r}: S1 to S17, or table-S5, figure-S5 for one of the two"
            )
        chosen |= found
    return frozenset(chosen or needs)
