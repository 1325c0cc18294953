"""Keeps what a benchmark or a long run gave: benchmarks/results/NAME.json."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zifglass.core.files import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def evidence_folder(name: str, potential: str) -> Path:
    """Where the runs of a claim go on, one folder per model: build/evidence/NAME/SHA-256."""
    from zifglass import load_potential

    return ROOT / "build" / "evidence" / name / load_potential(potential).sha256[:12]


def record(name: str, figures: dict[str, Any], *, command: str | None = None) -> Path:
    """Write `figures` with the command that made them, the commit, date, processor, versions."""
    path = RESULTS / f"{name}.json"
    write_json(
        path,
        {
            "name": name,
            "command": command or _this_command(),
            "commit": commit(),
            "sources": sources(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "processor": _processor(),
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in ("numpy", "ase", "h5py")},
            },
            "figures": figures,
        },
    )
    return path


def commit() -> str:
    """HEAD's hash, with '+changes' where the tree is not clean."""
    head = _git("rev-parse", "HEAD")
    return head + ("+changes" if _git("status", "--porcelain", "-uno") else "")


def sources() -> str:
    """Git's hashes of src/ and cpp/: a result stays valid as long as they do."""
    return "-".join(_git("rev-parse", f"HEAD:{folder}")[:12] for folder in ("src", "cpp"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def _this_command() -> str:
    main = sys.modules["__main__"].__spec__
    module = f"-m {main.name}" if main else Path(sys.argv[0]).name
    return " ".join(["python", module, *sys.argv[1:]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
