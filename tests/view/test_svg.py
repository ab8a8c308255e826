"""Plots are well-formed, and whatever is printed in them is text."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from artis_sdk.view import svg
from artis_sdk.visible import visible

SPACE = "{http://www.w3.org/2000/svg}"
# XML holds no control characters, whatever stands for them.
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))


@given(TEXTS, TEXTS)
def test_whatever_is_printed_is_text(said: str, over: str) -> None:
    drawn = svg.document(100, 50, svg.text(1, 2, said, svg.tooltip(over), class_=said))
    (found,) = ElementTree.fromstring(drawn).iter(f"{SPACE}text")
    (tooltip,) = found
    assert ((found.text or ""), (tooltip.text or ""), found.get("class")) == (
        visible(said),
        visible(over),
        visible(said),
    )


def test_elements_are_nested_and_texts_beside_them_escaped() -> None:
    assert svg.element("g", svg.element("rect"), "<b>") == "<g><rect/>&lt;b&gt;</g>"
    assert isinstance(svg.element("g"), Markup)  # so that a page prints it as it is


def test_attributes_are_named_rounded_and_left_out() -> None:
    drawn = svg.line(0, 1.26, 2, 3.0, stroke_width=1.6, class_="grid", fill=None)
    assert drawn == '<line x1="0" y1="1.3" x2="2" y2="3.0" stroke-width="1.6" class="grid"/>'


def test_a_plot_stands_alone_or_in_a_page() -> None:
    alone = ElementTree.fromstring(svg.document(300, 40.5, svg.polyline([(0, 1), (2.25, 3)]), font_size=9))
    assert alone.get("viewBox") == "0 0 300 40.5"
    assert [node.tag for node in alone] == [f"{SPACE}style", f"{SPACE}rect", f"{SPACE}polyline"]
    assert alone[2].get("points") == "0.0,1.0 2.2,3.0"
    inside = ElementTree.fromstring(svg.figure(300, 40, svg.circle(1, 2, 3)))
    assert inside.get("role") == "img"
    assert [node.tag for node in inside] == [f"{SPACE}circle"]
