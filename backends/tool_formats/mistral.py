"""`[TOOL_CALLS][{"name": ..., "arguments": ...}]`: Mistral until 2024."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Final

from pydantic_core import from_json

from artis_sdk.backends.tool_formats.json_calls import from_object, malformed, write_object
from artis_sdk.backends.tool_formats.lark import call_grammar, json_call, mark
from artis_sdk.backends.tool_formats.protocol import Reading, TokenId, ToolCallFormat
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.thinking import opened_thought_end

OPEN: Final = "[TOOL_CALLS]"
ARGUMENTS: Final = "[ARGS]"
_NAMED = re.compile(r"\s*([\w.\-/:]+)(?:\[CALL_ID\][\w-]*)?\[ARGS\]")


class Mistral(ToolCallFormat):
    """One JSON list of calls behind one mark; `MistralNamed`'s form is read as well."""

    marks = (OPEN,)
    vllm_parsers = ("mistral",)

    def taught_by(self, template: str) -> bool:
        return OPEN in template

    def read(self, text: str, prompt_end: str = "") -> Reading:
        start = opened_thought_end(text, prompt_end)
        before, opened, rest = text[start:].partition(OPEN)
        if not opened:
            return Reading(text, ())
        return Reading(text[:start] + before, _calls(rest))

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        calls = [json_call(number, tool, "arguments") for number, tool in enumerate(tools)]
        return call_grammar(f'{mark(OPEN, token_id)} "[" call (", " call)* "]"', calls)

    def write(self, calls: Sequence[ToolCall]) -> str:
        return f"{OPEN}[{', '.join([write_object(call, 'arguments', ARGUMENTS) for call in calls])}]"

    def call_id(self, id: str) -> str:
        """Nine letters and digits; the templates refuse any other."""
        return id if re.fullmatch(r"[a-zA-Z0-9]{9}", id) else hashlib.sha256(id.encode()).hexdigest()[:9]


def _calls(rest: str) -> tuple[ToolCall, ...]:
    """The calls in the text after the first mark."""
    if ARGUMENTS in rest:
        return tuple([_named(part) for part in rest.split(OPEN)])
    try:
        listed = from_json(rest.strip(), allow_inf_nan=False)
    except ValueError as error:
        return (malformed(rest, f"the calls are not JSON: {error}"),)
    if not isinstance(listed, list):
        return (malformed(rest, "the calls do not stand in a list"),)
    return tuple([from_object(item, json.dumps(item, ensure_ascii=False)) for item in listed])


def _named(part: str) -> ToolCall:
    name = _NAMED.match(part)
    if name is None:
        return malformed(part, "a call names its function before [ARGS]")
    try:
        arguments = from_json(part[name.end() :].strip(), allow_inf_nan=False)
    except ValueError as error:
        return malformed(part, f"the arguments are not JSON: {error}", name[1])
    return from_object({"name": name[1], "arguments": arguments}, part)


MISTRAL: Final = Mistral()
