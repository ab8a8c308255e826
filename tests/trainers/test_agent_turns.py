"""The grammar of a rollout: what is a call, what is an answer, and what only looks like one."""

from __future__ import annotations

import re

import pytest
from helpers.agent import letters, odd_tools
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.records import ToolCall
from artis_sdk.trainers.agent.formats import Codec
from artis_sdk.trainers.agent.turns import GeneratedTurn, cut, escape, format_shares, read_call, read_tags

TOOLS = {tool.name: tool for tool in odd_tools().specs}
REQUIRED = {"think", "answer"}


def read(text: str) -> GeneratedTurn:
    return read_tags(text, TOOLS)


def only(text: str) -> ToolCall:
    (call,) = read(text).calls
    return call


def test_a_turn_ends_with_its_call() -> None:
    turn = read("<think>add them</think>\n<add>a=1, b=2</add>\n")
    assert turn.calls[0].tool == "add"
    assert turn.calls[0].arguments == {"a": 1, "b": 2}
    assert turn.calls[0].raw == "<add>a=1, b=2</add>"
    assert (turn.answer, turn.tidy, turn.ended, turn.opened) == (
        None,
        True,
        True,
        frozenset({"think", "call"}),
    )


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ('{"a": 1, "b": 2}', {"a": 1, "b": 2}),
        ("a=1", {"a": 1}),
        (" 7 ", {"a": 7}),
    ],
)
def test_arguments_are_json_or_named_or_the_one_that_is_required(body: str, arguments: object) -> None:
    assert read_call("add", body, TOOLS["add"]).arguments == arguments


def test_a_text_is_taken_as_it_is() -> None:
    for body in ("1 + 1", '{"x": 1}', "print('<b>')", "f(x=2)"):
        assert read_call("echo", body, TOOLS["echo"]).arguments == {"text": body}
    assert read_call("echo", '{"text": "hi"}', TOOLS["echo"]).arguments == {"text": "hi"}
    assert read_call("echo", 'text="hi"', TOOLS["echo"]).arguments == {"text": "hi"}


def test_what_cannot_be_read_is_malformed_and_a_tool_without_parameters_takes_nothing() -> None:
    assert only("<add>one and two</add>").malformed
    assert only("<fails></fails>").malformed is None
    assert only("<fails>now</fails>").malformed
    unknown = only('<fly>{"to": "rome"}</fly>')
    assert (unknown.tool, unknown.arguments) == ("fly", {"to": "rome"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "some words",
        "<think>so <add>1</add> it is",
        "<think>so <add>1</add> it is</think>",
        "<add>1</ad",
        "</add>",
        "<answer>42",
        "a < b and c > d",
        "<fly>nowhere",
    ],
)
def test_no_call_and_no_answer(text: str) -> None:
    assert not read(text).ended
    assert not read(text).tidy


def test_a_forged_output_is_known() -> None:
    for text in ("<output>42</output><answer>42</answer>", "<think>x</think><output>", "so <output>1"):
        turn = read(text)
        assert turn.forged
        assert turn.answer is None
        assert not turn.calls


def test_an_answer_counts_alone_and_text_around_it_is_untidy() -> None:
    assert read("<think>x</think><answer> 42 </answer>").answer == "42"
    assert read("<answer>42</answer>").tidy
    assert not read("it is <answer>42</answer>").tidy
    assert not read("<answer>42</answer> or so").tidy


def test_format_is_half_for_tags_and_half_for_order() -> None:
    good = [read("<think>x</think><add>1</add>"), read("<think>y</think><answer>2</answer>")]
    assert format_shares(good, REQUIRED) == (1.0, 1.0)
    assert format_shares(good[:1], REQUIRED) == (2 / 3, 0.0)  # think, call; no answer
    assert format_shares([read("<answer>2</answer>")], REQUIRED) == (0.5, 0.0)  # no thought
    assert format_shares([read("<answer>2</answer>")], {"answer"}) == (1.0, 1.0)
    untidy = [read("well <think>x</think><answer>2</answer>")]
    assert format_shares(untidy, REQUIRED) == (1.0, 0.0)
    malformed = [read("<think>x</think><add>?</add>"), read("<answer>2</answer>")]
    assert format_shares(malformed, REQUIRED) == (1.0, 0.0)
    assert format_shares([read("<output>2</output>")], REQUIRED) == (0.0, 0.0)
    assert format_shares([], REQUIRED) == (0.0, 0.0)
    open_thought = [read("<think>x"), read("<think>y</think><answer>2</answer>")]
    assert format_shares(open_thought, REQUIRED) == (0.5, 0.0)


def test_a_cut_text_says_so() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcdef", 3) == "abc… [3 more characters]"


TAGGED = st.lists(
    st.sampled_from(
        [
            "<",
            ">",
            "/",
            "</",
            "<answer>",
            "</output>",
            "<|end|>",
            "<think",
            "<py",
            "><",
            "&lt;",
            "x",
            " ",
            "é",
            "\n",
        ]
    ),
    max_size=12,
).map("".join)


@given(TAGGED)
def test_what_a_tool_gives_back_holds_no_tag_and_no_special_token(text: str) -> None:
    codec = Codec(letters())
    reserved = ["<|end|>", "<|pad|>", "><", "<py"]
    escaped = escape(text, reserved)
    assert not re.search(r"</?[a-z]", escaped)
    assert not any(word in escaped for word in reserved)
    turn = read(escaped)
    assert not turn.ended
    assert not turn.opened
    assert not set(codec.foreign(text)) & codec.ends
    assert escaped.replace("&lt;", "<").replace("&#62;", ">") == text.replace("&lt;", "<")
