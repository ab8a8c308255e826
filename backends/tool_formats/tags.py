"""A call in tags, with one tag for each argument, whose value is written as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.backends.tool_formats.json_text import skip_blanks
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.typed_text import Uncertain, typed_value
from artis_sdk.records import ToolCall


def _as_written(parameter: re.Match[str]) -> str:
    return str(parameter[1])


@dataclass(frozen=True)
class TagDialect:
    """The tags of one family."""

    parameter: re.Pattern[str]
    """Tag before a value; its first group is the parameter's name."""
    parameter_close: re.Pattern[str]
    """Tag behind a value. Where it stands inside a value as well, the value's end is not certain."""
    forgotten_close: re.Pattern[str]
    """What shows inside a value, that its closing tag was left out."""
    close: re.Pattern[str]
    """Tags behind the last argument."""
    opens: re.Pattern[str]
    """Tag before the name of a call."""
    stray: re.Pattern[str]
    """Closing tags, which may not stand behind a call: a value was cut short at a tag that belonged to it."""
    one_line_break: bool = False
    """Whether one line break at each end of a value belongs to the tags."""
    name: Callable[[re.Match[str]], str] = _as_written
    value: Callable[[str, re.Match[str], str, Tools], Any] | None = None
    """The value of a text, its parameter's tag and its tool; by default by the tool's schema."""

    def unreadable(self, text: str, start: int, at: int, tool: str, why: str) -> Block:
        """A malformed call that reaches to its closing tag."""
        close = self.close.search(text, at)
        end = close.end() if close else len(text)
        return Block(start, end, (malformed(text[start:end], why, tool),))


def tagged_call(text: str, start: int, at: int, tool: str, dialect: TagDialect, tools: Tools) -> Block:
    """The call whose arguments begin at a place.

    Args:
        text: the whole answer.
        start: place of the call's first tag.
        at: place behind the tag with the name.
        tool: the name.
        dialect: the tags.
        tools: the offered tools.
    """
    arguments: dict[str, Any] = {}
    first = at
    while parameter := dialect.parameter.match(text, at):
        name = dialect.name(parameter)
        close = dialect.parameter_close.search(text, parameter.end())
        if close is None:
            return dialect.unreadable(text, start, first, tool, f"argument {name!r:.60} is not closed")
        value = text[parameter.end() : close.start()]
        if dialect.forgotten_close.search(value):
            return dialect.unreadable(text, start, first, tool, f"argument {name!r:.60} is not closed")
        if name in arguments:
            return dialect.unreadable(text, start, first, tool, f"argument {name!r:.60} is given twice")
        if dialect.one_line_break:
            value = value.removeprefix("\n").removesuffix("\n")
        try:
            if dialect.value is None:
                arguments[name] = typed_value(value, name, tool, tools)
            else:
                arguments[name] = dialect.value(value, parameter, tool, tools)
        except Uncertain as error:
            return dialect.unreadable(text, start, first, tool, f"argument {name!r:.60}: {error}")
        at = close.end()
    end = dialect.close.match(text, skip_blanks(text, at))
    if end is None:
        return dialect.unreadable(text, start, at, tool, "the call is not closed, or holds other text")
    raw = text[start : end.end()]
    call = ToolCall(tool=tool, arguments=arguments, raw=raw)
    if _cut_short(text, end.end(), dialect):
        why = "an argument holds a closing tag of the call itself; where it ends is not certain"
        call = malformed(raw, why, tool)
    return Block(start, end.end(), (call,))


def _cut_short(text: str, at: int, dialect: TagDialect) -> bool:
    """Whether a closing tag follows before another call opens."""
    stray = dialect.stray.search(text, at)
    return stray is not None and dialect.opens.search(text, at, stray.start()) is None
