"""Calls of tools with every kind of parameter, in the writing of every family."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from artis_sdk.backends.tool_formats import ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.framed_formats import FramedFormat
from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Mark,
    Repeat,
    Row,
    Until,
    split_marks,
)
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.mistral import Mistral
from artis_sdk.backends.tool_formats.named_json import NamedFormat
from artis_sdk.records import ToolCall, ToolSpec

Calls = list[tuple[str, dict[str, Any]]]

TOOLS = (
    ToolSpec(
        name="pay",
        parameters={
            "type": "object",
            "properties": {
                "to": {"type": "string"},
                "amount": {"type": "number"},
                "kind": {"type": "string", "enum": ["a b", "c"]},
                "times": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "integer"}},
                "deep": {"$ref": "#/$defs/Deep"},
                "fast": {"type": "boolean"},
                "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["to", "amount"],
            "$defs": {"Deep": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}},
        },
    ),
    ToolSpec(name="wait", parameters={"type": "object", "properties": {}}),
)
KNOWN = {tool.name: tool for tool in TOOLS}
CALLS: list[Calls] = [
    [("pay", {"to": "if a == b:\n  c = {1}", "amount": -5.5, "kind": "a b", "times": 2, "tags": [1, 2],
              "deep": {"x": 'y "z"'}, "fast": True, "maybe": None})],
    [("wait", {}), ("pay", {"to": "ü", "amount": 1})],
]  # fmt: skip


def named(format: ToolCallFormat) -> str:
    return format.name if isinstance(format, MarkedFormat) else type(format).__name__


def _texts(format: ToolCallFormat) -> st.SearchStrategy[str]:
    """Texts that a format can write: one that writes them as they are cannot write its own marks in them,
    takes line breaks at their ends for its own, and does not tell the text `null` from null. llguidance
    takes no raw DEL in JSON."""
    words = st.sampled_from(['a "b"', "{x: 1}", "a\n\nb", "5", "true", "a, b) c", "call:f{", "x < y > z"])
    if isinstance(format, FramedFormat | NamedFormat | Mistral) or not isinstance(format, MarkedFormat):
        return st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | words
    without = st.characters(exclude_characters="<>[]|｜", exclude_categories=["Cs", "Cc"])
    plain = st.text(without, max_size=12)
    return (plain | words).map(lambda text: text.strip("\n"))


def calls_of(format: ToolCallFormat) -> st.SearchStrategy[Calls]:
    """Calls that fit, with their arguments in the order of the schema."""
    texts = _texts(format)
    number = st.integers(-(10**9), 10**9)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "kind": st.sampled_from(["a b", "c"]),
        "times": number,
        "tags": st.lists(number, max_size=3),
        "deep": st.fixed_dictionaries({"x": texts}),
        "fast": st.booleans(),
        "maybe": st.none() | texts.filter(lambda text: text.strip() not in ("null", "None")),
    }
    amount = number | st.floats(-1e6, 1e6).map(lambda value: round(value, 3) + 0.0)
    pay = st.fixed_dictionaries({"to": texts, "amount": amount}, optional=optional)
    order = list(TOOLS[0].parameters["properties"])
    pay = pay.map(lambda made: {name: made[name] for name in order if name in made})
    call: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.tuples(st.just("pay"), pay) | st.tuples(
        st.just("wait"), st.just({})
    )
    return st.lists(call, min_size=1, max_size=1 if format.one_call else 3)


def text_of(format: ToolCallFormat, calls: Calls) -> str:
    """Calls as a model writes them. Those that write Python are held to JSON's words."""
    text = format.write([ToolCall(tool=name, arguments=arguments) for name, arguments in calls])
    if re.search(r"\bpay\(|\bwait\(", text):
        text = re.sub(r'"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b', _as_json, text)
    return text


def _as_json(found: re.Match[str]) -> str:
    return {"True": "true", "False": "false", "None": "null"}.get(found[0], found[0])


def read(format: ToolCallFormat, text: str) -> Calls:
    """The calls of an answer; a malformed one has its reason for a name."""
    answer = read_answer(text, TOOLS, format)
    return [(call.malformed or call.tool, call.arguments) for call in answer.calls]


def special_marks(format: ToolCallFormat) -> tuple[str, ...]:
    """The marks of a format, which its models may have as special tokens. MiniMax M3 has one mark before
    each tag, and tags in letters."""
    found: dict[str, None] = {}
    waiting: list[Form] = [format.form(TOOLS)]
    while waiting:
        part = waiting.pop()
        match part:
            case Mark(text):
                found[text] = None
            case Until(close, _):
                found |= dict.fromkeys(split_marks(close)[1::2])
            case Row(parts) | Choice(parts):
                waiting += parts
            case Repeat(inner, _):
                waiting.append(inner)
    own = format.marks[0]
    return (own,) if own.startswith("]") else tuple(found)
