"""The published paper recomputed, number by number. See README.md in this folder."""

from .budgets import BUDGETS, Budget, budget_called, shortened
from .plan import Plan, make_plan
from .result import Reproduction
from .run import expected, read_off, reproduce
from .sources import aimd_sources, published_glasses, roles, unused

__all__ = [
    "BUDGETS",
    "Budget",
    "Plan",
    "Reproduction",
    "aimd_sources",
    "budget_called",
    "expected",
    "make_plan",
    "published_glasses",
    "read_off",
    "reproduce",
    "roles",
    "shortened",
    "unused",
]
