"""What every format of tool calls keeps, and what each of them reads.

The laws run over `FORMATS`, so that a new format has to keep them as soon as it stands there.
"""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

import pytest
from helpers.tool_formats import MARKS, every_format, named, write
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.tool_formats import FORMATS, TEXT, ToolCallFormat, detect
from artis_sdk.backends.tool_formats.families import APRIEL, GLM_TAGS, MINIMAX_M3_TAGS, QWEN_CODER
from artis_sdk.backends.tool_formats.framed_formats import FramedFormat
from artis_sdk.backends.tool_formats.harmony_format import HARMONY
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.mistral import MISTRAL, Mistral
from artis_sdk.backends.tool_formats.mistral_named import MISTRAL_NAMED
from artis_sdk.backends.tool_formats.named_json import NamedFormat
from artis_sdk.records import ToolSpec

TEXTS = st.text() | st.lists(st.sampled_from([*MARKS, "\\", '"', "; ", "a"]), max_size=4).map("".join)
# Of the formats that write texts as they are: these have no way to write their own marks in them, and take
# line breaks at their ends for their own.
BARE_MARKS = [mark for mark in MARKS if not set("<>｜[]") & set(mark)]
BARE_TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="<>｜[]")),
    st.lists(st.sampled_from([*BARE_MARKS, "\\", '"', "; ", "a", "\n", "{", "}", ":"]), max_size=4).map(
        "".join
    ),
).map(lambda text: text.strip("\n"))


def calls_with(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, dict[str, Any]]]]:
    """Calls with any arguments that hold such texts."""
    json = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
    arguments = st.dictionaries(st.text(ascii_lowercase, min_size=1, max_size=8), json, max_size=3)
    names = st.text(ascii_lowercase + "_", min_size=1, max_size=12)
    return st.lists(st.tuples(names, arguments), min_size=1, max_size=4, unique_by=lambda call: call[0])


CALLS, BARE_CALLS = calls_with(TEXTS), calls_with(BARE_TEXTS)


def calls_of(format: ToolCallFormat) -> st.SearchStrategy[list[tuple[str, dict[str, Any]]]]:
    """Calls that a format can write."""
    quoted = isinstance(format, FramedFormat | NamedFormat | Mistral) or not isinstance(format, MarkedFormat)
    return CALLS if quoted else BARE_CALLS


TYPES = {str: "string", bool: "boolean", int: "integer", type(None): "null", list: "array", dict: "object"}


def offered(calls: list[tuple[str, dict[str, Any]]]) -> dict[str, ToolSpec]:
    """Tools that these calls fit: formats that write strings without quotes are read by the schema."""
    return {
        name: ToolSpec(
            name=name,
            parameters={
                "type": "object",
                "properties": {key: {"type": TYPES[type(value)]} for key, value in arguments.items()},
            },
        )
        for name, arguments in calls
    }


# --- laws of every format ---------------------------------------------------------------------


@every_format
@settings(max_examples=30)
@given(data=st.data())
def test_what_is_written_is_read(format: ToolCallFormat, data: st.DataObject) -> None:
    calls = data.draw(calls_of(format))
    written = write(format, calls)
    assert written.startswith(format.marks)
    text, made = format.read(written, tools=offered(calls))
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


@pytest.mark.parametrize("format", [one for one in FORMATS if one is not HARMONY], ids=named)
@settings(max_examples=20)
@given(data=st.data())
def test_a_thought_that_the_prompt_opened_holds_no_call(format: ToolCallFormat, data: st.DataObject) -> None:
    calls, thought = data.draw(calls_of(format)), data.draw(calls_of(format))
    thinking = write(format, thought).replace("</think>", "")
    assert format.read(thinking, "<think>\n") == (thinking, ())
    closed = f"{thinking}\n</think>\n\n"
    said, made = format.read(closed + write(format, calls), "<think>\n", offered(calls))
    assert said == closed
    assert [(call.tool, call.arguments) for call in made] == calls


@pytest.mark.slow
@every_format
@settings(max_examples=30)
@given(data=st.data(), share=st.floats(0.3, 0.99))
def test_a_call_that_breaks_off_is_malformed_or_absent(
    format: ToolCallFormat, data: st.DataObject, share: float
) -> None:
    calls = data.draw(calls_of(format))
    whole = write(format, calls)
    _, made = format.read(whole[: int(share * len(whole))], tools=offered(calls))
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
        ("{% if tools %}<tool_call><arg_key>{% endif %}", GLM_TAGS),
        ("{% if tools %}<tool_call>\n<function={% endif %}", QWEN_CODER),
        ("{% if tools %}within <tool_call></tool_call>: <tool_calls>[{% endif %}", APRIEL),
        ("{% if tools %}]<]minimax[>[<tool_call>{% endif %}", MINIMAX_M3_TAGS),
        ("{% if tools %}<tools>{{ tools }}{% endif %}", None),
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
