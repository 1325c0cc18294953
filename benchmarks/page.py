"""A page of a study with 100 runs: at most 15 MB, open within 2 s in Chromium.

The runs are generated: ZIF-4 shaken more and more, a thermo log of 2000 lines, the results of a
quench; every other stage is an analysis of one of them, made by `zifglass analyse` for the first
five and copied. Opening is judged by the browser's own clock (navigation to load event) and by the
processor time of all its processes, the medians of five; on a machine that does other work besides
only the second tells. There is no peer: no other program makes such a page.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import ROOT, record
from zifglass.analysis.survey import SurveySettings, survey
from zifglass.core import ArrayTrajectory, Quantity, Structure
from zifglass.core.files import sha256_of, write_json, write_text
from zifglass.dynamics import protocols
from zifglass.dynamics.protocol_file import dump, protocol_as_dict
from zifglass.dynamics.thermo import columns
from zifglass.io import structures, write
from zifglass.report.folders import folder_page
from zifglass.report.page import write_page
from zifglass.report.structure import write_surveys

sys.path.insert(0, str(ROOT / "tests" / "report" / "page"))
from browser import Browser  # type: ignore[import-not-found]

RUNS, FRAMES, LINES, ANALYSED = 100, 60, 2000, 5
LARGEST, LONGEST = 15.0, 2.0  # MB, s


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        study, page = Path(folder) / "study", Path(folder) / "page.html"
        make_study(study)
        start, cpu = time.perf_counter(), time.process_time()
        write_page(folder_page(study), page)
        written, used = time.perf_counter() - start, time.process_time() - cpu
        figures = {"runs": RUNS, "analyses": RUNS, "megabytes": page.stat().st_size / 1e6,
                   "seconds_to_write": written, "processor_seconds_to_write": used,
                   **opened(page)}  # fmt: skip
    for name, value in figures.items():
        print(f"{name:28} {value:.4g}")
    record("page", figures)
    is_small = figures["megabytes"] <= LARGEST
    is_quick = min(figures["seconds_to_load"], figures["processor_seconds_to_load"]) <= LONGEST
    print("shown" if is_small and is_quick else "NOT shown")
    return 0 if is_small and is_quick else 1


def opened(page: Path, times: int = 5) -> dict[str, float]:
    """Medians over `times` openings in one browser."""
    wall, used = [], []
    with Browser(width=1280, height=900) as browser:
        for _ in range(times):
            before = processor_seconds(browser)
            wall.append(browser.open(page))
            used.append(processor_seconds(browser) - before)
            browser.evaluate("location.replace('about:blank')")
        assert not browser.complaints, browser.complaints
    return {"seconds_to_load": statistics.median(wall),
            "processor_seconds_to_load": statistics.median(used)}  # fmt: skip


def processor_seconds(browser: Any) -> float:
    """Of the browser and all its processes so far, from /proc."""
    children: dict[int, list[int]] = {}
    spent: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
            spent[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    total, waiting = 0, [browser._process.pid]
    while waiting:
        one = waiting.pop()
        total += spent.get(one, 0)
        waiting += children.get(one, [])
    return total / os.sysconf("SC_CLK_TCK")


# --- the study ------------------------------------------------------------------------------


def make_study(root: Path) -> None:
    crystal = structures.load("zif4")
    protocol = protocols.melt_quench(
        protocols.MeltQuench(timestep=1.0, deuterium=2.0141, t_max=10.0, heating_rate=100.0,
                             cooling_rate=100.0, equilibration=10.0)
    )  # fmt: skip
    started = {
        "seed": 0, "starting_velocities": "maxwell-boltzmann",
        "potential": {"name": "zif4-fast", "sha256": "5a" * 32},
        "structure": {"formula": crystal.formula, "sha256": "f7" * 32},
        "protocol": protocol_as_dict(protocol),
    }  # fmt: skip
    plan = []
    for k in range(RUNS):
        rng = np.random.default_rng(k)
        run = root / "stages" / f"zif4/fast/glass/run-{k + 1:03d}"
        make_run(run, crystal, protocol.duration / 1e3, started | {"seed": k}, rng)
        plan.append(finished(run, root, "melt-quench"))
        analysis = root / "stages" / f"zif4/fast/structure/run-{k + 1:03d}"
        if k < ANALYSED:
            frames = shaken(crystal, rng, 20, at=0.3)
            settings = SurveySettings(size_frames=0, pore_frames=2)
            write_surveys(survey({"glass": frames}, settings=settings), settings, analysis)
        else:
            like = root / "stages" / f"zif4/fast/structure/run-{k % ANALYSED + 1:03d}"
            shutil.copytree(like, analysis, ignore=shutil.ignore_patterns("stage.json"))
        plan.append(finished(analysis, root, "analyse"))
    write_json(root / "plan.json", {"study": "benchmark", "root": str(root), "stages": plan})


def make_run(
    folder: Path, crystal: Structure, duration: float, started: dict[str, Any], rng: Any
) -> None:
    """duration: ps."""
    write_text(folder / "run.yaml", dump(started))
    frames = shaken(crystal, rng, FRAMES, at=0.3, duration=duration)
    write(folder / "trajectory.h5", frames, precision="single")
    time_ps = np.linspace(0.0, duration, LINES)
    table = dict.fromkeys(columns, np.zeros(LINES)) | {
        "segment": np.minimum(4, np.arange(LINES) * 5 // LINES).astype(float),
        "time_ps": time_ps, "target_K": np.interp(time_ps / duration, [0, 0.4, 0.6, 1], T),
        "energy_potential_eV": -60083.0 + rng.normal(0, 1, LINES),
        "conserved_eV": -60080.0 + rng.normal(0, 0.01, LINES),
        "pressure_total_GPa": rng.normal(0.2, 0.3, LINES),
        "pressure_virial_GPa": rng.normal(-0.1, 0.3, LINES),
        "volume_A3": np.full(LINES, crystal.volume), "density_g_cm3": np.full(LINES, 1.21),
    }  # fmt: skip
    table["temperature_K"] = table["target_K"] * rng.normal(1, 0.05, LINES)
    rows = np.stack([table[name] for name in columns], axis=1)
    text = "\n".join(",".join(f"{x:.10g}" for x in row) for row in rows)
    write_text(folder / "thermo.csv", f"{','.join(columns)}\n{text}\n")
    write_json(
        folder / "status.json",
        {"status": "finished", "step": 47000, "time_ps": duration, "events": [], "segments": []},
    )
    found = {"density": (1.21, 0.004, "g/cm³"), "pressure_total": (0.2, 0.03, "GPa"),
             "temperature": (300.0, 2.0, "K")}  # fmt: skip
    noisy = {n: Quantity(v + s * rng.normal(), s, u) for n, (v, s, u) in found.items()}
    write_json(folder / "results.json", {name: q.as_dict() for name, q in noisy.items()})


T = (300.0, 1500.0, 1500.0, 300.0)  # K


def shaken(
    crystal: Structure, rng: Any, frames: int, *, at: float, duration: float = 10.0
) -> ArrayTrajectory:
    """Atoms on smooth random ways, `at` Å from their places in the end; duration: ps."""
    steps = rng.normal(0, at / np.sqrt(frames), (frames, len(crystal), 3)).cumsum(axis=0)
    return ArrayTrajectory.from_arrays(
        crystal.numbers, crystal.positions + 0.3 * steps, crystal.cell,
        times=np.linspace(0.0, 1e3 * duration, frames),
    )  # fmt: skip


def finished(folder: Path, root: Path, kind: str) -> dict[str, Any]:
    """Leave the record of a stage that has finished; its place in the plan."""
    name = folder.relative_to(root / "stages").as_posix()
    results = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size, "mtime_ns": 0}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    stage = {"name": name, "kind": kind, "fingerprint": "ab" * 32}
    about = {"format": 1, "status": "finished", "seconds": 400.0, "host": "node1", "threads": 1,
             "commit": "0" * 40, "versions": {"numpy": np.__version__}, "results": results,
             "references": ["castel2024"]}  # fmt: skip
    write_json(folder / "stage.json", stage | about)
    return stage


if __name__ == "__main__":
    sys.exit(main())
