"""Formats of JSON calls between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Literal,
    further,
    json_call,
    marked,
    numbered,
    optional,
    row,
)
from artis_sdk.backends.tool_formats.json_calls import write_json
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.records import ToolCall, ToolSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class FramedFormat(MarkedFormat):
    """Calls as JSON objects between two marks.

    Args:
        close: the closing mark; empty for none.
        between: text between two calls.
        listed: whether the objects stand in a list.
        name_key: key of the name.
        key: key of the arguments.
        id_key: key of a call's number, which stands before its name; None for none.
    """

    close: str
    between: str = ", "
    listed: bool = True
    name_key: str = "name"
    key: str = "arguments"
    id_key: str | None = None

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        call = Choice(tuple([self._call(tool) for tool in tools]))
        blank = optional(Choice((row("\n"), row("\n    "))))
        # Objects of a list need the comma; objects that stand alone may follow each other at once.
        between = Choice((Literal(", "), Literal(","))) if self.listed else optional(self.between)
        more = further(row(between, blank, call), "")
        start, end = ("[", "]") if self.listed else ("", "")
        return row(blank, start, blank, call, more, blank, end, marked(self.close), blank)

    def _call(self, tool: ToolSpec) -> Form:
        if self.id_key is None:
            return json_call(tool, self.key, name_key=self.name_key)
        id = row(numbered(f'"{self.id_key}": "INDEX", '))
        return row("{", optional(id), json_call(tool, self.key, name_key=self.name_key, opening=""))

    def write(self, calls: Sequence[ToolCall]) -> str:
        objects = [
            {
                **({} if self.id_key is None else {self.id_key: str(number)}),
                self.name_key: call.tool,
                self.key: call.arguments,
            }
            for number, call in enumerate(calls)
        ]
        marks = [mark for mark in (*self.marks, self.close) if mark]
        body = self.between.join([write_json(each, *marks) for each in objects])
        return (
            f"{self.marks[0]}[{body}]{self.close}"
            if self.listed
            else f"{self.marks[0]}\n{body}\n{self.close}"
        )
