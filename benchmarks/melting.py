"""Does the melting verdict find simulated melts when they happen?

`python -m benchmarks.melting` (half an hour on two cores, resumable): ZIF-4 crystals heated with
`zif4-fast` and held hot, three seeds at 1800 K and a control at 900 K. The verdict must read liquid
(solid for the control), its onset within 5 ps of the instant at which the crystal's own Zn–N bonds
begin to go for good: the break in a constant-then-straight line fitted to how many of them hold,
found here without the package's melting code.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recipes.zif4_fast.states import DEUTERIUM

from benchmarks.record import RESULTS, ROOT, record
from benchmarks.zif4_fast_liquid import watch
from zifglass import analysis, load_potential, read
from zifglass.core import Protocol, Segment, Trajectory
from zifglass.core.neighbors import neighbor_list
from zifglass.core.protocol import hold
from zifglass.core.units import ps
from zifglass.dynamics.settings import RunSettings, WatchSettings
from zifglass.dynamics.tasks import Task
from zifglass.io import structures
from zifglass.report.figures.structure import draw

POTENTIAL = "zif4-fast"
LIMIT = 5.0  # ps
RUNS = {"hot-1": (1800.0, 1), "hot-2": (1800.0, 2), "hot-3": (1800.0, 3), "control": (900.0, 4)}


def heated(temperature: float, duration: float) -> Protocol:
    """5 ps of crystal at 300 K, 5 ps of heating, `duration` ps hot."""
    stages = (("crystal", 5.0, hold(300.0)), ("heat", 5.0, (300.0, temperature)),
              ("hot", duration, hold(temperature)))  # fmt: skip
    segments = tuple(
        Segment(name=name, ensemble="nvt-csvr", timestep=1.0, duration=time * ps, temperature=ramp)
        for name, time, ramp in stages
    )
    return Protocol(name="heated", segments=segments, masses=DEUTERIUM)


def bonds_holding(trajectory: Trajectory) -> NDArray[np.float64]:
    """(frames,): the share of the first frame's Zn–N pairs closer than 2.5 Å that are closer than
    3 Å now."""
    first = trajectory[0].structure
    pairs = neighbor_list(first, 2.5)
    zinc, nitrogen = first.numbers[pairs.i] == 30, first.numbers[pairs.j] == 7
    i, j = pairs.i[zinc & nitrogen], pairs.j[zinc & nitrogen]
    shares = []
    for frame in trajectory:
        structure = frame.structure
        apart = structure.positions[j] - structure.positions[i]
        apart -= np.round(apart @ np.linalg.inv(structure.cell)) @ structure.cell
        shares.append(np.mean(np.linalg.norm(apart, axis=1) < 3.0))
    return np.array(shares)


def break_of(times: NDArray[np.float64], holding: NDArray[np.float64]) -> float:
    """The t₀ of the least-squares fit f = 1 before, 1 − s (t − t₀) after, up to half the bonds."""
    gone = np.flatnonzero(holding < 0.5)
    stop = int(gone[0]) + 1 if len(gone) else len(holding)
    t, y = times[:stop], 1.0 - holding[:stop]
    best = (np.inf, np.nan)
    for start in t[:-2]:
        ramp = np.clip(t - start, 0.0, None)
        slope = (ramp @ y) / (ramp @ ramp)
        best = min(best, (float(((y - slope * ramp) ** 2).sum()), float(start)))
    return best[1]


def judged(run: Path) -> tuple[dict[str, Any], analysis.Melting]:
    """The verdict on a run, its onset and the break, ps."""
    trajectory = read(run)
    found = analysis.melting(trajectory)
    times = trajectory.times
    assert times is not None
    row: dict[str, Any] = {
        "verdict": found.verdict.word,
        "confidence": found.verdict.confidence,
        "ps": float(times[-1]) / ps,
        "onset, ps": None if found.onset is None else found.onset / ps,
        "onset, std, ps": None if found.onset_std is None else found.onset_std / ps,
        "bonds holding at the end": float(bonds_holding(trajectory)[-20:].mean()),
    }
    if found.onset is not None:
        row["break, ps"] = break_of(times, bonds_holding(trajectory)) / ps
        row["difference, ps"] = row["onset, ps"] - row["break, ps"]
    return row, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hot", type=float, default=60.0, help="ps at the high temperature")
    options = parser.parse_args()
    folder = ROOT / "build" / "evidence" / "melting" / load_potential(POTENTIAL).sha256[:12]
    settings = RunSettings(watch=WatchSettings(linkers="warn"))
    watch([
        Task(heated(temperature, options.hot), structures.load("zif4"), POTENTIAL, folder / name,
             seed=seed, settings=settings)
        for name, (temperature, seed) in RUNS.items()
    ])  # fmt: skip
    found = {name: judged(folder / name) for name in RUNS}
    rows = {name: row for name, (row, _) in found.items()}
    draw("melting", {name: melting for name, (_, melting) in found.items()}, RESULTS / "melting")
    holds = rows["control"]["verdict"] == "solid"
    for name, row in rows.items():
        print(name, row)
        if name != "control":
            holds &= row["verdict"] == "liquid" and abs(row["difference, ps"]) <= LIMIT
    record("melting", {"runs": rows, "limit, ps": LIMIT})
    print("holds" if holds else "MISSED")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
