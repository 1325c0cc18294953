"""What does `make demo` find at full length?

`python -m benchmarks.demo` (some twenty minutes on two cores, resumable): `examples/demo.py
--full`, whose lines are kept for the short demo to print beside its own.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.record import ROOT, record


def main() -> int:
    done = subprocess.run([sys.executable, "examples/demo.py", "--full"], cwd=ROOT)
    if done.returncode:
        return done.returncode
    record("demo", {"found": json.loads((ROOT / "demo" / "full.json").read_text())})
    return 0


if __name__ == "__main__":
    sys.exit(main())
