"""Where outputs may go, asked before long work."""

from __future__ import annotations

from pathlib import Path

import pytest

from zifglass.core import InputError
from zifglass.core.files import check_writable


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert not any(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/below"):
        with pytest.raises(InputError, match=r"cannot write here: this is a file.*file\)"):
            check_writable(tmp_path / folder)
