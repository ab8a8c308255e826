"""`[TOOL_CALLS]name[ARGS]{...}`: Mistral since 2025."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import write_json
from artis_sdk.backends.tool_formats.lark import arguments, call_grammar, mark, quoted
from artis_sdk.backends.tool_formats.mistral import ARGUMENTS, OPEN, Mistral
from artis_sdk.backends.tool_formats.protocol import TokenId
from artis_sdk.records import ToolCall, ToolSpec


class MistralNamed(Mistral):
    """A mark and a name before the arguments of each call; `Mistral` reads both forms."""

    def taught_by(self, template: str) -> bool:
        return OPEN in template and ARGUMENTS in template

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        opened, middle = mark(OPEN, token_id), mark(ARGUMENTS, token_id)
        calls = []
        for number, tool in enumerate(tools):
            name, rule = arguments(number, tool)
            calls.append((f"{opened} {quoted(tool.name)} {middle} {name}", [rule]))
        return call_grammar("call+", calls)

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "".join([f"{OPEN}{call.tool}{ARGUMENTS}{write_json(call.arguments, OPEN)}" for call in calls])


MISTRAL_NAMED: Final = MistralNamed()
