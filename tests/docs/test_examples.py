"""Every example runs to its last assertion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_examples = Path(__file__).resolve().parents[2] / "examples"
_arguments = {"demo": ["--short"]}


@pytest.mark.parametrize("path", sorted(_examples.glob("*.py")), ids=lambda path: path.stem)
def test_example(path: Path, data: Path, tmp_path: Path) -> None:
    environment = os.environ | {"ZIFGLASS_DATA": str(data)}
    done = subprocess.run(
        [sys.executable, str(path), *_arguments.get(path.stem, [])],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
