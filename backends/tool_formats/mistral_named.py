"""`[TOOL_CALLS]name[ARGS]{...}`: Mistral since 2025."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.grammar import MOST_CALLS, Choice, Form, Mark, Repeat, arguments, row
from artis_sdk.backends.tool_formats.json_calls import write_json
from artis_sdk.backends.tool_formats.mistral import ARGUMENTS, MISTRAL_CALLS, OPEN, Mistral
from artis_sdk.records import ToolCall, ToolSpec


class MistralNamed(Mistral):
    """A mark and a name before the arguments of each call."""

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        call = Choice(tuple([row(tool.name, Mark(ARGUMENTS), arguments(tool)) for tool in tools]))
        return row(call, Repeat(row(Mark(OPEN), call), MOST_CALLS - 1))

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "".join([f"{OPEN}{call.tool}{ARGUMENTS}{write_json(call.arguments, OPEN)}" for call in calls])


MISTRAL_NAMED: Final = MistralNamed(
    name="mistral, named",
    reader=MISTRAL_CALLS,
    marks=(OPEN,),
    taught=(OPEN, ARGUMENTS),
    vllm_parsers=("mistral",),
)
