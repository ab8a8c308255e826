"""Marks with nothing between them, which small models write before the call that they mean."""

from __future__ import annotations

import pytest
from helpers.family_answers import OBJECT
from helpers.read_answers import PAY, made, read, tool

from artis_sdk.backends.tool_formats import ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.hermes import HERMES

EMPTY = ["<tools></tools>", "<tools>\n</tools>", "<tool_call></tool_call>", "<tool_call>\n</tool_call>"]


@pytest.mark.parametrize("format", [None, HERMES])
@pytest.mark.parametrize("marks", EMPTY)
@pytest.mark.parametrize("call", [OBJECT, f"<tool_call>{OBJECT}</tool_call>", f"<tools>\n{OBJECT}\n</tools>"])
def test_the_call_behind_empty_marks_is_read(marks: str, call: str, format: ToolCallFormat | None) -> None:
    answer = read(f"{marks}\n{call}", format)
    assert made(answer) == PAY
    assert answer.malformed == ()


@pytest.mark.parametrize("marks", EMPTY[2:])
def test_marks_of_its_own_that_are_all_it_wrote_are_told(marks: str) -> None:
    for text in (marks, f"{marks}\nI have paid."):
        assert [call.malformed is not None for call in read(text, HERMES).calls] == [True]


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call></tool_call>\n{OBJECT}\nor\n{OBJECT} as you like",
        f"<tool_call>{{</tool_call>\n{OBJECT}",
        '<tool_call></tool_call>\n{"name": "pay", "arguments": {"to": "ann"',
    ],
)
def test_nothing_else_becomes_certain_by_them(text: str) -> None:
    answer = read(text, HERMES)
    assert answer.malformed
    assert made(answer) == []


def test_marks_do_not_name_a_tool_whose_name_ends_alike() -> None:
    """With `ls` on offer `<tools>` was taken for a call of it that breaks off."""
    offered = (tool("ls"), tool("all_tools"))
    assert read_answer("<tools></tools>\nThere is one.", offered, HERMES).calls == ()
    (told,) = read_answer("<tools>ls -a</tools>", offered, HERMES).calls
    assert told.malformed is not None


@pytest.mark.parametrize("name", ["bank_pay", "payment", "functions.pay"])
def test_a_broken_call_that_names_nearly_a_tool_is_told(name: str) -> None:
    """It is not certain that another tool was meant."""
    answer = read(f'<tools>{{"name": "{name}", "arguments": {{"to": "ann"</tools>', HERMES)
    assert answer.malformed
    assert made(answer) == []
