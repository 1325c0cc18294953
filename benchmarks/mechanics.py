"""How long does the fluctuation analysis of 10⁶ cells with 1000 bootstrap samples take?

    python -m benchmarks.mechanics [--frames N] [--samples N]

Peer, in the same run: the plain way, numpy's covariance of every resampled series, on the same
blocks; 1000 resamples of it are extrapolated from a few, and said so. Target: at most 10 s.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import Any

import numpy as np

from benchmarks.record import record
from zifglass.core.units import GPa, kB
from zifglass.mechanics import ElasticFluctuations, FluctuationSettings, strain_fluctuations
from zifglass.mechanics.elasticity import strain_matrix, strain_vector

temperature = 300.0
target_seconds = 10.0


def cells_of(frames: int, generator: np.random.Generator) -> np.ndarray:
    """(frames, 3, 3): AR(1) strains, correlation 0.9, of a soft orthorhombic crystal."""
    from scipy.signal import lfilter

    stiffness = np.diag([4.0, 3.2, 3.6, 1.6, 1.2, 1.4]) * GPa
    cell = np.diag([15.42, 15.40, 18.44])
    noise = generator.normal(size=(frames, 6)) * np.sqrt(1 - 0.9**2)
    strain = lfilter([1.0], [1.0, -0.9], noise, axis=0)
    strain *= np.sqrt(kB * temperature / np.linalg.det(cell) / np.diag(stiffness))
    return cell @ (np.eye(3) + strain_matrix(strain))


def naive(cells: np.ndarray, samples: int, block: int, generator: np.random.Generator) -> Any:
    """Resample whole series of strains, a covariance and an inverse each."""
    mean = cells.mean(axis=0)
    deformation = np.linalg.inv(mean) @ cells
    strain = strain_vector(0.5 * (deformation @ np.swapaxes(deformation, 1, 2) - np.eye(3)))
    volume = np.linalg.det(cells)
    blocks = len(cells) // block
    found = []
    for _ in range(samples):
        starts = generator.integers(len(cells) - block, size=blocks)
        rows = (starts[:, None] + np.arange(block)).ravel()
        compliance = np.cov(strain[rows].T) * volume[rows].mean() / (kB * temperature)
        found.append(np.linalg.inv(compliance))
    return np.stack(found)


def analysed(cells: np.ndarray, samples: int) -> ElasticFluctuations:
    return strain_fluctuations(
        cells,
        temperature=temperature,
        generator=np.random.default_rng(1),
        settings=FluctuationSettings(bootstrap_samples=samples),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    cells = cells_of(options.frames, np.random.default_rng(0))
    began = time.perf_counter()
    result = analysed(cells, options.samples)
    ours = time.perf_counter() - began
    tracemalloc.start()  # a run of its own: tracing takes time
    analysed(cells, options.samples)
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    few = 5
    began = time.perf_counter()
    peer = naive(cells, few, result.block_frames, np.random.default_rng(2))
    naive_seconds = (time.perf_counter() - began) * options.samples / few
    off = np.abs(peer.mean(axis=0) - result.stiffness).max() / GPa
    figures = {
        "frames": options.frames,
        "bootstrap_samples": options.samples,
        "seconds": round(ours, 3),
        "target_seconds": target_seconds,
        "met": ours <= target_seconds,
        "peak_memory_beside_the_cells_MiB": round(memory, 1),
        "naive_seconds_extrapolated_from_5_samples": round(naive_seconds, 1),
        "speed_up": round(naive_seconds / ours, 1),
        "largest_difference_of_C_GPa": round(float(off), 4),
        "bulk_modulus_reuss_GPa": float(result.averages.bulk_reuss) / GPa,
        "bulk_modulus_reuss_std_GPa": float(result.averages_std.bulk_reuss) / GPa,
    }
    for name, value in figures.items():
        print(f"{name:45} {value}")
    print(record("mechanics", figures))


if __name__ == "__main__":
    main()
