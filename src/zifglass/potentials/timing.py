"""How fast a potential runs: milliseconds per call, nanoseconds per day, scaling, memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zifglass.core import Potential, Structure

MakePotential = Callable[[int | None], Potential]


@dataclass(frozen=True)
class Timing:
    """Of one number of atoms and threads. milliseconds: median per call (energy, forces,
    stress), with the spread of the middle half; first: of the first call, warm-up included.
    memory: peak of this process so far, MB."""

    atoms: int
    threads: int | None
    milliseconds: float
    spread: float
    first: float
    memory: float

    @property
    def microseconds_per_atom(self) -> float:
        return 1e3 * self.milliseconds / self.atoms

    def ns_per_day(self, timestep: float) -> float:
        """Nanoseconds of dynamics in a day at `timestep` fs, the integrator's own time left out."""
        return 86400e3 / self.milliseconds * timestep * 1e-6

    def as_dict(self, timestep: float) -> dict[str, Any]:
        """Plain, for JSON."""
        return {
            "atoms": self.atoms, "threads": self.threads, "ms_per_call": self.milliseconds,
            "ms_spread": self.spread, "ms_first_call": self.first,
            "us_per_atom": self.microseconds_per_atom, "ns_per_day": self.ns_per_day(timestep),
            "peak_memory_MB": self.memory,
        }  # fmt: skip


def time_calls(
    potential: Potential,
    structure: Structure,
    *,
    calls: int,
    rng: np.random.Generator,
    threads: int | None = None,
) -> Timing:
    """Time `calls` calls as dynamics makes them: each with positions moved a little (0.01 Å) from
    the last, so that neighbour lists age and are rebuilt as in a run."""
    positions = structure.positions.copy()
    elapsed = []
    for _ in range(calls + 1):
        positions = positions + rng.normal(0, 0.01 / np.sqrt(3), positions.shape)
        moved = structure.with_positions(positions)
        start = time.perf_counter()
        potential(moved)
        elapsed.append(1e3 * (time.perf_counter() - start))
    low, middle, high = np.percentile(elapsed[1:], [25, 50, 75])
    return Timing(len(structure), threads, float(middle), float(high - low), elapsed[0], _memory())


def scaling(
    make: MakePotential,
    structure: Structure,
    *,
    threads: Sequence[int | None],
    repeats: Sequence[int],
    calls: int,
    rng: np.random.Generator,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Timing]:
    """One Timing for each number of threads and each supercell n×n×n of `repeats`; `make` gives
    the potential for a number of threads."""
    result = []
    for count in threads:
        potential = make(count)
        for n in repeats:
            larger = structure.repeat([n, n, n]) if n > 1 else structure
            progress(f"{len(larger)} atoms, {'all' if count is None else count} threads")
            result.append(time_calls(potential, larger, calls=calls, rng=rng, threads=count))
    return result


def _memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
