"""`<tool_call>{"name": ..., "arguments": ...}</tool_call>`: Hermes, Qwen 2.5 and 3, Granite 4."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.framed import framed_block
from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Mark,
    Opening,
    bare_opening,
    further,
    json_call,
    optional,
    row,
)
from artis_sdk.backends.tool_formats.json_calls import write_object
from artis_sdk.backends.tool_formats.protocol import Block, Reading, ToolCallFormat, Tools
from artis_sdk.backends.tool_formats.scan import read_blocks
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.thinking import opened_by

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
_OTHERS: Final = ("<arg_key>", "<function=", "<tool_calls>", "minimax[>[")
"""Marks of GLM, Qwen3-Coder, Apriel 1.5 and MiniMax M3, which have `<tool_call>` as well."""


class Hermes(ToolCallFormat):
    """Blocks of JSON in tags, with text around them, but not in the thought before them."""

    marks = (OPEN,)
    begins = re.compile(OPEN)
    vllm_parsers = ("hermes", "qwen3_json")

    def taught_by(self, template: str) -> bool:
        return OPEN in template and not any(mark in template for mark in _OTHERS)

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        return read_blocks(text, self, tools or {}, thinking=opened_by(prompt_end))

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        return framed_block(text, start, end, CLOSE, OPEN)

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        return row(Mark(OPEN), "\n", _rest(tools))

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        tagged = Opening((OPEN,), (("", row(optional("\n"), _rest(tools, spaced=True))),))
        return (tagged, bare_opening(tools, "arguments"))

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "\n".join([f"{OPEN}\n{write_object(call, 'arguments', CLOSE)}\n{CLOSE}" for call in calls])


def _rest(tools: Sequence[ToolSpec], *, spaced: bool = False) -> Form:
    """The answer from the first call's object on. Its last line break is no call: Qwen writes one behind each
    closing tag, and would go on for ever if a call had to follow it."""
    call = row(
        Choice(tuple([json_call(tool, "arguments", spaced=spaced) for tool in tools])),
        optional("\n"),
        Mark(CLOSE),
    )
    return row(call, further(row(Mark(OPEN), optional("\n"), call), "\n", ""), optional("\n"))


HERMES: Final = Hermes()
