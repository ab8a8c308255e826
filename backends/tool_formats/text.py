"""`[f(a=1), g()]`: the paper's, for a model whose chat template teaches no calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.lark import Call, call_grammar, json_value, quoted
from artis_sdk.backends.tool_formats.protocol import Reading, TokenId, ToolCallFormat
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import format_actions, parse_actions
from artis_sdk.records.thinking import opened_thought_end


class Text(ToolCallFormat):
    """A list of calls in the form of `artis_sdk.records.action_text`; the system message teaches it."""

    marks = ("[",)

    def taught_by(self, template: str) -> bool:
        return False

    def read(self, text: str, prompt_end: str = "") -> Reading:
        start = opened_thought_end(text, prompt_end)
        calls = parse_actions(text[start:])
        return Reading(text[:start], tuple(calls)) if calls else Reading(text, ())

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        calls = [_call(number, tool) for number, tool in enumerate(tools)]
        return call_grammar('"[" call (", " call)* "]"', calls)

    def write(self, calls: Sequence[ToolCall]) -> str:
        return format_actions(calls)

    def teach(self, tools: Sequence[ToolSpec]) -> str:
        """The paragraph for a system message that teaches the format and lists the tools."""
        documents = "\n".join(json.dumps(tool.document(), ensure_ascii=False) for tool in tools)
        return (
            "You can call functions. To call some, answer with nothing but a list such as"
            " [name(parameter=value), other()], with literal values; what they return comes back to you."
            f" Otherwise answer in words. The functions:\n{documents}"
        )


def _call(number: int, tool: ToolSpec) -> Call:
    """Required arguments in order, then optional ones; values are JSON."""
    properties = tool.parameters.get("properties", {})
    required = [name for name in properties if name in tool.parameters.get("required", ())]
    optional = [name for name in properties if name not in required]
    shared = {"$defs": tool.parameters["$defs"]} if "$defs" in tool.parameters else {}
    values = {name: f"value_{number}_{place}" for place, name in enumerate(properties)}
    rules = [f"{rule}: {json_value({**properties[name], **shared})}" for name, rule in values.items()]
    written = {name: f"{quoted(name + '=')} {rule}" for name, rule in values.items()}
    inside = ' ", " '.join(written[name] for name in required)
    for name in optional:
        inside += f' (", " {written[name]})?' if inside else f"{written[name]}"
    if inside and not required:
        inside = f"({inside})?"
    return f'{quoted(tool.name + "(")} {inside} ")"', rules


TEXT: Final = Text()
