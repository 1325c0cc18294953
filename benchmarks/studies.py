"""What does the study layer cost? Per stage, and to ask how 1000 stages stand.

    python -m benchmarks.studies [--stages 20] [--asked 1000]

Overhead: a chain of stages that do nothing, one after another on one core: start of the process,
imports, plan, locks, record, checksums, all of it. Beside it the same work as a bare process of
Python that imports numpy and writes the same file, so that the share of the interpreter shows.
Status: `zifglass status` as a user calls it, on a finished study, and the look at the stages alone.
Wall time and processor time both: on a busy machine only the latter means something.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import nothing_kind
from benchmarks.record import record
from zifglass.studies import Stage, run_stages
from zifglass.studies.place import Place, make_plan, read_plan, write_plan
from zifglass.studies.record import read_record, results_in, write_record
from zifglass.studies.runner import job_environment
from zifglass.studies.states import states

assert nothing_kind
_bare = """
import json, sys
from pathlib import Path
import numpy
Path(sys.argv[1]).write_text(json.dumps({"value": {"value": 1.0, "std": None, "unit": "1"}}))
"""


def _timed(action: Callable[[], object]) -> dict[str, float]:
    """Seconds of wall and processor time, child processes included."""
    before, began = os.times(), time.monotonic()
    action()
    wall, after = time.monotonic() - began, os.times()
    return {"wall_s": wall, "processor_s": sum(after[:4]) - sum(before[:4])}


def _per(found: dict[str, float], count: int) -> dict[str, float]:
    return {name: value / count for name, value in found.items()}


def _chain(count: int) -> list[Stage]:
    return [
        Stage(
            name=f"stage-{i}",
            kind="nothing",
            settings={"value": float(i)},
            needs={"before": f"stage-{i - 1}"} if i else {},
        )
        for i in range(count)
    ]


def _finished_study(folder: Path, count: int) -> Place:
    """Without its processes: one stage is run, and the others are made like it."""
    stages = _chain(count)
    run_stages(stages[:1], folder, cores=1).require()
    place = Place(folder.resolve())
    plan = make_plan(place, stages)
    write_plan(place, plan)
    pattern = read_record(place.record("stage-0"))
    assert pattern is not None
    for stage in stages[1:]:
        for name in ("results.json", "thermo.csv", "structure.extxyz"):
            path = place.stage(stage.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{stage.name} {name}")
        identity = plan.identities[stage.name]
        write_record(
            place.record(stage.name),
            replace(
                pattern,
                name=stage.name,
                fingerprint=identity.fingerprint,
                identity=identity.parts,
                results=results_in(place.stage(stage.name)),
            ),
        )
    return place


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies", description=__doc__)
    parser.add_argument("--stages", type=int, default=20)
    parser.add_argument("--asked", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stages = _chain(options.stages)
        layer = _timed(lambda: run_stages(stages, folder / "chain", cores=1).require())
        again = _timed(lambda: run_stages(stages, folder / "chain", cores=1).require())
        bare = _timed(
            lambda: [
                subprocess.run([sys.executable, "-c", _bare, str(folder / "bare.json")], check=True)
                for _ in stages
            ]
        )
        place = _finished_study(folder / "large", options.asked)
        look = _timed(lambda: states(place, read_plan(place)))
        command = [sys.executable, "-m", "zifglass.cli.main", "status", str(place.root)]
        told: list[str] = []
        status = _timed(
            lambda: told.append(
                subprocess.run(
                    command, check=True, capture_output=True, text=True, env=job_environment(1)
                ).stdout
            )
        )
    assert told[0].strip() == f"{options.asked} finished", told[0]
    figures = {
        "stages": options.stages,
        "per_stage": _per(layer, options.stages),
        "per_stage_already_finished": _per(again, options.stages),
        "per_bare_process": _per(bare, options.stages),
        "asked": options.asked,
        "look_at_all": look,
        "zifglass_status": status,
        "bounds": {"per_stage_s": 2.0, "zifglass_status_s": 1.0},
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    record("studies", figures)


if __name__ == "__main__":
    main()
