"""What does the paper recomputed give within a budget, and how long does it take?

    python -m benchmarks.reproduce [--budget minutes|hours|full] [--folder DIR] [--cores N]

Runs `zifglass reproduce` in DIR (build/reproduce-BUDGET), which goes on where it stopped, and keeps
results.json, numbers.csv and the time each stage took under benchmarks/results/reproduce-BUDGET/.
The peer are the published numbers themselves. Target of the minutes budget: 20 minutes of work on
two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.record import RESULTS, ROOT, record
from zifglass.core.files import write_text
from zifglass.core.machine import usable_cores
from zifglass.studies import reproduce as study

target_minutes = {"minutes": 20.0}
_kept = ("results.json", "numbers.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", choices=list(study.BUDGETS), default="hours")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--potential", default="zif4-fast")
    parser.add_argument("--cores", type=int, default=usable_cores())
    options = parser.parse_args()
    folder = options.folder or ROOT / "build" / f"reproduce-{options.budget}"
    plan = study.make_plan(
        options.budget, potential=options.potential, glasses=study.published_glasses()
    )
    result = study.reproduce(plan, folder, cores=options.cores, tell=print)
    kept = RESULTS / f"reproduce-{options.budget}"
    kept.mkdir(parents=True, exist_ok=True)
    for name in _kept:
        text = (folder / name).read_text(encoding="utf-8")
        write_text(kept / name, text.replace(f"{ROOT}/", ""))
    # Of all sessions; what ran side by side shared the cores.
    seconds = {state.name: round(state.seconds, 1) for state in result.states.values()}
    minutes = sum(seconds.values()) / options.cores / 60.0
    target = target_minutes.get(options.budget)
    words = ("agrees", "differs", "no verdict", "not run")
    figures = {
        "verdicts": {word: result.count(word) for word in words},
        "figures_drawn": [drawn.name for drawn in result.figures if drawn.path is not None],
        "unfinished": {s.name: s.word for s in result.unfinished},
        "cores": options.cores,
        "minutes_of_all_stages_over_cores": round(minutes, 1),
        "target_minutes": target,
        "met": None if target is None else minutes <= target,
        "seconds_per_stage": seconds,
    }
    record(f"reproduce-{options.budget}", figures)
    for row in result.rows:
        if row.ours is not None:
            z = "" if row.z is None else f"{row.z:+.1f} s.e."
            print(f"{row.published.key:22} {row.ours.value:.4g} {z} {row.word}")
    print(figures["verdicts"], f"{minutes:.1f} min")


if __name__ == "__main__":
    main()
