"""What every format of tool calls keeps, and what each of them reads.

The laws run over `FORMATS`, so that a new format has to keep them as soon as it stands there.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.tool_formats import FORMATS, TEXT, ToolCallFormat, detect
from artis_sdk.backends.tool_formats.hermes import CLOSE, HERMES
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.mistral import ARGUMENTS as ARGS
from artis_sdk.backends.tool_formats.mistral import MISTRAL
from artis_sdk.backends.tool_formats.mistral_named import MISTRAL_NAMED
from artis_sdk.records import ToolCall, ToolSpec

MARKS = (*(mark for format in FORMATS for mark in format.marks), CLOSE, ARGS, "<think>", "</think>")
TEXTS = st.text() | st.lists(st.sampled_from([*MARKS, "\\", '"', "; ", "a"]), max_size=4).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), JSON, max_size=3)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=4)


def write(format: ToolCallFormat, calls: list[tuple[str, dict[str, Any]]]) -> str:
    """Calls as a well-behaved model writes them."""
    return format.write([ToolCall(tool=name, arguments=arguments) for name, arguments in calls])


# --- laws of every format ---------------------------------------------------------------------

every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: type(format).__name__)


@every_format
@settings(max_examples=30)
@given(calls=CALLS)
def test_what_is_written_is_read(format: ToolCallFormat, calls: list[tuple[str, dict[str, Any]]]) -> None:
    written = write(format, calls)
    assert written.startswith(format.marks)
    text, made = format.read(written)
    assert [(call.tool, call.arguments) for call in made] == calls
    assert all(call.malformed is None for call in made)
    assert text == ""


@every_format
@settings(max_examples=50)
@given(
    text=st.text() | st.text(alphabet='{}[]"<>/tool_callTOOLCALLSARGS:, name\n') | TEXTS,
    prompt_end=st.sampled_from(["", "<think>\n", "<think>\n\n</think>\n\n", "["]),
)
def test_any_text_is_read_without_an_error(format: ToolCallFormat, text: str, prompt_end: str) -> None:
    said, calls = format.read(text, prompt_end)
    assert calls or said == text
    assert len({call.id for call in calls}) == len(calls)


@every_format
@settings(max_examples=20)
@given(calls=CALLS, thought=CALLS)
def test_a_thought_that_the_prompt_opened_holds_no_call(
    format: ToolCallFormat,
    calls: list[tuple[str, dict[str, Any]]],
    thought: list[tuple[str, dict[str, Any]]],
) -> None:
    thinking = write(format, thought).replace("</think>", "")
    assert format.read(thinking, "<think>\n") == (thinking, ())
    closed = f"{thinking}\n</think>\n\n"
    said, made = format.read(closed + write(format, calls), "<think>\n")
    assert said == closed
    assert [(call.tool, call.arguments) for call in made] == calls


@pytest.mark.slow
@every_format
@settings(max_examples=30)
@given(calls=CALLS, share=st.floats(0.3, 0.99))
def test_a_call_that_breaks_off_is_malformed_or_absent(
    format: ToolCallFormat, calls: list[tuple[str, dict[str, Any]]], share: float
) -> None:
    whole = write(format, calls)
    _, made = format.read(whole[: int(share * len(whole))])
    complete = [call for call in made if call.malformed is None]
    assert [(call.tool, call.arguments) for call in complete] == calls[: len(complete)]


@every_format
def test_a_call_id_is_fitted_once(format: ToolCallFormat) -> None:
    for id in ("abcDEF123", "functions.pay:0", "0123456789abcdef" * 4):
        assert format.call_id(format.call_id(id)) == format.call_id(id)
    assert format.call_id("a" * 40) != format.call_id("b" * 40)


# --- what each format reads -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (
            HERMES,
            '<tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
        ),
        (LLAMA, '{"name": "f", "parameters": {"a": "é"}}; {"name": "g", "parameters": {}}'),
        (MISTRAL, '[TOOL_CALLS][{"name": "f", "arguments": {"a": "é"}}, {"name": "g", "arguments": {}}]'),
        (MISTRAL_NAMED, '[TOOL_CALLS]f[ARGS]{"a": "é"}[TOOL_CALLS]g[ARGS]{}'),
        (TEXT, '[f(a="é"), g()]'),
    ],
)
def test_the_very_text_of_two_calls(format: ToolCallFormat, text: str) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [("f", {"a": "é"}), ("g", {})]
    assert write(format, calls) == text
    assert [(call.tool, call.arguments) for call in format.read(text).calls] == calls


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
    _, (call,) = HERMES.read(text)
    assert call.malformed is not None
    assert why in call.malformed
    assert call.raw == text


def test_text_around_calls_is_kept_and_thoughts_hold_no_calls() -> None:
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    text, calls = HERMES.read(f"I look.\n{call}\n{call}\nDone.")
    assert text == "I look.\n\nDone."
    assert len(calls) == 2
    assert calls[0].raw == call
    thought = f"<think>maybe {call}?</think>\n\n"
    text, calls = HERMES.read(thought + call)
    assert text == thought
    assert len(calls) == 1
    assert HERMES.read(thought) == (thought, ())


@pytest.mark.parametrize("format", [MISTRAL, MISTRAL_NAMED])
def test_mistral_reads_both_of_its_forms(format: ToolCallFormat) -> None:
    for text in (
        '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g"}]',
        '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS] g[CALL_ID]abcDEF123[ARGS] {}',
    ):
        said, calls = format.read(f"I go.{text}")
        assert said == "I go."
        assert [(call.tool, call.arguments) for call in calls] == [("f", {"a": 1}), ("g", {})]


def test_llama_text_that_only_looks_like_json_is_text() -> None:
    for text in ('{"city": "Ulm"}', "It costs {5}.", "  "):
        assert LLAMA.read(text) == (text, ())
    _, (call,) = LLAMA.read('<|python_tag|>{"name": "f", "parameters": {"a": "x; y"}}')
    assert (call.tool, call.arguments) == ("f", {"a": "x; y"})


@pytest.mark.parametrize(
    ("template", "format"),
    [
        (None, None),
        ("{{ messages }}", None),
        ("{% if tools %}<tool_call>{% endif %}", HERMES),
        ("{% if tools %}<tool_call><arg_key>{% endif %}", None),
        ("{% if tools %}[TOOL_CALLS]{% endif %}", MISTRAL),
        ("{% if tools %}[TOOL_CALLS]x[ARGS]{% endif %}", MISTRAL_NAMED),
        ('{% if tools %}{"name": x, "parameters": y} ipython{% endif %}', LLAMA),
    ],
)
def test_the_template_tells_the_format(template: str | None, format: ToolCallFormat | None) -> None:
    assert detect(template) is format


def test_mistral_ids_are_nine_characters_and_stay_the_same() -> None:
    assert MISTRAL.call_id("abcDEF123") == "abcDEF123"
    other = MISTRAL.call_id("0123456789abcdef")
    assert len(other) == 9
    assert other.isalnum()
    assert other == MISTRAL.call_id("0123456789abcdef")


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


@every_format
def test_a_grammar_admits_calls_that_fit_and_no_others(format: ToolCallFormat) -> None:
    grammar = format.grammar(TOOLS, lambda _: None)
    fits: list[list[tuple[str, dict[str, Any]]]] = [
        [("move", {"to": {"x": 3}})],
        [("move", {"to": {"x": 3}, "fast": True}), ("wait", {})],
    ]
    for calls in fits:
        text = write(format, calls).replace("True", "true")  # values are JSON, and Python in `write`
        assert accepts(grammar, text), text
        assert [(call.tool, call.arguments) for call in format.read(text).calls] == calls
    breaks: list[list[tuple[str, dict[str, Any]]]] = [
        [("move", {})],
        [("move", {"to": {"x": "3"}})],
        [("wait", {"more": 1})],
        [("other", {})],
    ]
    for wrong in breaks:
        assert not accepts(grammar, write(format, wrong)), wrong
    assert not accepts(grammar, "I would rather talk.")


def test_special_tokens_are_named_by_their_ids() -> None:
    grammar = HERMES.grammar(TOOLS[2:], {"<tool_call>": 7, "</tool_call>": 8}.get)
    assert "<[7]>" in grammar
    assert "<[8]>" in grammar
    assert '"<tool_call>"' not in grammar
