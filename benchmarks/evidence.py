"""`make evidence`: reruns every long claim and keeps what it gave under benchmarks/results/.

Resumable: a claim whose result file was made from the same src/ and cpp/ is not repeated.
`python -m benchmarks.evidence [NAME…]` runs the named ones; `--again` repeats them; `--list`
lists them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from benchmarks.record import RESULTS, ROOT, record, sources

# name → arguments of `python -m`. A benchmark records its own results file of that name.
CLAIMS: dict[str, list[str]] = {
    "distributions": ["benchmarks.distributions"],
    "rings": ["benchmarks.rings"],
    "reading": ["benchmarks.reading"],
    "engine": ["benchmarks.engine"],
    "dynamics": ["benchmarks.dynamics"],
    "mechanics": ["benchmarks.mechanics"],
    "page": ["benchmarks.page"],
    "studies": ["benchmarks.studies"],
    "demo": ["benchmarks.demo"],
    "reproduce-minutes": ["benchmarks.reproduce", "--budget", "minutes"],
    "reproduce-hours": ["benchmarks.reproduce", "--budget", "hours"],
    "training": ["benchmarks.training"],
    "zif4_fast": ["benchmarks.zif4_fast"],
    "zif4_fast_liquid": ["benchmarks.zif4_fast_liquid"],
    "crystal_moduli": ["benchmarks.crystal_moduli"],
    "glass_moduli": ["benchmarks.glass_moduli"],
    "melting": ["benchmarks.melting"],
    "stress_question": ["benchmarks.stress_question"],
    "long-tests": ["pytest", "-m", "long", "-q", "--durations=0", "-p", "no:cacheprovider"],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims to run (default: all)")
    parser.add_argument("--again", action="store_true", help="also those already shown")
    parser.add_argument("--list", action="store_true", help="list the claims and their state")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(CLAIMS))
    if unknown:
        parser.error(f"no claim is called {unknown[0]!r}; there are {', '.join(CLAIMS)}")
    failed = []
    for name in options.names or CLAIMS:
        shown = _is_shown(name)
        if options.list:
            print(f"{name:16} {'shown' if shown else 'open'}")
        elif shown and not options.again:
            print(f"{name}: already shown for these sources, see {name}.json")
        elif not _run(name):
            failed.append(name)
    if failed:
        print(f"not shown: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _is_shown(name: str) -> bool:
    try:
        return json.loads((RESULTS / f"{name}.json").read_text())["sources"] == sources()
    except (OSError, ValueError, KeyError):
        return False


def _run(name: str) -> bool:
    print(f"== {name}", flush=True)
    start = time.monotonic()
    command = [sys.executable, "-m", *CLAIMS[name]]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    if done.returncode == 0 and CLAIMS[name][0] == "pytest":
        figures = {"seconds": time.monotonic() - start, "output": done.stdout.splitlines()[-60:]}
        record(name, figures, command=" ".join(["python", "-m", *CLAIMS[name]]))
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
