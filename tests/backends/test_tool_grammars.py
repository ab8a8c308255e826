"""Grammars of tool calls, on every format: what they admit."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers.grammars import admits, matcher
from helpers.tool_formats import every_format, named, write
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from artis_sdk.backends.tool_formats import FORMATS, TEXT, ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.grammar import MOST_CALLS
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.lark import free_grammar, held_grammar
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.records import ToolSpec
from artis_sdk.records.thinking import THOUGHTS

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
TOOLS = (
    ToolSpec(
        name="move",
        parameters={
            "type": "object",
            "properties": {"to": {"$ref": "#/$defs/Point"}, "fast": {"type": "boolean"}},
            "required": ["to"],
            "$defs": {"Point": POINT},
        },
    ),
    ToolSpec(name='say"it', parameters={"type": "object", "properties": {"text": {"enum": ["ü", "b\n"]}}}),
    ToolSpec(name="wait", parameters={"type": "object", "properties": {}}),
)


def held(format: ToolCallFormat, tools: tuple[ToolSpec, ...] = TOOLS) -> str:
    """The grammar of an answer that is calls."""
    return held_grammar(format.form(tools), lambda _: None)


def free(format: ToolCallFormat, tools: tuple[ToolSpec, ...] = TOOLS, *, thinking: bool = False) -> str:
    """The grammar of an answer that may be text."""
    return free_grammar(format.openings(tools), lambda _: None, (), thoughts=THOUGHTS, thinking=thinking)


FITS: list[list[tuple[str, dict[str, Any]]]] = [
    [("move", {"to": {"x": 3}})],
    [("move", {"to": {"x": 3}, "fast": True})],
    [("move", {"to": {"x": 3}}), ("wait", {})],
]
BREAKS: list[list[tuple[str, dict[str, Any]]]] = [
    [("move", {})],
    [("move", {"to": {"x": "3"}})],
    [("wait", {"more": 1})],
]


@every_format
@pytest.mark.parametrize("grammar", [held, free])
def test_a_grammar_admits_calls_that_fit_and_no_others(format: ToolCallFormat, grammar: Any) -> None:
    for calls in FITS[:2] if format.one_call else FITS:
        text = write(format, calls).replace("True", "true")  # values are JSON, and Python in `write`
        assert admits(grammar(format), text), text
        known = {tool.name: tool for tool in TOOLS}
        assert [(call.tool, call.arguments) for call in format.read(text, tools=known).calls] == calls
    for wrong in BREAKS:
        assert not admits(grammar(format), write(format, wrong)), wrong


@every_format
def test_only_a_required_call_is_no_text(format: ToolCallFormat) -> None:
    for text in ("I would rather talk.", "", 'Ann is {"name": "Ann", "age": 3}.', "1. a\n2. b"):
        assert not admits(held(format), text)
        assert admits(free(format), text), text
    assert not admits(held(format), write(format, [("other", {})]))


@every_format
@pytest.mark.parametrize("grammar", [held, free])
def test_calls_end(format: ToolCallFormat, grammar: Any) -> None:
    """Qwen's small models would write calls for ever."""
    most: list[tuple[str, dict[str, Any]]] = [("wait", {})] * (1 if format.one_call else MOST_CALLS)
    assert admits(grammar(format), write(format, most))
    assert not admits(grammar(format), write(format, [*most, ("wait", {})]))
    assert not admits(grammar(format), write(format, most) + " and so on")


def test_a_line_break_behind_a_call_is_no_promise_of_another() -> None:
    text = write(HERMES, [("wait", {})]) + "\n"
    assert admits(held(HERMES), text)
    assert admits(free(HERMES), text)


def test_calls_may_follow_each_other_without_a_line_break() -> None:
    """So the pocket model writes two look-ups; held to a line break it made one and guessed the other."""
    call = '<tool_call>{"name": "wait", "arguments": {}}</tool_call>'
    assert admits(free(HERMES), call + call)
    assert len(HERMES.read(call + call).calls) == 2


@pytest.mark.parametrize("format", [one for one in FORMATS if one is not TEXT], ids=named)
@pytest.mark.parametrize("before", ["", "I go.\n", "```json\n", "Like so: "])
@pytest.mark.parametrize("begin", ['{"name": "wait"', '{"name":"wait"', '{\n  "name": "wait"'])
def test_calls_without_marks_are_held_too(format: ToolCallFormat, before: str, begin: str) -> None:
    """Qwen2.5-Coder never writes the mark that its template teaches."""
    key = "parameters" if format is LLAMA else "arguments"
    text = f'{before}{begin}, "{key}": {{}}}}'
    assert admits(free(format), text)
    assert admits(free(format), text + "\n```")
    assert not admits(free(format), f'{before}{begin}, "{key}": {{"more": 1}}}}')
    assert not admits(free(format), f"{before}{begin}, and so on")
    assert admits(free(format), f'{before}{begin[:-1]}er", and so on'), "no tool's name"


def test_a_call_that_is_spread_over_lines_stays_so() -> None:
    """Not let to break the line behind a number, Qwen's 1.5B goes on with digits to the end."""
    tool = ToolSpec(name="move", parameters={"type": "object", "properties": {"to": POINT}})
    text = '```json\n{\n  "name": "move", "arguments": {\n    "to": {\n      "x": 80\n    }\n  }}\n```'
    assert admits(free(HERMES, (tool,)), text)
    assert [call.arguments for call in read_answer(text, (tool,), HERMES).calls] == [{"to": {"x": 80}}]


@every_format
def test_nothing_in_a_thought_is_held(format: ToolCallFormat) -> None:
    wrong = write(format, [("wait", {"more": 1})])
    right = write(format, [("wait", {})])
    assert admits(free(format), f"<think>Perhaps {wrong}?</think>\nDone.")
    assert admits(free(format), f"<think>Perhaps {wrong}?</think>\n{right}")
    assert not admits(free(format), f"<think>Perhaps {wrong}?</think>\n{wrong}")
    assert admits(free(format, thinking=True), f"Perhaps {wrong}?</think>\n{right}")
    assert not admits(free(format, thinking=True), f"Perhaps {wrong}?</think>\n{wrong}")
    assert admits(free(format, thinking=True), f"Perhaps {wrong}")


FINITE = (
    ToolSpec(
        name="move",
        parameters={
            "type": "object",
            "properties": {"to": {"enum": ["north", 'a "b"']}, "fast": {"type": "boolean"}},
            "required": ["to"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(name="wait", parameters={"type": "object", "properties": {}, "additionalProperties": False}),
)


@cache
def of_finite(name: str, grammar: Any) -> str:
    return str(grammar(next(format for format in FORMATS if named(format) == name), FINITE))


@every_format
@pytest.mark.parametrize("grammar", [held, free])
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_the_weights_say_calls_fit(
    format: ToolCallFormat, grammar: Any, data: st.DataObject
) -> None:
    """Any walk through what a grammar allows is text, or calls whose arguments fit."""
    made = matcher(of_finite(named(format), grammar))
    starts = [*format.marks, write(format, [("move", {})])[:12], "I go. ", "{", ""]
    written = bytearray()
    for byte in data.draw(st.sampled_from(starts)).encode() if grammar is free else b"":
        if made.try_consume_tokens([byte]) != 1:
            break
        written.append(byte)
    random = data.draw(st.randoms(use_true_random=True))
    for _ in range(600):
        if made.is_stopped() or (made.is_accepting() and random.random() < 0.05):
            break
        allowed = np.unpackbits(np.frombuffer(made.compute_bitmask(), np.uint8), bitorder="little")[:256]
        if not allowed.any():
            break
        byte = random.choice(allowed.nonzero()[0].tolist())
        made.consume_token(byte)
        written.append(byte)
    if not (made.is_stopped() or made.is_accepting()):
        return  # cut, which the engine says
    text = written.decode()
    calls = format.read(text, tools={tool.name: tool for tool in FINITE}).calls
    assert len(calls) <= MOST_CALLS
    assert calls or grammar is free
    schemas = {tool.name: tool.parameters for tool in FINITE}
    for call in calls:
        assert call.malformed is None, text
        Draft202012Validator(schemas[call.tool]).validate(call.arguments)


def test_special_tokens_are_named_by_their_ids() -> None:
    grammar = held_grammar(HERMES.form(TOOLS[2:]), {"<tool_call>": 7, "</tool_call>": 8}.get)
    assert "<[7]>" in grammar
    assert "<[8]>" in grammar
    assert '"<tool_call>"' not in grammar
