"""A mark, a name, and the JSON object of the arguments: DeepSeek V3, R1 and V3.1, Kimi K2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    arguments,
    further,
    marked,
    numbered,
    optional,
    row,
)
from artis_sdk.backends.tool_formats.json_calls import malformed, named_call, write_json
from artis_sdk.backends.tool_formats.json_text import skip_blanks
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.records import ToolCall, ToolSpec


@dataclass(frozen=True, eq=False)
class NamedJson:
    """Calls in a section of marks."""

    begins: re.Pattern[str]
    """The mark of a section, or of a call without a section."""
    head: re.Pattern[str]
    """Mark and name of a call, up to its arguments; `name` is a group."""
    close: re.Pattern[str]
    """What stands behind the arguments."""
    section_close: re.Pattern[str]

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        at = start if self.head.match(text, start) else end
        calls: list[ToolCall] = []
        while head := self.head.match(text, at):
            name = head["name"].strip()
            call, stop = named_call(name, text, head.end(), at)
            close = self.close.match(text, stop)
            if call.malformed is None and close is None:
                call = malformed(text[at:stop], "the call is not closed behind its arguments", name)
            calls.append(call)
            if close is None:
                return Block(start, self._end(text, stop), tuple(calls))
            at = close.end()
        if not calls and (empty := self.section_close.match(text, skip_blanks(text, at))):
            return Block(start, empty.end(), ())
        if not calls:
            stop = self._end(text, at)
            calls.append(malformed(text[start:stop], "no call follows the mark of one", ""))
            return Block(start, stop, tuple(calls))
        end_mark = self.section_close.match(text, skip_blanks(text, at))
        return Block(start, end_mark.end() if end_mark else at, tuple(calls))

    def _end(self, text: str, at: int) -> int:
        """The end of a section that cannot be read: its closing mark, or the end of the text."""
        close = self.section_close.search(text, at)
        return close.end() if close else len(text)


DEEPSEEK: Final = NamedJson(
    begins=re.compile("<｜tool▁calls▁begin｜>|<｜tool▁call▁begin｜>"),
    head=re.compile(
        r"\s*<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>(?=[^\n<{]+\s*```))?"
        r"(?P<name>[^\n<{]+)(?:\s*```(?:json)?|<｜tool▁sep｜>)\s*"
    ),
    close=re.compile(r"\s*(?:```\s*)?(?:<｜tool▁call▁end｜>|\Z)"),
    section_close=re.compile("<｜tool▁calls▁end｜>"),
)
KIMI: Final = NamedJson(
    begins=re.compile(r"<\|tool_calls?_section_begin\|>|<\|tool_call_begin\|>"),
    head=re.compile(
        r"\s*<\|tool_call_begin\|>\s*(?:functions\.)?(?P<name>[^\n<]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>"
    ),
    close=re.compile(r"\s*(?:<\|tool_call_end\|>|\Z)"),
    section_close=re.compile(r"<\|tool_calls?_section_end\|>"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedFormat(MarkedFormat):
    """Calls in a section, each with its name before the JSON of its arguments.

    Args:
        call: text before the arguments, with `NAME` and `INDEX` in place of the tool's name and the call's
            number.
        close: text behind the arguments.
        end: text behind the last call.
        between: text between two calls.
    """

    call: str
    close: str
    end: str
    between: str = ""

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        calls = [
            row(numbered(self.call.replace("NAME", tool.name)), arguments(tool), marked(self.close))
            for tool in tools
        ]
        call = Choice(tuple(calls))
        return row(call, further(row(optional(self.between), call), ""), marked(self.end))

    def write(self, calls: Sequence[ToolCall]) -> str:
        texts = [
            self.call.replace("NAME", call.tool).replace("INDEX", str(number))
            + write_json(call.arguments, self.close, self.end)
            + self.close
            for number, call in enumerate(calls)
        ]
        return self.marks[0] + self.between.join(texts) + self.end
