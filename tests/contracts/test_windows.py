"""Text formats that an editor on Windows has touched: a byte-order mark, CRLF."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contracts.test_formats import CASES, same_frame, written

from zifglass.io import read
from zifglass.io.text import BOM


@pytest.mark.parametrize("name", ["a.extxyz", "a.lammpstrj", "a.lmp", "POSCAR", "a.cif"])
@pytest.mark.parametrize("mark", [b"", BOM], ids=["no mark", "mark"])
def test_files_that_windows_has_touched_read_alike(name: str, mark: bytes, tmp_path: Path) -> None:
    path, _ = written(tmp_path, CASES[name])
    expected = list(read(path))
    (tmp_path / "windows").mkdir()
    touched = tmp_path / "windows" / name
    touched.write_bytes(mark + path.read_bytes().replace(b"\n", b"\r\n"))
    for got, frame in zip(read(touched), expected, strict=True):
        same_frame(got, frame, CASES[name])
