"""Calls as Python writes them, between marks: Llama 4, LFM2, OLMo 3, Gemma 3's `tool_code`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artis_sdk.backends.tool_formats.grammar import Choice, Form, further, marked, optional, row
from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.text import call_form
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import format_actions, parse_actions, parse_call_lines


@dataclass(frozen=True, eq=False)
class Pythonic:
    """A list of calls, or one call a line, between two marks."""

    begins: re.Pattern[str]
    close: str

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        stop = text.find(self.close, end)
        closed = len(text) if stop < 0 else stop + len(self.close)
        body = text[end : len(text) if stop < 0 else stop].strip()
        calls = parse_actions(body) if body.startswith("[") else parse_call_lines(body)
        if not calls:
            calls = [malformed(text[start:closed], "no call follows the mark of one", "")]
        return Block(start, closed, tuple(calls))


PYTHONIC: Final = (
    Pythonic(re.compile(r"<\|python_start\|>"), "<|python_end|>"),
    Pythonic(re.compile(r"<\|tool_call_start\|>"), "<|tool_call_end|>"),
    Pythonic(re.compile(r"<function_calls>(?!\s*<)"), "</function_calls>"),
    Pythonic(re.compile(r"```tool_code\s*(?=[\[\w])"), "```"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class PythonicFormat(MarkedFormat):
    """Calls as Python writes them, between two marks.

    Args:
        close: the closing mark.
        listed: whether the calls stand in a list, rather than one a line.
    """

    close: str
    listed: bool = True

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        call = Choice(tuple(map(call_form, tools)))
        if self.listed:
            return row("[", call, further(call, ", "), "]", marked(self.close))
        return row(optional("\n"), call, further(call, "\n"), optional("\n"), marked(self.close))

    def write(self, calls: Sequence[ToolCall]) -> str:
        if self.listed:
            return f"{self.marks[0]}{format_actions(calls)}{self.close}"
        lines = "\n".join([format_actions([call])[1:-1] for call in calls])
        return f"{self.marks[0]}\n{lines}\n{self.close}"


def whole_answer(text: str, tools: Tools) -> tuple[ToolCall, ...]:
    """The calls of an answer that is a list of calls of offered tools, or malformed ones if it looks like
    one; empty for any other answer."""
    if "(" not in text or not any(f"{name}(" in text for name in tools):
        return ()
    calls = parse_actions(text) or ()
    return tuple(calls) if any(call.tool in tools for call in calls) else ()
