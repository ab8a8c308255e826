"""Curves: round axes, nothing outside its frame, intervals beside each other."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.view.curves import Curve, Panel, curves, round_ticks

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(NUMBERS, NUMBERS)
def test_ticks_are_round_and_reach_around_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= high - 1e-6 * step
    assert f"{step:.3e}"[:5] in ("1.000", "2.000", "2.500", "5.000")


def drawn(*panels: Panel, caption: str = "") -> ElementTree.Element:
    return ElementTree.fromstring(curves(panels, caption=caption))


def test_intervals_of_curves_at_the_same_place_stand_beside_each_other() -> None:
    several = [Curve(name, [(0, 50), (5, 80)], [(40, 60), (70, 90)]) for name in "abcd"]
    whole = drawn(Panel("fulfilled", several, "N", [0, 5]))
    whiskers = [line for line in whole.iter(f"{SVG}line") if line.find(f"{SVG}title") is not None]
    assert len({line.attrib["x1"] for line in whiskers}) == len(whiskers) == 8


@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=12, unique=True), st.data())
def test_nothing_is_outside(names: list[str], data: st.DataObject) -> None:
    points = st.lists(st.tuples(st.integers(0, 9), NUMBERS), min_size=1, max_size=9)
    shown = [Curve(name, sorted(data.draw(points))) for name in names]
    whole = drawn(Panel("one", shown[:5], "N"), Panel("two", shown, "N"), caption="n = 20")
    _, _, width, height = map(float, whole.attrib["viewBox"].split())
    for line in whole.iter(f"{SVG}polyline"):
        for x, y in (point.split(",") for point in line.attrib["points"].split()):
            assert 54 <= float(x) <= 410
            assert 33.9 <= float(y) <= 186.1
    for text in whole.findall(f"{SVG}text"):
        assert float(text.attrib["x"]) < width
        assert float(text.attrib["y"]) < height


def test_without_a_panel_there_is_a_line_of_text() -> None:
    assert "nothing to show" in curves([])
