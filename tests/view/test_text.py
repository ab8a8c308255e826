"""What is printed of data: all of it, as text, whatever it is made of."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from helpers.hostile import ACTING, SAMPLES, texts
from hypothesis import given
from hypothesis import strategies as st
from rich.columns import Columns
from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import Progress
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from artis_sdk.view.screen import Screen, label
from artis_sdk.view.text import json_text, plain
from artis_sdk.visible import visible

OURS = re.compile(r"\x1b\[[0-9;]*m")  # colours; everything else that acts on a terminal is not ours
BORDERS = re.compile(r"[\s─-╿]")


def printed(*parts: RenderableType, width: int = 80, terminal: bool = False) -> str:
    screen = Screen(file=io.StringIO(), width=width, force_terminal=terminal, color_system="standard")
    screen.print(*parts)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def inked(text: str) -> str:
    return BORDERS.sub("", text)


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@given(texts(), st.booleans())
def test_nothing_acts_and_nothing_vanishes(text: str, lines: bool) -> None:
    shown = visible(text, lines=lines)
    assert all(char.isprintable() or (lines and char in "\n\t") for char in shown)
    assert visible(shown, lines=lines) == shown
    for width in (20, 80):
        found = printed(plain(text, lines=lines), width=width)
        assert harmless(found)
        assert inked(found) == inked(shown)


@given(texts())
def test_an_escape_says_which_character_it_was(text: str) -> None:
    counted = re.sub(r"\\x20\{(\d+)\}", lambda gap: " " * int(gap[1]), visible(text.replace("\\", "")))
    back = re.sub(
        r"\\(?:x(..)|u(....)|U(.{8})|([tnr]))",
        lambda found: (
            {"t": "\t", "n": "\n", "r": "\r"}[found[4]]
            if found[4]
            else chr(int(found[1] or found[2] or found[3], 16))
        ),
        counted,
    )
    assert back == text.replace("\\", "")


@given(st.sampled_from(SAMPLES) | texts())
def test_no_renderable_lets_data_act(text: str) -> None:
    table = Table("head", text, title=text, caption=text)
    table.add_row(text, Text(text))
    for part in (text, table, Panel(text), Rule(text), Columns([text, Text(text)]), Text(text)):
        found = printed(part, terminal=True)
        assert harmless(OURS.sub("", found)), repr(found)
        assert "evil.example\x1b" not in OURS.sub("", found)


def test_markup_and_emoji_names_are_text_in_each_place_that_takes_a_string() -> None:
    table = Table("[red]head", title="[red]title", caption="[red]caption")
    table.add_row("[urgent] :smile:")
    found = printed(table, Rule("[red]rule"), "[/INV-7]", terminal=True)
    for said in ("[red]head", "[red]title", "[red]caption", "[urgent] :smile:", "[red]rule", "[/INV-7]"):
        assert said in OURS.sub("", found)


def test_a_live_view_and_a_bar_print_data_as_text() -> None:
    screen = Screen(file=io.StringIO(), width=80, force_terminal=True)
    hostile = "\x1b[2J[/x]\x9b"
    with Live(plain(hostile), console=screen, auto_refresh=False) as live:
        live.refresh()
    with Progress(label("{task.description}"), console=screen, auto_refresh=False) as bar:
        bar.add_task(hostile)
        bar.refresh()
    assert isinstance(screen.file, io.StringIO)
    found = screen.file.getvalue()
    assert found.count("\\x1b[2J[/x]\\x9b") >= 2
    assert "\x1b[2J" not in found
    assert "\x9b" not in found


@given(
    st.recursive(texts(), lambda inside: st.lists(inside) | st.dictionaries(texts(), inside), max_leaves=4)
)
def test_json_on_a_terminal_is_harmless_and_exact(value: object) -> None:
    written = json_text(value)
    assert harmless(written)
    assert json.loads(written) == value


def test_ordinary_texts_stay_as_they_are() -> None:
    for text in ("Zahle Müller 5 €", "日本語", "שלום", "नमस्ते", "Tiếng Việt", "a\\b", "  indented"):
        assert visible(text) == text
    assert visible("a\tb\r\nc\rd", lines=True) == "a\tb\nc\\rd"
    assert visible("x" + " " * 40) == r"x\x20{40}"


@pytest.mark.parametrize("char", [*ACTING, *(chr(n) for n in (0xA0, 0xAD, 0x61C, 0x2028, 0xFEFF, 0xD800))])
def test_each_control_character_is_escaped(char: str) -> None:
    assert char not in visible(f"a{char}b")


def test_every_character_without_ink_is_escaped() -> None:
    """Categories and, beyond them, Unicode's default-ignorable code points."""
    ignorable = [
        *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180F, 0x3164, 0xFE00, 0xFE0F, 0xFFA0),
        *range(0xE0100, 0xE01F0),
    ]
    for number in ignorable:
        assert visible(chr(number)).startswith("\\")
    for number in range(0x110000):
        if unicodedata.category(chr(number)) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            assert visible(chr(number)).startswith("\\")
