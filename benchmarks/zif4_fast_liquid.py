"""Does `zif4-fast` keep its linkers, and is its liquid its teacher's?

`python -m benchmarks.zif4_fast_liquid`: 100 ps at 1500 K from the crystal and 50 ps from an ab
initio glass with the student, linkers looked at every 0.1 ps; then 20 ps with student and teacher
each from the same three molten frames, and the difference of their coordinations with its error.
A linker is broken when it is open at as many looks in a row as the watchdog of the package asks
for; at 1500 K a bond now and then swings past its limit and back within one look, the teacher's
too, and how often is told beside it. Some forty minutes on two cores, most of them the teacher's;
runs are kept under build/evidence and go on where they were stopped.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
from recipes.zif4_fast.states import DEUTERIUM, State, structure_of

from benchmarks.record import evidence_folder, record
from zifglass import analysis, load_potential, read
from zifglass.core import Protocol, Segment, Structure, ZifglassError
from zifglass.core.protocol import hold
from zifglass.core.units import ps
from zifglass.dynamics.settings import WatchSettings
from zifglass.dynamics.tasks import Task, carry_out_all

STUDENT, TEACHER = "zif4-fast", "castel2024-nequip"
TEMPERATURE = 1500.0
MOLTEN = (0.4, 0.7, 1.0)  # shares of the glass's run
LIMIT = 0.15


def hot(duration: float, *, heated: bool) -> Protocol:
    """duration: ps at 1500 K. heated: from 300 K within 2 ps first."""
    common = {"ensemble": "nvt-csvr", "timestep": 1.0}
    segments = [
        Segment(name="keep", duration=duration * ps, temperature=hold(TEMPERATURE), **common)
    ]
    if heated:
        segments.insert(
            0, Segment(name="heat", duration=2.0 * ps, temperature=(300.0, TEMPERATURE), **common)
        )
    return Protocol(name="hot", segments=tuple(segments), masses=DEUTERIUM)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystal", type=float, default=100.0, help="ps from the crystal")
    parser.add_argument("--glass", type=float, default=50.0, help="ps from the glass")
    parser.add_argument("--both", type=float, default=20.0, help="ps of student and teacher each")
    options = parser.parse_args()
    folder = evidence_folder("zif4_fast_liquid", STUDENT)
    starts = {
        "crystal": (State("", "crystal", 0.0, hold(TEMPERATURE)), options.crystal),
        "glass": (State("", "glass01", 0.0, hold(TEMPERATURE)), options.glass),
    }
    watch([
        Task(hot(time, heated=True), structure_of(state), STUDENT, folder / name, seed=11)
        for name, (state, time) in starts.items()
    ])  # fmt: skip
    figures: dict[str, object] = {"student": load_potential(STUDENT).sha256}
    figures["linkers"] = {name: linkers(folder / name) for name in starts}
    molten = {f"molten-{k}": frame_at(folder / "glass", share) for k, share in enumerate(MOLTEN)}
    watch([
        Task(hot(options.both, heated=False), structure, potential,
             folder / f"{name}-{potential}", seed=21)
        for name, structure in molten.items()
        for potential in (STUDENT, TEACHER)
    ])  # fmt: skip
    figures["coordination"] = compared = coordinations(folder, list(molten))
    figures["linkers"] |= {
        f"{name}-{potential}": linkers(folder / f"{name}-{potential}")
        for name in molten
        for potential in (STUDENT, TEACHER)
    }
    in_a_row = WatchSettings().linker_persistence
    whole = all(
        figures["linkers"][name]["most of them in a row"] < in_a_row
        and not figures["linkers"][name]["stopped by the watchdog"]
        for name in starts
    )
    near = abs(compared["difference"]) <= LIMIT
    print(f"no linker broken (open at {in_a_row} looks in a row): "
          f"{'holds' if whole else 'MISSED'}")  # fmt: skip
    for name, found in figures["linkers"].items():
        print(f"  {name}: {found}")
    print(
        f"coordination, student minus teacher: {compared['difference']:+.3f} ± "
        f"{compared['difference_std']:.3f}, limit {LIMIT}: {'holds' if near else 'MISSED'}"
    )
    record("zif4_fast_liquid", figures)
    return 0 if whole and near else 1


def watch(tasks: list[Task]) -> None:
    """Carry out the tasks; one that its watchdog stopped is a finding, not a failure."""
    try:
        carry_out_all([t for t in tasks if not stopped(t.folder)])
    except ZifglassError as error:
        print(error)
        if not all((t.folder / "status.json").exists() for t in tasks):
            raise


def stopped(run: Path) -> bool:
    status = run / "status.json"
    return status.exists() and "stopped by the watchdog" in status.read_text()


def linkers(run: Path) -> dict[str, float]:
    """How long the run was, and at how many looks, and looks on end, a linker was open."""
    trajectory = read(run)
    is_open = [analysis.linkers(frame).broken > 0 for frame in trajectory]
    times = trajectory.times
    assert times is not None
    return {
        "ps": float(times[-1]) / ps,
        "looks": len(is_open),
        "looks with an open linker": sum(is_open),
        "most of them in a row": max((len(list(g)) for k, g in groupby(is_open) if k), default=0),
        "stopped by the watchdog": float(stopped(run)),
    }


def frame_at(run: Path, share: float) -> Structure:
    trajectory = read(run)
    return trajectory[round(share * (len(trajectory) - 1))].structure


def coordinations(folder: Path, names: list[str]) -> dict[str, float]:
    """Mean Zn–N coordination of student and teacher after a quarter of each run, and the mean of
    their differences; its error combines those of the six correlated series."""
    found: dict[str, float] = {}
    differences, variances = [], []
    for name in names:
        pair = {}
        for potential in (STUDENT, TEACHER):
            trajectory = read(folder / f"{name}-{potential}")
            kept = trajectory[len(trajectory) // 4 :]
            mean = analysis.coordination(kept)
            pair[potential] = (mean.mean, mean.mean_std)
            found[f"{name} {potential}"], found[f"{name} {potential}, std"] = pair[potential]
        (mine, my_std), (its, its_std) = pair[STUDENT], pair[TEACHER]
        differences.append(mine - its)
        variances.append(my_std**2 + its_std**2)
    found["difference"] = float(np.mean(differences))
    found["difference_std"] = float(np.sqrt(np.sum(variances)) / len(names))
    return found


if __name__ == "__main__":
    sys.exit(main())
