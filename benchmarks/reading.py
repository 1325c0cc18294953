"""How fast are trajectories read? Extended XYZ against ASE, in one process and one run.

    python -m benchmarks.reading [--frames 1000] [--atoms 272]

Frames carry positions, forces, energy, stress and cell. Both readers parse every frame into
arrays; ours includes opening (the scan for frames). The best of three is taken for each, in
processor time: both run in one thread, and the figure does not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.record import record
from zifglass.core import Frame, Structure
from zifglass.io import read, write


def _frames(count: int, atoms: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    cell = np.diag([15.4231, 15.4042, 18.4379]) * (atoms / 272) ** (1 / 3)
    numbers = rng.choice([6, 1, 7, 30], size=atoms, p=[96 / 272, 96 / 272, 64 / 272, 16 / 272])
    frames = []
    for index in range(count):
        stress = rng.normal(size=(3, 3)) / 160
        frames.append(
            Frame(
                Structure(numbers, rng.uniform(0, 1, size=(atoms, 3)) @ cell, cell),
                time=0.5 * index,
                energy=-60083.0 + rng.normal(),
                forces=rng.normal(size=(atoms, 3)),
                stress=(stress + stress.T) / 2,
            )
        )
    return frames


def _best(action: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    import ase.io

    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--atoms", type=int, default=272)
    options = parser.parse_args()
    figures: dict[str, float] = {"frames": options.frames, "atoms": options.atoms}
    with tempfile.TemporaryDirectory() as folder:
        frames = _frames(options.frames, options.atoms)
        for digits in ("8 digits", "all digits"):
            path = Path(folder) / f"{digits.split()[0]}.extxyz"
            if digits == "8 digits":  # as ASE writes them
                write(Path(folder) / "all.traj", frames)
                ase.io.write(path, ase.io.read(Path(folder) / "all.traj", index=":"))
            else:
                write(path, frames)
            theirs = _best(lambda path=path: ase.io.read(path, index=":"))  # type: ignore[misc]
            ours = _best(lambda path=path: list(read(path)))  # type: ignore[misc]
            per_frame = 1e3 / options.frames
            print(
                f"extxyz, {digits}: zifglass {ours * per_frame:.3f} ms/frame, "
                f"ASE {theirs * per_frame:.3f} ms/frame, ratio {theirs / ours:.1f}"
            )
            key = digits.split()[0]
            figures[f"extxyz_{key}_ms_per_frame"] = ours * per_frame
            figures[f"extxyz_{key}_ase_ms_per_frame"] = theirs * per_frame
            figures[f"extxyz_{key}_ratio"] = theirs / ours
    command = f"python -m benchmarks.reading --frames {options.frames} --atoms {options.atoms}"
    print(f"command: {command}")
    record("reading", figures, command=command)


if __name__ == "__main__":
    main()
