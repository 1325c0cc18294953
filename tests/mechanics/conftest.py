"""Cells drawn from the fluctuation distribution of a known elastic tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from zifglass.core.units import GPa, kB

temperature = 300.0
Draw = Callable[..., np.ndarray]


def strain_matrix_naive(vector: np.ndarray) -> np.ndarray:
    """Written out: independent of the function under test."""
    xx, yy, zz, yz, xz, xy = np.moveaxis(vector, -1, 0)
    rows = [[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def drawn_cells(
    stiffness: np.ndarray,
    mean_cell: np.ndarray,
    frames: int,
    generator: np.random.Generator,
    correlation: float = 0.0,
) -> np.ndarray:
    """(frames, 3, 3): Lagrange strains Gaussian with covariance k_B T S / V, as pure stretches.

    correlation: of one frame with the next (AR(1), stationary from the first frame).
    """
    volume = np.linalg.det(mean_cell)
    root = np.linalg.cholesky(kB * temperature / volume * np.linalg.inv(stiffness))
    noise = generator.normal(size=(frames, 6))
    noise[1:] *= np.sqrt(1 - correlation**2)
    strain = strain_matrix_naive(lfilter([1.0], [1.0, -correlation], noise, axis=0) @ root.T)
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * strain)
    stretch = (vectors * np.sqrt(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return mean_cell @ stretch


@pytest.fixture(scope="session")
def draw() -> Draw:
    return drawn_cells


@pytest.fixture(scope="session")
def triclinic() -> np.ndarray:
    """A stiffness tensor without any symmetry, soft and anisotropic like ZIF-4's, eV/Å³."""
    a = np.random.default_rng(7).normal(size=(6, 6)) * 0.35
    return (np.diag([4.0, 3.2, 3.6, 1.6, 1.2, 1.4]) + a @ a.T) * GPa


@pytest.fixture(scope="session")
def triclinic_cell() -> np.ndarray:
    return np.array([[15.4, 0.0, 0.0], [0.6, 15.3, 0.0], [-1.1, 0.4, 18.4]])
