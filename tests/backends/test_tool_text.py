"""Tool calls out of a model's text, in every format, and the grammars that hold a model to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends import tool_text
from artis_sdk.backends.tool_text import ToolFormat
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import format_actions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), JSON, max_size=3)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=4)


def write(format: ToolFormat, calls: list[tuple[str, dict[str, Any]]]) -> str:
    """Calls as a well-behaved model writes them."""
    key = "parameters" if format is ToolFormat.LLAMA else "arguments"
    objects = [json.dumps({"name": name, key: arguments}) for name, arguments in calls]
    match format:
        case ToolFormat.HERMES:
            return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in objects)
        case ToolFormat.LLAMA:
            return "; ".join(objects)
        case ToolFormat.MISTRAL:
            return f"[TOOL_CALLS] [{', '.join(objects)}]"
        case ToolFormat.MISTRAL_NAMED:
            return "".join(f"[TOOL_CALLS]{name}[ARGS]{json.dumps(arguments)}" for name, arguments in calls)
        case ToolFormat.TEXT:
            return format_actions([ToolCall(tool=name, arguments=arguments) for name, arguments in calls])


@pytest.mark.parametrize("format", ToolFormat)
@settings(max_examples=30)
@given(calls=CALLS)
def test_what_is_written_is_read(format: ToolFormat, calls: list[tuple[str, dict[str, Any]]]) -> None:
    if format is ToolFormat.HERMES and "tool_call>" in json.dumps(calls):
        return
    if format is ToolFormat.MISTRAL_NAMED and "[TOOL_CALLS]" in json.dumps(calls):
        return
    text, read = tool_text.parse(write(format, calls), format)
    assert [(call.tool, call.arguments) for call in read] == calls
    assert all(call.malformed is None for call in read)
    assert text == ""


@pytest.mark.parametrize("format", ToolFormat)
@settings(max_examples=50)
@given(text=st.text() | st.text(alphabet='{}[]"<>/tool_callTOOLCALLSARGS:, name\n'))
def test_any_text_is_read_without_an_error(format: ToolFormat, text: str) -> None:
    said, calls = tool_text.parse(text, format)
    assert calls or said == text
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.slow
@pytest.mark.parametrize("format", ToolFormat)
@settings(max_examples=30)
@given(calls=CALLS, share=st.floats(0.3, 0.99))
def test_a_call_that_breaks_off_is_malformed_or_absent(
    format: ToolFormat, calls: list[tuple[str, dict[str, Any]]], share: float
) -> None:
    whole = write(format, calls)
    _, read = tool_text.parse(whole[: int(share * len(whole))], format)
    complete = [call for call in read if call.malformed is None]
    assert [(call.tool, call.arguments) for call in complete] == calls[: len(complete)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<tool_call>\n{"name": "f", "arguments": {"a": 1\n</tool_call>', "not JSON"),
        ('<tool_call>{"arguments": {}}</tool_call>', "names no function"),
        ('<tool_call>{"name": "f", "arguments": [1]}</tool_call>', "not a JSON object"),
        ('<tool_call>{"name": "f", "arguments": "{oops"}</tool_call>', "arguments are not JSON"),
        ('<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>', "not JSON"),
        ("<tool_call>[1]</tool_call>", "not a JSON object"),
        ("<tool_call>", "not JSON"),
    ],
)
def test_malformed_calls_keep_their_text(text: str, why: str) -> None:
    _, (call,) = tool_text.parse(text, ToolFormat.HERMES)
    assert call.malformed is not None
    assert why in call.malformed
    assert call.raw == text


def test_text_around_calls_is_kept_and_thoughts_hold_no_calls() -> None:
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    text, calls = tool_text.parse(f"I look.\n{call}\n{call}\nDone.", ToolFormat.HERMES)
    assert text == "I look.\n\nDone."
    assert len(calls) == 2
    assert calls[0].raw == call
    thought = f"<think>maybe {call}?</think>\n\n"
    text, calls = tool_text.parse(thought + call, ToolFormat.HERMES)
    assert text == thought
    assert len(calls) == 1
    assert tool_text.parse(thought, ToolFormat.HERMES) == (thought, ())


def test_llama_text_that_only_looks_like_json_is_text() -> None:
    for text in ('{"city": "Ulm"}', "It costs {5}.", "  "):
        assert tool_text.parse(text, ToolFormat.LLAMA) == (text, ())
    _, (call,) = tool_text.parse('<|python_tag|>{"name": "f", "parameters": {"a": "x; y"}}', ToolFormat.LLAMA)
    assert (call.tool, call.arguments) == ("f", {"a": "x; y"})


@pytest.mark.parametrize(
    ("template", "format"),
    [
        (None, None),
        ("{{ messages }}", None),
        ("{% if tools %}<tool_call>{% endif %}", ToolFormat.HERMES),
        ("{% if tools %}<tool_call><arg_key>{% endif %}", None),
        ("{% if tools %}[TOOL_CALLS]{% endif %}", ToolFormat.MISTRAL),
        ("{% if tools %}[TOOL_CALLS]x[ARGS]{% endif %}", ToolFormat.MISTRAL_NAMED),
        ('{% if tools %}{"name": x, "parameters": y} ipython{% endif %}', ToolFormat.LLAMA),
    ],
)
def test_the_template_tells_the_format(template: str | None, format: ToolFormat | None) -> None:
    assert tool_text.detect(template) is format


def test_mistral_ids_are_nine_characters_and_stay_the_same() -> None:
    assert tool_text.mistral_id("abcDEF123") == "abcDEF123"
    other = tool_text.mistral_id("0123456789abcdef")
    assert len(other) == 9
    assert other.isalnum()
    assert other == tool_text.mistral_id("0123456789abcdef")


# --- grammars ---------------------------------------------------------------------------------

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


def accepts(grammar: str, text: str) -> bool:
    """Whether a grammar admits a whole text, byte by byte."""
    llguidance = pytest.importorskip("llguidance")

    class Bytes:
        eos_token_id = 256
        bos_token_id = None
        tokens = (*(bytes([i]) for i in range(256)), b"<eos>")
        special_token_ids = (256,)

        def __call__(self, data: bytes | str) -> list[int]:
            return list(data.encode() if isinstance(data, str) else data)

    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_lark(grammar), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    taken = all(matcher.try_consume_tokens([byte]) == 1 for byte in text.encode())
    return taken and bool(matcher.is_accepting())


@pytest.mark.parametrize("format", ToolFormat)
def test_a_grammar_admits_calls_that_fit_and_no_others(format: ToolFormat) -> None:
    tools = TOOLS if format is not ToolFormat.MISTRAL_NAMED else (TOOLS[0], TOOLS[2])
    grammar = tool_text.grammar(format, tools, lambda _: None)

    def written(calls: list[tuple[str, dict[str, Any]]]) -> str:
        return write(format, calls).replace("[TOOL_CALLS] [", "[TOOL_CALLS][")

    fits: list[list[tuple[str, dict[str, Any]]]] = [
        [("move", {"to": {"x": 3}})],
        [("move", {"to": {"x": 3}, "fast": True}), ("wait", {})],
    ]
    for calls in fits:
        text = written(calls).replace("True", "true")
        assert accepts(grammar, text), text
        assert [(c.tool, c.arguments) for c in tool_text.parse(text, format)[1]] == calls
    breaks: list[list[tuple[str, dict[str, Any]]]] = [
        [("move", {})],
        [("move", {"to": {"x": "3"}})],
        [("wait", {"more": 1})],
        [("other", {})],
    ]
    for wrong in breaks:
        assert not accepts(grammar, written(wrong)), wrong
    assert not accepts(grammar, "I would rather talk.")


def test_special_tokens_are_named_by_their_ids() -> None:
    grammar = tool_text.grammar(ToolFormat.HERMES, TOOLS[2:], {"<tool_call>": 7, "</tool_call>": 8}.get)
    assert "<[7]>" in grammar
    assert "<[8]>" in grammar
    assert '"<tool_call>"' not in grammar
