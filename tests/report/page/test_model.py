"""Pages as files: what is inside, what is escaped, what is refused. The look is test_browser's."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import ArrayTrajectory, InputError, Quantity
from zifglass.io import structures
from zifglass.report.page import (
    Chart,
    Column,
    Download,
    Facts,
    Figure,
    Fold,
    Grid,
    Line,
    Mark,
    Notice,
    Page,
    Panel,
    Part,
    Section,
    Table,
    Text,
    Viewer3D,
    frames_within,
    model_of,
    page_html,
    thermo_chart,
    write_page,
)
from zifglass.report.page.numbers import number, with_error
from zifglass.report.page.tables import csv_of

NASTY = "</script><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3"/></svg>'


class Elements(HTMLParser):
    """Start tags with their attributes, and all text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self.words.append(data)


def page_of(*parts: Part) -> str:
    return page_html(Page("A page", [Section("A section", parts)]))


@pytest.mark.parametrize(
    "part",
    [
        Text(NASTY),
        Notice(NASTY, NASTY, "bad"),
        Facts({NASTY: NASTY, "inner": {"key": [NASTY]}}),
        Table([Column(NASTY, NASTY)], [[NASTY], [Mark(NASTY)]], NASTY, NASTY),
        Table([Column("x")], [[Quantity(1.0, 0.1, NASTY, NASTY)]]),
        Figure(SVG, NASTY, NASTY, [Download(NASTY, "1,2", NASTY)]),
        Chart(NASTY, NASTY, np.arange(3.0), [Panel(NASTY, NASTY, [Line(NASTY, np.arange(3.0))])]),
        Fold(NASTY, [Grid([Text(NASTY)])]),
        Viewer3D([model_of(NASTY, structures.load("zif8"), pore_spacing=None)], NASTY),
    ],
    ids=lambda part: type(part).__name__,
)
def test_strings_stay_text(part: Part) -> None:
    """Whatever a file name or a note holds, it neither runs nor breaks the page."""
    plain = Elements(page_of(part))
    whole = Elements(page_html(Page(NASTY, [Section(NASTY, [part])], NASTY)))
    for found in (plain, whole):
        assert not [a for t, a in found.tags if t == "img" and a.get("src") == "x"]
        assert not [a for _, a in found.tags if any(key.startswith("on") for key in a)]
    scripts = [a.get("type") for t, a in whole.tags if t == "script"]
    assert len(scripts) == len([t for t, _ in plain.tags if t == "script"])
    assert NASTY in "".join(whole.words)


def test_the_page_names_nothing_outside_itself() -> None:
    model = model_of("m", structures.load("zif8"), pore_spacing=None)
    text = page_of(Viewer3D([model]), Figure(SVG, "f"), Text("t"))
    for tag, attributes in Elements(text).tags:
        for key in ("src", "href", "srcset", "data", "poster", "action"):
            if value := attributes.get(key):
                assert value.startswith(("data:", "#")), f"{tag} {key}={value[:80]}"
    policy = [a["content"] for t, a in Elements(text).tags if a.get("http-equiv")]
    assert policy[0] is not None
    assert "default-src 'none'" in policy[0]
    assert "connect-src" not in policy[0]  # falls back to 'none'


def test_csv_of_a_table_keeps_every_digit() -> None:
    table = Table(
        [Column("quantity"), Column("value"), Column("volume", "Å³"), Column("verdict")],
        [
            ["a, b", Quantity(1 / 3, 1e-9, "GPa"), 3, Mark("agrees", "good")],
            ["c", Quantity(float("nan"), None, "K"), 2.5, None],
        ],
    )
    rows = list(csv.DictReader(io.StringIO(str(csv_of(table).content))))
    assert rows[0] == {
        "quantity": "a, b", "value": repr(1 / 3), "value std": "1e-09", "value unit": "GPa",
        "volume (Å³)": "3", "verdict": "agrees",
    }  # fmt: skip
    assert rows[1]["value"] == rows[1]["value std"] == rows[1]["verdict"] == ""


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="row 1 of table 'T' has 1 cells for 2 columns"):
        Table([Column("a"), Column("b")], [[1, 2], [3]], "T")


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (5.3149, 0.1234, "5.31 ± 0.12"),
        (5.3149, 1.234, "5.3 ± 1.2"),
        (-1234.5, 12.0, "−1234 ± 12"),
        (0.00123, 0.00093, "0.00123 ± 0.00093"),
        (2.82e-9, 2.5e-10, "(2.82 ± 0.25) × 10⁻⁹"),
        (1.5, None, "1.5"),
        (1.5, float("nan"), "1.5"),
        (1.5, 0.0, "1.5"),
        (1.5702867899999997, 4.4e-17, "1.57"),
        (32, None, "32"),
        (0.0, 15.0, "0 ± 15"),
        (float("inf"), 1.0, "∞ ± 1"),
        ("liquid", None, "liquid"),
    ],
)
def test_as_many_digits_as_the_error_allows(value: object, std: object, text: str) -> None:
    assert with_error(value, std) == text


def test_numbers_alone() -> None:
    assert [number(x) for x in (3, -2.5, 1e-7, 123456.0, float("nan"), True)] == [
        "3", "−2.5", "1 × 10⁻⁷", "123456", "–", "True",
    ]  # fmt: skip


def test_a_page_without_sections_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sections"):
        write_page(Page("empty", []), tmp_path / "p.html")
    assert not list(tmp_path.iterdir())


# --- models ---------------------------------------------------------------------------------


def shaken(frames: int) -> ArrayTrajectory:
    crystal = structures.load("zif4")
    rng = np.random.default_rng(3)
    # Whole cells apart, as an unwrapped run leaves them.
    shifts = rng.integers(-2, 3, (len(crystal), 3)) @ crystal.cell
    positions = np.array(
        [crystal.positions + shifts + rng.normal(0, 0.03, (len(crystal), 3)) for _ in range(frames)]
    )
    return ArrayTrajectory.from_arrays(
        crystal.numbers, positions, crystal.cell, times=np.arange(frames) * 50.0
    )


def unpacked(text: str) -> dict[str, object]:
    data = re.search(r'id="p1-model-0">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    found: dict[str, object] = json.loads(data.group(1))
    return found


def test_the_page_holds_the_positions_to_a_thousandth() -> None:
    """Decoded as the page's script does, modulo the cell, they are the trajectory's."""
    trajectory = shaken(3)
    packed = unpacked(page_of(Viewer3D([model_of("m", trajectory, pore_spacing=None)])))
    whole = np.frombuffer(base64.b64decode(str(packed["positions"])), "<u2").reshape(3, -1, 3)
    low, width = packed["scale"]  # type: ignore[misc]
    cell = trajectory[0].structure.cell
    for frame, stored in zip(trajectory, low + width * whole / 65535.0, strict=True):
        apart = stored - frame.structure.positions @ np.linalg.inv(cell)
        apart -= np.rint(apart)
        assert np.abs(apart @ cell).max() < 1e-3


def test_linkers_are_whole_and_at_home() -> None:
    trajectory = shaken(1)
    model = model_of("m", trajectory, pore_spacing=None)
    from zifglass.analysis import linkers

    found = linkers(trajectory[0])
    fractional = model.positions[0] @ np.linalg.inv(model.cells[0])
    for index, atoms in enumerate(found.atoms):
        ring = model.positions[0][atoms]
        assert np.linalg.norm(ring - ring.mean(axis=0), axis=1).max() < 1.5  # Å; a five-ring
        assert (np.floor(fractional[atoms].mean(axis=0)) == 0).all()
        own = model.positions[0][found.owner == index]
        assert np.linalg.norm(own - ring.mean(axis=0), axis=1).max() < 2.6  # with its H


def test_rings_are_drawn_where_bonds_are() -> None:
    """ZIF-4 at rest: 4 rings of 4, 16 of 6, 32 of 8; neighbours along a ring are 6 Å apart."""
    rings = model_of("m", structures.load("zif4"), pore_spacing=None).overlays[-1].rings
    assert rings is not None
    sizes = [len(ring) for ring in rings]
    assert [sizes.count(n) for n in (4, 6, 8)] == [4, 16, 32]
    for ring in rings:
        steps = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
        assert ((steps > 5.5) & (steps < 6.5)).all()


def test_thinning_keeps_the_last_frame_and_the_budget() -> None:
    kept = frames_within(1000, 272, 60_000)
    assert kept[-1] == 999
    assert kept[0] == 0
    assert len(kept) * 272 * 8 <= 60_000
    assert frames_within(5, 10, 1e9) == [0, 1, 2, 3, 4]
    assert frames_within(5, 10**6, 10) == [4]
    model = model_of("m", shaken(9), budget=272 * 8 * 3, pore_spacing=None)
    assert len(model.positions) == 3
    assert model.labels[-1] == "0.4 ps"
    assert model.left_out == "3 of 9 frames shown"


def test_another_chemistry_is_shown_as_it_is() -> None:
    from ase.build import bulk

    model = model_of("salt", bulk("NaCl", "rocksalt", a=5.64), pore_spacing=None)
    assert model.overlays[0].rings is None
    assert not len(model.overlays[0].broken)


def test_an_empty_trajectory_is_refused() -> None:
    with pytest.raises(InputError, match="without frames"):
        model_of("nothing", shaken(1)[:0])


# --- charts ---------------------------------------------------------------------------------


def test_thinned_thermo_keeps_its_extremes() -> None:
    rng = np.random.default_rng(0)
    columns = {
        "segment": np.repeat([0.0, 1.0], 5000),
        "time_ps": np.arange(10000) * 0.01,
        "temperature_K": rng.normal(300, 20, 10000),
        "target_K": np.full(10000, 300.0),
        "density_g_cm3": np.full(10000, 1.21),
    }
    columns["temperature_K"][7777] = 900.0
    chart = thermo_chart(columns, segments=["heat", "hold"])
    assert [panel.title for panel in chart.panels] == ["Temperature"]  # the density never changes
    assert len(chart.x) <= 600
    line = chart.panels[0].lines[0]
    assert line.high is not None
    assert line.low is not None
    assert line.high.max() == 900.0
    assert line.low.min() == columns["temperature_K"].min()
    assert [(s.title, s.start) for s in chart.spans] == [("heat", 0.0), ("hold", 50.0)]
    np.testing.assert_allclose(line.y, np.interp(chart.x, *_curve(columns)), rtol=1e-12)


def _curve(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return columns["time_ps"], columns["temperature_K"]
