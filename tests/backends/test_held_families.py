"""Calls of any form, written as each family writes them: the grammar admits them, and they are read back."""

from __future__ import annotations

from functools import cache

import pytest
from helpers.families import CALLS, KNOWN, TOOLS, calls_of, named, read, special_marks, text_of
from helpers.grammars import admits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.backends.tool_formats import FORMATS, TEXT, ToolCallFormat
from artis_sdk.backends.tool_formats.lark import free_grammar, held_grammar
from artis_sdk.records import ToolCall
from artis_sdk.records.thinking import THOUGHTS

every_format = pytest.mark.parametrize("format", FORMATS, ids=named)
every_grammar = pytest.mark.parametrize("held", [True, False], ids=["held", "free"])
both_spellings = pytest.mark.parametrize("as_tokens", [True, False], ids=["special tokens", "letters"])


@cache
def grammar_of(name: str, held: bool, as_tokens: bool) -> tuple[str, tuple[str, ...]]:
    format = next(format for format in FORMATS if named(format) == name)
    special = special_marks(format) if as_tokens else ()
    ids = {text: 257 + n for n, text in enumerate(special)}
    if held:
        return held_grammar(format.form(TOOLS), ids.get), special
    openings = format.openings(TOOLS)
    return free_grammar(openings, ids.get, ids.values(), thoughts=THOUGHTS, thinking=False), special


@pytest.mark.slow
@every_format
@every_grammar
@both_spellings
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_admitted_and_read(
    format: ToolCallFormat, held: bool, as_tokens: bool, data: st.DataObject
) -> None:
    grammar, special = grammar_of(named(format), held, as_tokens)
    calls = data.draw(calls_of(format))
    text = text_of(format, calls)
    assert admits(grammar, text, special), text
    assert read(format, text) == calls
    if not held and format is not TEXT:  # whose list of calls is the whole answer
        behind = f"I pay.\n{text}"
        assert admits(grammar, behind, special), behind
        assert read(format, behind) == calls


@every_format
@every_grammar
@both_spellings
def test_what_does_not_fit_is_not_admitted(format: ToolCallFormat, held: bool, as_tokens: bool) -> None:
    grammar, special = grammar_of(named(format), held, as_tokens)
    for wrong in (
        {"to": "bob"},
        {"to": "bob", "amount": "much"},
        {"to": "bob", "amount": 5, "kind": "other"},
        {"to": "bob", "amount": 5, "tags": ["a"]},
        {"to": "bob", "amount": 5, "more": 1},
    ):
        text = format.write([ToolCall(tool="pay", arguments=wrong)])
        assert not admits(grammar, text, special), text


@every_format
def test_the_reader_knows_the_tools(format: ToolCallFormat) -> None:
    """The samples have every kind of value, so that a form without one of them would show."""
    kinds = {type(value) for calls in CALLS for _, arguments in calls for value in arguments.values()}
    assert kinds == {str, int, float, bool, list, dict, type(None)}
    assert set(KNOWN) == {tool.name for tool in TOOLS}
    for calls in CALLS[:1] if format.one_call else CALLS:
        assert read(format, text_of(format, calls)) == calls
