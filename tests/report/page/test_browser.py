"""Pages in a real browser, headless Chromium with software WebGL: nothing is asked of a network,
nothing complained of, the 3D view shows something, and everything that can be used answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zifglass.core.files import write_json
from zifglass.report.folders import folder_page
from zifglass.report.page import write_page

from .browser import EXECUTABLE, WITHOUT, Browser

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason=WITHOUT)

LIVE = "document.querySelector('.stage.live canvas')"


@pytest.fixture(scope="module")
def pages(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """structure.html: an analysis; many.html: seven runs and the analysis."""
    root = tmp_path_factory.mktemp("pages")
    for k in range(1, 8):
        run = shutil.copytree(work / "melt-quench", root / "many" / f"run-{k}")
        density = {"value": 1.3 - 0.01 * k, "std": 0.005, "unit": "g/cm³"}
        write_json(run / "results.json", {"density": density})
    write_page(folder_page(work / "structure", budget=1e5), root / "structure.html")
    write_page(folder_page(work / "melt-quench", budget=1e5), root / "run.html")
    write_page(folder_page(root / "many", budget=1e5), root / "many.html")
    return root


@pytest.fixture(scope="module")
def desktop() -> Iterator[Browser]:
    with Browser(width=1100, height=560) as browser:
        yield browser


@pytest.fixture(autouse=True)
def quiet(desktop: Browser) -> Iterator[None]:
    desktop.complaints.clear()
    desktop.requests.clear()
    yield
    is_calm(desktop)


def is_calm(browser: Browser) -> None:
    assert browser.complaints == []
    inside = re.compile("data:|blob:|file:.*/(structure|run|many)[.]html$")  # and the page itself
    assert [url for url in browser.requests if not inside.match(url)] == []


def open_at_the_glass(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.evaluate("document.querySelector('.stage').scrollIntoView()")
    browser.wait(LIVE)


def shot(browser: Browser) -> np.ndarray:
    """What the 3D view shows (height, width, 3), once it is drawn."""
    browser.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    box = browser.evaluate(
        "(() => { const b = document.querySelector('.stage').getBoundingClientRect();"
        "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
    )
    image = Image.open(BytesIO(browser.picture(*box)))
    return np.asarray(image.convert("RGB"), dtype=int)


def is_drawn(pixels: np.ndarray) -> bool:
    """Zn blue, N light blue, C grey: several colours beside the paper's white."""
    inked = (pixels.min(axis=2) < 200).mean()
    blue = ((pixels[..., 2] - pixels[..., 0]) > 60).mean()
    return bool(0.01 < inked < 0.9 and blue > 0.003)


def test_the_glass_turns_and_every_control_of_it_answers(desktop: Browser, pages: Path) -> None:
    open_at_the_glass(desktop, pages / "structure.html")
    assert is_drawn(still := shot(desktop))
    for press in ("left", "right", "up", "down", "closer", "away"):
        desktop.click(f"[data-do={press}]")
        turned = shot(desktop)
        assert np.abs(turned - still).mean() > 0.5, press
        still = turned
    desktop.click("[data-do=reset]")
    fresh = shot(desktop)
    for key, code in (("ArrowLeft", 37), ("+", 187), ("0", 48)):
        desktop.evaluate("document.querySelector('.stage').focus({preventScroll: true})")
        desktop.press(key, code)
    assert np.abs(shot(desktop) - fresh).mean() < 0.5  # 0 brought it back
    desktop.evaluate("document.querySelector('[data-do=model]').value = 1")
    desktop.evaluate(
        "document.querySelector('[data-do=model]').dispatchEvent(new Event('input',{bubbles:true}))"
    )
    desktop.wait("document.querySelector('p.at').textContent.includes('8 atoms of broken')")
    seen = shot(desktop)
    for box in ("rings", "pores", "tetrahedra", "broken", "cell", "hydrogen", "atoms"):
        if desktop.evaluate(f"document.querySelector('[data-show={box}]').disabled"):
            assert box == "pores"  # where Zeo++ is missing
            continue
        desktop.click(f"[data-show={box}]")
        changed = shot(desktop)
        assert np.abs(changed - seen).mean() > 0.02, box
        seen = changed


def test_the_trajectory_plays_and_the_chart_is_read(desktop: Browser, pages: Path) -> None:
    open_at_the_glass(desktop, pages / "run.html")
    last = int(desktop.evaluate("Number(document.querySelector('[data-do=frame]').value)"))
    assert last > 5
    desktop.click("[data-do=play]")
    desktop.wait("[...'1234'].includes(document.querySelector('[data-do=frame]').value)")
    desktop.click("[data-do=play]")
    assert desktop.evaluate("document.querySelector('[data-do=play]').textContent") == "Play"
    desktop.evaluate("document.querySelector('input.cursor').focus()")
    desktop.press("ArrowRight", 39)
    said = desktop.evaluate("document.querySelector('figure.charted output').textContent")
    assert re.search(r"time 0\.001 ps \(crystal\).*pressure_virial", said)


def test_figures_enlarge_and_give_the_focus_back(desktop: Browser, pages: Path) -> None:
    desktop.open(pages / "structure.html")
    desktop.wait("[...document.querySelectorAll('.enlarge img')].every(i => i.naturalWidth > 100)")
    desktop.evaluate("document.querySelector('.enlarge').focus()")
    desktop.press("Enter", 13, "\r")
    desktop.wait("document.querySelector('#zoom[open] .zoomed img').style.width")
    width = "parseFloat(document.querySelector('.zoomed img').style.width)"
    before = desktop.evaluate(width)
    desktop.click("[data-zoom=in]")
    assert desktop.evaluate(width) == pytest.approx(1.4 * before, rel=1e-3)
    desktop.press("-", 189)
    desktop.click("[data-zoom=out]")
    assert desktop.evaluate(width) < before
    desktop.click("[data-zoom=fit]")
    assert desktop.evaluate(width) == pytest.approx(before, rel=1e-3)
    desktop.press("Escape", 27)
    desktop.wait("!document.querySelector('#zoom').open")
    assert desktop.evaluate("document.activeElement.className") == "enlarge"


def test_many_runs_sort_unfold_and_download(desktop: Browser, pages: Path) -> None:
    desktop.open(pages / "many.html")
    first = (
        "document.querySelector('.sort').closest('table').tBodies[0].rows[0].cells[0].textContent"
    )
    assert desktop.evaluate(first) == "run-1"
    desktop.evaluate("document.querySelectorAll('.sort')[1].focus()")
    desktop.press("Enter", 13, "\r")
    assert desktop.evaluate(first) == "run-7"  # the least dense
    assert desktop.evaluate("document.querySelectorAll('figure.charted').length") == 0
    desktop.click("details[data-packed] summary")
    desktop.wait("document.querySelector('details.long[open] figure.charted path')")
    slider = "document.querySelector('details.long[open] input.cursor')"
    desktop.evaluate(f"{slider}.value = 3; {slider}.dispatchEvent(new Event('input'))")
    assert "ps" in desktop.evaluate(f"{slider}.parentElement.querySelector('output').textContent")
    desktop.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(desktop.downloads)
    )
    desktop.click("details.long[open] a[download='thermo.csv']")
    desktop.wait_for(desktop.downloads / "thermo.csv")
    lines = (desktop.downloads / "thermo.csv").read_text().splitlines()
    assert lines[0].startswith("segment,time_ps,target_K")
    assert len(lines) > 100


def test_on_paper(desktop: Browser, pages: Path, tmp_path: Path) -> None:
    """A still stands for the view; what is folded is open; nothing of the controls is printed."""
    open_at_the_glass(desktop, pages / "run.html")
    assert is_drawn(shot(desktop))
    desktop.print(tmp_path / "page.pdf")
    content = (tmp_path / "page.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12


def test_on_a_phone(pages: Path) -> None:
    with Browser(width=390, height=844, mobile=True) as phone:
        for name in ("structure", "many"):
            open_at_the_glass(phone, pages / f"{name}.html")
            assert is_drawn(shot(phone))
            wide = phone.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1], f"{name} is wider than the screen"
            small = phone.evaluate(
                "JSON.stringify([...document.querySelectorAll('.controls button, .controls label')]"
                ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)"
                ".map(e => e.textContent))"
            )
            assert json.loads(small) == []
        is_calm(phone)


def test_everything_that_can_be_used_has_a_name_and_is_reached_by_tab(
    desktop: Browser, pages: Path
) -> None:
    open_at_the_glass(desktop, pages / "structure.html")
    nameless = desktop.evaluate(
        "[...document.querySelectorAll('button, input, select, a, summary, img')].filter(e =>"
        "!(e.getAttribute('aria-label') || e.textContent.trim() || e.alt || e.title ||"
        "e.closest('label')?.textContent.trim())).length"
    )
    assert nameless == 0
    desktop.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached = set()
    for _ in range(40):
        desktop.press("Tab", 9)
        reached.add(
            desktop.evaluate(
                "(e => e.dataset?.do || e.dataset?.show || e.className)(document.activeElement)"
            )
        )
    assert {"skip", "stage live", "model", "atoms", "pores", "reset", "enlarge"} <= reached
