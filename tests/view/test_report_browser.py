"""Fidelity reports and plots in a real browser: at three widths, in light and dark, nothing is clipped."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from helpers.browser import CLIPPED, FOUND, OPEN_ALL, WHY_NOT, Tab, browser
from helpers.fidelity import of_number, record

from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.report import Report
from artis_sdk.evals.fidelity.trust import judge
from artis_sdk.view.curves import Curve, Panel, curves

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason=WHY_NOT)]

DOCS = Path(__file__).parents[2] / "docs"
PLOTS = ["agent-masks", "agent-training", "pocket-attempts", "pocket-stages", "made"]
NAMES = ["pay", "a_tool_with_a_name_that_is_much_longer_than_the_room_beside_its_bar", "x" * 64, "t<b>&"]
OUTSIDE = """[...document.querySelectorAll('text, polyline, circle, line')].filter(one => {
    const box = one.getBBox(), view = one.ownerSVGElement.viewBox.baseVal;
    const at = one.getCTM(), into = one.ownerSVGElement.getCTM();
    const left = (at.e - into.e) / into.a + box.x, top = (at.f - into.f) / into.d + box.y;
    return left < 0 || top < 0 || left + box.width > view.width || top + box.height > view.height;
}).map(one => one.outerHTML.slice(0, 120))"""
CONTRAST = """[...document.querySelectorAll('text')].map(one => getComputedStyle(one).fill)
    .filter(fill => fill === getComputedStyle(document.querySelector('.paper')).fill).length"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    async with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


async def picture(tab: Tab, file: Path) -> None:
    """A screenshot, to be looked at in the folder of the test's output."""
    shot = await tab.call("Page.captureScreenshot", format="png")
    size = await asyncio.to_thread(file.write_bytes, base64.b64decode(shot["data"]))
    assert size > 5_000


async def test_a_report(tab: Tab, tmp_path: Path) -> None:
    wrong = [ValueError if n % 3 == 0 else "paid" for n in range(120)]
    rows = [record(n, ValueError if n % 4 == 0 else "paid", tool=NAMES[n % 4]) for n in range(120)]
    fidelity = await measure(of_number(wrong), rows, name="a simulator of mine", similarity=None)
    page = Report(fidelity=fidelity, trust=judge(fidelity)).write(tmp_path)
    for width in (800, 1200, 1600):
        for scheme in ("light", "dark"):
            await tab.open(page, width=width, scheme=scheme)
            await tab.ask(OPEN_ALL)
            assert await tab.ask("document.documentElement.scrollWidth") <= width
            assert await tab.ask(CLIPPED) == []
            assert tab.complaints == []
            await picture(tab, tmp_path / f"report-{width}-{scheme}.png")


@pytest.mark.parametrize("name", PLOTS)
async def test_a_plot(tab: Tab, tmp_path: Path, name: str) -> None:
    if name == "made":
        several = [
            Curve(f"{n} {'W' * 30}", [(0, 0.1 * n), (7, 9_999 * n)], [(0, 1), (0, 12_345 * n)])
            for n in range(9)
        ]
        (tmp_path / "made.svg").write_text(
            curves([Panel("completion tokens a task, thousands", several, "across")], caption="n = 9")
        )
    file = (tmp_path if name == "made" else DOCS) / f"{name}.svg"
    for width in (800, 1200, 1600):
        for scheme in ("light", "dark"):
            await tab.open(file, width=width, scheme=scheme)
            assert await tab.ask(OUTSIDE) == []
            assert await tab.ask(CONTRAST) == 0
            assert tab.complaints == []
            await picture(tab, tmp_path / f"{name}-{width}-{scheme}.png")
