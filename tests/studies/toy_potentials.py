"""Potentials of next to no cost, by name: ``python:tests.studies.toy_potentials:argon``."""

from __future__ import annotations

from tests.dynamics.toys import IdealGas, LennardJones

ARGON = "python:tests.studies.toy_potentials:argon"
GAS = "python:tests.studies.toy_potentials:gas"


def argon() -> LennardJones:
    """Solid argon."""
    return LennardJones()


def gas() -> IdealGas:
    """Atoms that do not see each other; of every element of a ZIF."""
    return IdealGas()
