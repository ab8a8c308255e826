"""Pages of plans in a real browser: nothing runs, nothing is clipped, everything can be read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from helpers.browser import CLIPPED, FOUND, OPEN_ALL, WHY_NOT, Tab, browser
from helpers.hostile import SAMPLES
from helpers.plans import a_plan, a_result, approved, pay

from artis_sdk.visible import visible

pytestmark = [pytest.mark.slow, pytest.mark.skipif(FOUND is None, reason=WHY_NOT)]

HOSTILE = "\n".join(SAMPLES)
ONE = approved(a_plan(pay(1), value={"ok": True}))
MANY = a_plan(
    *(pay(n, memo="x" * (n * 7 % 600)) for n in range(500)),
    value={"rows": list(range(60))},
    attempts=3,
    text="Why it went wrong. " * 20,
)
BAD = approved(
    a_plan(
        *((text, {text: text, "again": [text]}) for text in SAMPLES),
        query=HOSTILE,
        advice=HOSTILE,
        text=HOSTILE,
        value={HOSTILE: [HOSTILE]},
        notes=SAMPLES,
    ),
    by=HOSTILE,
)
WIDE = a_plan(
    pay(1, note="W" * 5_000), query="Q" * 3_000, advice="A" * 9_000, value="V" * 100_000, text="T" * 2_000
)
PAGES = {
    "one": ONE.to_html(),
    "one-result": a_result(ONE).to_html(),
    "many": MANY.to_html(),
    "many-result": a_result(MANY).to_html(),
    "hostile": BAD.to_html(),
    "hostile-result": a_result(BAD, HOSTILE).to_html(),
    "wide": WIDE.to_html(),
    "wide-result": a_result(WIDE, "R" * 5_000).to_html(),
}
CONTRASTS = """[...document.querySelectorAll('.good, .bad, .risk, .status, dt, summary, small, code')]
    .slice(0, 400).map(one => [getComputedStyle(one).color, getComputedStyle(document.body).colorScheme])"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    async with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, page in PAGES.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", PAGES)
async def test_nothing_complains_and_nothing_is_clipped(tab: Tab, folder: Path, name: str) -> None:
    for width in (800, 1200, 1600):
        for scheme in ("light", "dark"):
            await tab.open(folder / f"{name}.html", width=width, scheme=scheme)
            for _ in ("folded", "open"):
                assert await tab.ask("document.documentElement.scrollWidth") <= width
                assert await tab.ask(CLIPPED) == []
                if name.startswith("many"):
                    break  # laying out all that is folded takes ten seconds
                await tab.ask(OPEN_ALL)
            assert tab.complaints == []


@pytest.mark.parametrize("name", ["hostile", "hostile-result"])
async def test_hostile_texts_are_texts(tab: Tab, folder: Path, name: str) -> None:
    await tab.open(folder / f"{name}.html", width=1200)
    await tab.ask(OPEN_ALL)
    shown = await tab.ask("document.body.innerText")
    for sample in SAMPLES:
        for line in visible(sample, lines=True).splitlines():
            assert line in shown, sample
    made = await tab.ask(
        "document.querySelectorAll('script, img, a, iframe, link, object, form, base').length"
    )
    assert made == 0
    assert await tab.ask("document.querySelectorAll('style').length") == 1
    assert tab.complaints == []


async def test_no_script_can_run_in_a_page(tab: Tab, folder: Path) -> None:
    """The second wall: a page forbids scripts even if one got into it."""
    path = folder / "breached.html"
    path.write_text(PAGES["one"].replace("</body>", "<script>document.title = 'breached'</script></body>"))
    await tab.open(path, width=800)
    assert await tab.ask("document.title") != "breached"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


async def test_500_calls_can_be_read(tab: Tab, folder: Path) -> None:
    await tab.open(folder / "many-result.html", width=1200)
    rows = "[...document.querySelectorAll('.calls tbody tr')].filter(row => row.offsetHeight)"
    assert await tab.ask(f"{rows}.length") == 504
    await tab.ask(f"{rows}[400].scrollIntoView()")
    assert await tab.ask("document.querySelector('.calls thead th').getBoundingClientRect().top") == 0
    await tab.ask("document.getElementById('only-odd').click()")
    found = await tab.ask(f"{rows}.map(row => row.querySelector('.status').innerText)")
    assert found == ["! diverged", "! changed", "! unforeseen", "! not made", "! missed"]


async def test_what_is_printed_has_what_was_folded(tab: Tab, folder: Path) -> None:
    await tab.open(folder / "wide.html", width=800, media="print")
    assert await tab.ask("document.querySelector('.calls td pre').getBoundingClientRect().height") > 1000
    assert await tab.ask("getComputedStyle(document.querySelector('.wide th')).position") == "static"


@pytest.mark.parametrize(("scheme", "background"), [("light", 1.0), ("dark", 0.0062)])
async def test_colours_can_be_read(tab: Tab, folder: Path, scheme: str, background: float) -> None:
    """The contrast of each text to the browser's own background, WCAG 2 level AA: 4.5."""
    await tab.open(folder / "one-result.html", width=1200, scheme=scheme)
    for colour, _ in await tab.ask(CONTRASTS):
        lighter, darker = sorted((_luminance(colour), background), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, colour


def _luminance(colour: str) -> float:
    parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_a_notebook_cell_is_a_frame_without_scripts(tab: Tab, folder: Path) -> None:
    path = folder / "notebook.html"
    path.write_text(f"<style>h1 {{ color: red }}</style><h1>mine</h1>{BAD._repr_html_()}", encoding="utf-8")
    await tab.open(path, width=1000)
    assert await tab.ask("document.querySelectorAll('iframe[sandbox]').length") == 1
    assert await tab.ask("document.querySelectorAll('script, .attempt').length") == 0
    assert await tab.ask("getComputedStyle(document.querySelector('h1')).color") == "rgb(255, 0, 0)"
    assert tab.complaints == []
