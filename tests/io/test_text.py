"""The compiled parser of rows and the scanner of lines, against naive ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zifglass.core import InputError
from zifglass.io import text
from zifglass.io.text import BOM, LineScanner, parse_rows, word

spelled = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.floats(min_value=-1e6, max_value=1e6).map(lambda x: f"{x:.8f}"),
    st.floats(min_value=-1e15, max_value=1e15).map(lambda x: f"{x:.3e}"),
    st.integers(min_value=-(10**22), max_value=10**22).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str),
    st.sampled_from(["+1.5", "-0.0", "00012.50", "5.", ".5", "1e400", "1e-400", "4.9e-324",
                     "9007199254740993", "999999999999999.", "0.1234567890123456789"]),
)  # fmt: skip


@given(st.lists(st.tuples(spelled, spelled), min_size=1, max_size=20))
@settings(deadline=None)
def test_numbers_are_correctly_rounded(rows: list[tuple[str, str]]) -> None:
    content = "".join(f" Zn\t{a}  skip {b} \r\n" for a, b in rows).encode()
    numbers, words = parse_rows(content, len(rows), "sf-f", "file", line=1, frame=0)
    expected = np.array([[float(a), float(b)] for a, b in rows])
    assert numbers.tobytes() == expected.tobytes()
    assert {word(code) for code in words[:, 0]} == {"Zn"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"C 1\nC x\n", r"expected a number in column 2, got 'x' \(f:8, frame 3\)"),
        (b"C 1\nC 1 2\n", r"expected 2 columns, got 3 \(f:8, frame 3\)"),
        (b"C 1\nC\n", r"expected 2 columns, got 1 \(f:8"),
        (b"C 1\n\nC 1\n", r"expected 2 columns, got 0 \(f:8"),
        (b"C 1\n", r"expected 2 columns, got 0 \(f:8"),
        (b"C 1\nabcdefghi 1\n", "a word of at most 8 characters in column 1, got 'abcdefghi'"),
        (b"C 1\nC 1.0.0\n", "got '1.0.0'"),
        (b"C 1\nC --1\n", "got '--1'"),
        (b"C 1\nC 1,5\n", "got '1,5'"),
        (b"C 1\nC 0x10\n", "got '0x10'"),
        (b"C 1\nC -\n", "got '-'"),
        (b"C 1\nC .\n", r"got '\.'"),
        (b"C 1\nC " + b"9" * 50 + b"z\n", "got '99999999999999999…'"),
    ],
)
def test_bad_rows_name_their_line(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_rows(content, 2, "sf", "f", line=7, frame=3)


def test_a_false_count_asks_for_no_memory() -> None:
    with pytest.raises(InputError, match="expected 3 columns, got 0"):
        parse_rows(b"1 2 3\n", 2**60, "fff", "f", line=1, frame=0)


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b".")), max_size=40),
    ended=st.booleans(),
    steps=st.lists(st.integers(min_value=0, max_value=7), max_size=30),
    block=st.integers(min_value=1, max_value=30),
    mark=st.sampled_from([b"", BOM]),
)
@settings(deadline=None)
def test_the_scanner_is_splitting_at_newlines(
    lines: list[bytes], ended: bool, steps: list[int], block: int, mark: bytes
) -> None:
    content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    expected = content.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_buffer_bytes", block)
        scanner = LineScanner(io.BytesIO(mark + content))
        place = 0
        for step in steps:
            if step == 0:
                line = scanner.line()
                assert line == (expected[place] if place < len(expected) else None)
                place += line is not None
            else:
                passed = scanner.skip(step)
                assert passed == min(step, len(expected) - place)
                place += passed
            assert scanner.number == place + 1
            before = b"".join(line + b"\n" for line in expected[:place])
            assert scanner.offset == len(mark) + min(len(before), len(content))
