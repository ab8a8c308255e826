"""Rules that the formats' grammars share, in llguidance's Lark dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from artis_sdk.backends.tool_formats.protocol import TokenId
from artis_sdk.records import ToolSpec

_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

Call = tuple[str, Sequence[str]]
"""The expression of one tool's call, and the rules that it refers to."""


def call_grammar(start: str, calls: Iterable[Call]) -> str:
    """The whole grammar.

    Args:
        start: expression of an answer, made of `call`.
        calls: expression and rules of each tool's call.
    """
    names, rules = [], []
    for number, (call, own) in enumerate(calls):
        names.append(f"call_{number}")
        rules += [*own, f"call_{number}: {call}"]
    return "\n".join([f"start: {start}", f"call: {' | '.join(names)}", *rules, ""])


def json_call(number: int, tool: ToolSpec, key: str) -> Call:
    """A call as `{"name": ..., KEY: {...}}`.

    Args:
        number: number of the tool among the offered ones.
        tool: the called tool.
        key: key of the arguments.
    """
    head = quoted(f'{{"name": {json.dumps(tool.name)}, "{key}": ')
    name, rule = arguments(number, tool)
    return f'{head} {name} "}}"', [rule]


def arguments(number: int, tool: ToolSpec) -> tuple[str, str]:
    """The name of the rule that holds a tool's arguments to its schema, and the rule.

    It lists all arguments: a model held to it cannot make up others.
    """
    closed = {"type": "object", "properties": {}, "additionalProperties": False, **tool.parameters}
    return f"arguments_{number}", f"arguments_{number}: {json_value(closed)}"


def json_value(schema: Mapping[str, Any]) -> str:
    """JSON of a schema with the usual spacing of models only: blanks could fill an answer otherwise."""
    return f"%json {json.dumps({**schema, 'x-guidance': _STYLE})}"


def mark(text: str, token_id: TokenId) -> str:
    """A mark, as a special token if the model's vocabulary has it, or as plain text."""
    id = token_id(text)
    return quoted(text) if id is None else f"<[{id}]>"


def quoted(text: str) -> str:
    """A text as a literal of the grammar."""
    return json.dumps(text, ensure_ascii=False)
