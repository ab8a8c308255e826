"""A page prints what it is given as text, and says what it was not given."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from artis_sdk.view import svg
from artis_sdk.view.markdown import table
from artis_sdk.view.page import page_template
from artis_sdk.visible import shortened

PAGE = """{% extends "page.html.j2" %}
{% block title %}{{ name }}{% endblock %}
{% block style %}.mine { color: red; }{% endblock %}
{% block body %}<h1>{{ name | loud }}</h1>{{ plot }}{% endblock %}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.html.j2"
    path.write_text(PAGE)
    return path


def loud(text: str) -> str:
    return text.upper()


def test_values_are_text_and_plots_are_plots(path: Path) -> None:
    drawn = svg.figure(10, 10, svg.text(0, 0, "<i>"))
    page = page_template(path, loud=loud).render(name="<script>x</script>", plot=drawn)
    assert "<h1>&lt;SCRIPT&gt;X&lt;/SCRIPT&gt;</h1>" in page
    assert "<title>&lt;script&gt;x&lt;/script&gt;</title>" in page
    assert f"{drawn}</body>" in page.replace("\n", "")
    assert ".mine { color: red; }" in page
    assert "<script" not in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")  # nothing from elsewhere
    assert "default-src 'none'" in page


def test_a_name_that_is_missing_is_an_error(path: Path) -> None:
    with pytest.raises(UndefinedError, match="plot"):
        page_template(path, loud=loud).render(name="x")


def test_a_table_keeps_each_text_in_its_cell() -> None:
    assert table(("name", ""), [("a|b", 1), ("two\nlines", 2.5)]) == (
        "| name |  |\n|---|---|\n| a\\|b | 1 |\n| two lines | 2.5 |"
    )
    assert table(("only",), []) == "| only |\n|---|"


@pytest.mark.parametrize(("text", "most", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 1, "")])
def test_a_long_text_says_that_it_is_cut(text: str, most: int, shown: str) -> None:
    assert shortened(text, most) == shown
