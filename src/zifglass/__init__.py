"""zifglass: glasses of zeolitic imidazolate frameworks, from ab initio data to mechanics.

Importing this module pulls in neither torch nor matplotlib nor ASE's calculators; the names
below load their rooms on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import analysis, dynamics, mechanics
    from .io import read, write
    from .potentials import ase_calculator, load_potential

_homes = {
    "read": "io",
    "write": "io",
    "load_potential": "potentials",
    "ase_calculator": "potentials",
}
_rooms = ("analysis", "dynamics", "mechanics")

__all__ = [
    "analysis",
    "ase_calculator",
    "dynamics",
    "load_potential",
    "mechanics",
    "read",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _homes:
        return getattr(import_module(f".{_homes[name]}", __name__), name)
    if name in _rooms:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
