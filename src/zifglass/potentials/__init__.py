"""structure → energy, forces, stress. See README.md in this folder."""

from __future__ import annotations

from typing import Any

from zifglass.core import Potential


def load_potential(name_or_path: str) -> Potential:
    raise NotImplementedError


def ase_calculator(potential: Potential) -> Any:
    raise NotImplementedError
