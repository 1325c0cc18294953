"""The published numbers are those of the document, and a verdict is what its errors say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError
from zifglass.studies.published import (
    Glasses,
    Ours,
    PublishedValue,
    castel2024,
    compare,
    not_run,
    number_as_printed,
)

_document = (
    Path(__file__).resolve().parents[3] / "shared" / "paper" / "supplementary-information.txt"
)


@pytest.fixture(scope="module")
def document() -> str:
    if not _document.is_file():
        pytest.skip("the supplementary information is not here: put it at ../shared/paper")
    return _document.read_text(encoding="utf-8")


def _cells(document: str, table: str) -> list[str]:
    """Every number of a table, row by row, as printed."""
    rows = document.split(f"\nTable {table}:")[1].split("\n")[2:]
    found = []
    for row in rows:
        label, *cells = row.split("\t")
        if not cells:
            break
        if label.startswith("Volume change") or label.startswith("λ") or "λ_σ" in cells:
            continue
        found += [cell.strip() for cell in cells if re.match(r"\d", cell.strip())]
    return found


@pytest.mark.parametrize("table", [f"S{i}" for i in range(1, 9)])
def test_every_number_of_a_table_stands_as_printed(document: str, table: str) -> None:
    ours = [value.printed for value in castel2024().tables[table].values]
    assert ours == _cells(document, table)


def test_figures_and_statements_are_those_of_the_document(document: str) -> None:
    published = castel2024()
    assert list(published.figures) == [f"S{i}" for i in range(1, 18)]
    assert all(f"Figure {name}:" in document for name in published.figures)
    assert f"Figure S{len(published.figures) + 1}:" not in document
    assert f"Table S{len(published.tables) + 1}:" not in document
    kept = published.statements["kept-glass"]
    assert (kept.value, kept.spread, kept.unit, kept.printed_unit) == (4.35, 0.32, "ns", "ps")
    assert "4.35 ± 0.32 ps" in document
    for key in ("points-glass", "points-mlp"):
        one = published.statements[key]
        assert f"{one.value:g} ± {one.spread:g}" in document
    assert {c.key for c in published.contradictions} >= {"kept-glass", "allegro-layers"}


def test_every_number_carries_its_source_and_a_known_rule() -> None:
    published = castel2024()
    values = list(published.values())
    assert len(values) == len({value.key for value in values}) == 45
    for value in values:
        assert value.source == (
            f"DOI 10.1039/D3DD00236E, supplementary information, Table {value.table}"
        )
        assert value.rule in ("exact", "one-run", "test-set")
        assert value.by in ("AIMD", "MLP", "training")
        assert value.unit and value.name and value.column
    # Table S7's single cell is Table S4's first column.
    for row in ("K", "density"):
        assert (
            published.value(f"S7/{row}/single").printed == published.value(f"S4/{row}/l0").printed
        )
    with pytest.raises(InputError, match=r"no published number 'S7/K/big'; there are S7/K/single"):
        published.value("S7/K/big")


def test_numbers_as_printed() -> None:
    assert number_as_printed("0.80").decimals == 2
    assert number_as_printed("1.30 ± 0.09").spread == 0.09
    assert number_as_printed("1500").decimals == 0
    assert number_as_printed("−2").value == -2.0
    with pytest.raises(InputError, match=r"a number is printed like 1\.30"):
        number_as_printed("1.3(2)")


def _published(printed: str, **changes: object) -> PublishedValue:
    number = number_as_printed(printed)
    base = castel2024().value("S4/K/l0")
    return replace(
        base, printed=printed, value=number.value, spread=number.spread,
        decimals=number.decimals, **({"sampled": None} | changes),
    )  # fmt: skip


def test_rounding_is_half_a_unit_of_the_last_digit() -> None:
    """The standard deviation of a uniform distribution, by drawing from it."""
    draws = np.random.default_rng(1).uniform(-0.005, 0.005, 200_000)
    assert _published("1.69").rounding == pytest.approx(draws.std(), rel=0.01)
    exact = compare(_published("1.69"), Ours(1.6928, 0.0, "MLP"))
    assert exact.word == "agrees" and exact.z == pytest.approx(0.0028 / 0.01 * 12**0.5)
    assert compare(_published("1.69"), Ours(1.70, 0.0, "MLP")).word == "differs"


def test_errors_are_added_and_the_verdict_lies_at_one_percent() -> None:
    published = _published("2")
    limit = 2.5758 * math.hypot(0.3, 1 / 12**0.5)
    for shift, word in ((0.999 * limit, "agrees"), (1.001 * limit, "differs")):
        for sign in (1, -1):
            found = compare(published, Ours(2.0 + sign * shift, 0.3, "MLP"))
            assert found.word == word
            assert found.visible == pytest.approx(limit, rel=1e-4)
            assert found.probability == pytest.approx(0.01, rel=0.02)
            assert found.z == pytest.approx(sign * shift / found.std)


def test_a_stated_time_gives_the_published_number_an_error() -> None:
    found = compare(_published("1.69", sampled=100.0), Ours(1.5, 0.2, "MLP", sampled=25.0))
    assert found.parts["published"] == pytest.approx(0.1)
    assert found.std == pytest.approx(math.sqrt(0.2**2 + 0.1**2 + 0.01**2 / 12))
    unknown = compare(_published("1.69"), Ours(1.5, 0.2, "MLP", sampled=25.0))
    assert "published" not in unknown.parts and "none counted" in unknown.remarks[-1]


@pytest.mark.parametrize("same", [True, False])
def test_glasses_are_counted_as_a_sample(same: bool) -> None:
    """Against drawing: m of n glasses, or m others, many times."""
    rng = np.random.default_rng(3)
    n, m, spread = 10, 4, 7.0
    all_glasses = rng.normal(0.0, spread, (40_000, n))
    chosen = all_glasses[:, :m] if same else rng.normal(0.0, spread, (40_000, m))
    scatter = (chosen.mean(axis=1) - all_glasses.mean(axis=1)).std()
    published = _published("68.1 ± 7.0", glasses=n)
    found = compare(published, Ours(66.0, 0.0, "MLP", glasses=Glasses(m, 6.0, same)))
    assert found.parts["glasses"] == pytest.approx(scatter, rel=0.02)
    assert f"{m} " in " ".join(found.remarks)


def test_few_glasses_widen_the_limit_as_student_says() -> None:
    """With nothing but the spread of four glasses, t of three degrees of freedom: 5.84."""
    published = _published("68.1", glasses=10)
    found = compare(published, Ours(64.0, 0.0, "AIMD", glasses=Glasses(4, 7.0, True)))
    assert found.visible / found.std == pytest.approx(5.84, rel=0.01)
    with_noise = compare(published, Ours(64.0, 50.0, "AIMD", glasses=Glasses(4, 7.0, True)))
    assert with_noise.visible / with_noise.std == pytest.approx(2.576, rel=0.01)
    ten = compare(published, Ours(68.1, 0.3, "AIMD", glasses=Glasses(10, 7.0, True)))
    assert ten.parts["glasses"] == 0.0 and "the same 10 glasses" in ten.remarks


def test_no_number_without_a_reason_and_no_verdict_without_an_error() -> None:
    published = _published("68.1", glasses=10)
    none = not_run(published, "the glasses are not here")
    assert (none.word, none.z, none.reason) == ("not run", None, "the glasses are not here")
    with pytest.raises(InputError, match="say why"):
        not_run(published, "")
    one = compare(published, Ours(64.0, 0.3, "AIMD", glasses=Glasses(1, None, True)))
    assert one.word == "no verdict" and "one glass says nothing" in one.reason
    for std in (None, math.nan):
        bare = compare(_published("1.69"), Ours(1.7, std, "MLP"))
        assert bare.word == "no verdict" and bare.difference == pytest.approx(0.01)
    eleven = compare(published, Ours(64.0, 0.3, "AIMD", glasses=Glasses(11, 7.0, True)))
    assert eleven.word == "no verdict" and "cannot be among" in eleven.reason
    with pytest.raises(InputError, match="is nan"):
        compare(published, Ours(math.nan, 0.3, "AIMD"))


def test_settings_are_the_same_or_not() -> None:
    published = castel2024().value("S1/temperature/m2")
    assert compare(published, Ours(1750.0, None, "MLP")).word == "agrees"
    assert compare(published, Ours(1500.0, None, "MLP")).word == "differs"


def test_what_it_was_computed_with_is_said() -> None:
    found = compare(castel2024().value("S2/coordination/p0"), Ours(3.6, 0.05, "MLP", sampled=10.0))
    assert "published: AIMD, ours: MLP" in found.remarks
