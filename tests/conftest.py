"""The one fixture through which tests find published data that the project does not carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_root = Path(__file__).resolve().parents[1]


def _data_folder() -> Path | None:
    named = os.environ.get("ZIFGLASS_DATA")
    candidates = [Path(named)] if named else []
    candidates += [
        _root.parent / "shared" / "data",
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "zifglass" / "data",
    ]
    return next((folder for folder in candidates if folder.is_dir()), None)


def _found() -> Path:
    folder = _data_folder()
    if folder is None:
        pytest.skip(
            "published data not found: set ZIFGLASS_DATA to a folder with citable-data/ and dft/, "
            "or put it at ../shared/data"
        )
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that holds `citable-data/` and `dft/`."""
    return _found()


@pytest.fixture(scope="session")
def published() -> Path:
    """Published data of Coudert and co-workers (CC-BY 4.0)."""
    return _found() / "citable-data"
