"""A small system that CP2K computes in a second, and CP2K itself where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from zifglass.abinitio import Cp2k, LevelOfTheory, find_cp2k
from zifglass.core import Structure, ZifglassError


@pytest.fixture(scope="session")
def cp2k() -> Cp2k:
    try:
        return find_cp2k()
    except ZifglassError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hydrogen() -> Structure:
    """Two stretched H2 molecules in a skewed box: every component of the stress is large."""
    positions = [[0, 0, 0], [0.5, 0.3, 0.4], [3, 3, 3], [3.5, 3.4, 3.4]]
    return Structure(np.ones(4), np.array(positions), [[6, 0, 0], [0.5, 6, 0], [0.2, 0.1, 6]])


@pytest.fixture(scope="session")
def quick() -> LevelOfTheory:
    """The published level of theory on a coarser grid."""
    return LevelOfTheory(cutoff=100.0)
