"""`[f(a=1), g()]`: the paper's, for a model whose chat template teaches no calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Opening,
    SchemaJson,
    further,
    optional,
    parameters,
    row,
)
from artis_sdk.backends.tool_formats.protocol import Reading, ToolCallFormat, Tools
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import format_actions, parse_actions
from artis_sdk.records.thinking import opened_thought_end


class Text(ToolCallFormat):
    """A list of calls in the form of `artis_sdk.records.action_text`; the system message teaches it."""

    marks = ("[",)

    def taught_by(self, template: str) -> bool:
        return False

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        start = opened_thought_end(text, prompt_end)
        calls = parse_actions(text[start:])
        return Reading(text[:start], tuple(calls)) if calls else Reading(text, ())

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        return row("[", _rest(tools))

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        return (Opening(("[",), (("", _rest(tools)),), at_start=True),)

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


def _rest(tools: Sequence[ToolSpec]) -> Form:
    """The answer from behind its bracket on."""
    call = Choice(tuple(map(call_form, tools)))
    return row(call, further(call, ", "), "]")


def call_form(tool: ToolSpec) -> Form:
    """A call as `f(a=1)`: required arguments in order, then optional ones; values are JSON."""
    known = parameters(tool)
    written = {name: row(f"{name}=", SchemaJson(schema)) for name, (schema, _) in known.items()}
    required = [name for name, (_, needed) in known.items() if needed]
    others = [name for name in known if name not in required]
    later = [optional(row(", ", written[name])) for name in others]
    if required:
        first = [part for name in required for part in (", ", written[name])][1:]
        return row(f"{tool.name}(", *first, *later, ")")
    # Any of the optional ones may be the first.
    starts = tuple([row(written[name], *later[place + 1 :]) for place, name in enumerate(others)])
    return row(f"{tool.name}(", *([optional(Choice(starts))] if starts else []), ")")


TEXT: Final = Text()
