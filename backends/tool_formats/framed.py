"""JSON calls between two marks, in the many pairs of marks that models and servers use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import calls_of, malformed
from artis_sdk.backends.tool_formats.json_text import json_at, skip_blanks
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.records import ToolCall

_BETWEEN = re.compile(r"[\s,;]*+")


def framed_block(text: str, start: int, end: int, *closes: str) -> Block:
    """The JSON values behind an opening mark, up to a closing one or the end of the text.

    Args:
        text: the whole answer.
        start: place of the opening mark.
        end: place behind it.
        closes: the closing mark, then other marks that may follow where a model forgot it.
    """
    at = skip_blanks(text, end)
    calls: list[ToolCall] = []
    while at < len(text) and text[at] in "{[":
        read = json_at(text, at)
        if isinstance(read, str):
            break
        calls += calls_of(read, text[at : read.end])
        at = _BETWEEN.match(text, read.end).end()  # type: ignore[union-attr]
    if calls and at == len(text):
        return _block(text, start, at, calls)
    if calls and (closing := next((close for close in closes if text.startswith(close, at)), None)):
        return _block(text, start, at + len(closing) if closing == closes[0] else at, calls)
    stop = text.find(closes[0], at) if closes else -1
    body = text[end : len(text) if stop < 0 else stop]
    stop = len(text) if stop < 0 else stop + len(closes[0])
    return Block(start, stop, (_unreadable(text[start:stop], body),))


def _block(text: str, start: int, end: int, calls: list[ToolCall]) -> Block:
    if len(calls) == 1:  # the call's text is the block
        calls = [calls[0].model_copy(update={"raw": text[start:end]})]
    return Block(start, end, tuple(calls))


def _unreadable(raw: str, body: str) -> ToolCall:
    read = json_at(body, 0)
    if isinstance(read, str):
        return malformed(raw, f"the call is not JSON: {read}")
    if not isinstance(read.value, dict | list):
        return malformed(raw, "the call is not a JSON object")
    rest = body[skip_blanks(body, read.end) :][:20]
    return malformed(raw, f"the call is not JSON alone: {rest!r} follows it")


@dataclass(frozen=True, eq=False)
class Frame:
    """One pair of marks around JSON."""

    begins: re.Pattern[str]
    close: str

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        return framed_block(text, start, end, self.close)


def _frame(opening: str, close: str) -> Frame:
    return Frame(re.compile(re.escape(opening)), close)


FRAMES: Final = (
    _frame("<TOOLCALL>", "</TOOLCALL>"),  # Nemotron
    _frame("<tool_calls>", "</tool_calls>"),  # Apriel 1.5, MiniMax M1, Hunyuan, Jamba
    _frame("<|tool_call|>", "<|/tool_call|>"),  # Phi-4 mini; Granite 3, which writes no closing mark
    _frame("<|tool_calls|>", "<|/tool_calls|>"),
    _frame("[TOOL_REQUEST]", "[END_TOOL_REQUEST]"),  # LM Studio's, for models without a format
    _frame("<|START_ACTION|>", "<|END_ACTION|>"),  # Command R7B and A
    _frame("<|action_start|><|plugin|>", "<|action_end|>"),  # InternLM 2.5
    _frame("<longcat_tool_call>", "</longcat_tool_call>"),
    _frame("<function_call>", "</function_call>"),  # Granite 20B, which writes no closing mark
    _frame("<toolcall>", "</toolcall>"),
    _frame("<tools>", "</tools>"),  # Qwen2.5-Coder, for `<tool_call>`
)
"""Frames of formats that are read here and taught by no other file."""
