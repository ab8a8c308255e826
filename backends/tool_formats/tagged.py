"""Formats of calls in tags, with one tag for each argument, whose value is written as text.

A string stands between the tags as it is; any other value is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Opening,
    SchemaJson,
    Until,
    further,
    numbered,
    optional,
    parameters,
    row,
    split_marks,
)
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.typed_text import types_of
from artis_sdk.records import ToolCall, ToolSpec

TYPES: Final = {str: "string", bool: "boolean", type(None): "null", list: "array", dict: "object"}
"""Names of JSON types; the others are numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TaggedFormat(MarkedFormat):
    """Calls in the tags of one family. Texts of tags have `NAME` in place of the tool's or parameter's name,
    `INDEX` for a call's number, and `TYPE` or `STRING` for what they say about the value's type.

    Args:
        call: text before the first argument of a call, from behind the first mark on.
        again: text before the first argument of further calls.
        argument: text before a value.
        argument_close: text behind a value, from its closing tag on.
        close: text behind the last argument.
        end: text behind the last call.
        never: what no value holds, because its end would not be certain.
        alone: tag before the name of a call whose first mark is left out, as models often do; empty where
            they do not.
    """

    call: str
    again: str
    argument: str
    argument_close: str
    close: str
    end: str = ""
    never: tuple[str, ...] = ()
    alone: str = ""

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        openings = super().openings(tools)
        if not self.alone:
            return openings
        behind = self.call.partition(self.alone)[2]
        calls = Choice(tuple([self._call(tool, behind) for tool in tools]))
        return (*openings, Opening((self.alone,), (("", calls),)))

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        first = Choice(tuple([self._call(tool, self.call) for tool in tools]))
        more = Choice(tuple([self._call(tool, self.again) for tool in tools]))
        return row(first, further(more, ""), _loose(self.end), optional("\n"))

    def write(self, calls: Sequence[ToolCall]) -> str:
        texts = [self.marks[0] + self.behind]
        for number, call in enumerate(calls):
            opening = self.again if number else self.call
            texts.append(opening.replace("NAME", call.tool).replace("INDEX", str(number + 1)))
            for name, value in call.arguments.items():
                closing = self.argument_close.replace("NAME", name)
                texts += [self._opened(name, value), _written(value), closing]
            texts.append(self.close)
        return "".join([*texts, self.end])

    def _call(self, tool: ToolSpec, opening: str) -> Form:
        return row(_loose(opening.replace("NAME", tool.name)), self._arguments(tool))

    def _arguments(self, tool: ToolSpec) -> Form:
        """A call from behind its name on."""
        parts: list[Form] = []
        for name, (schema, required) in parameters(tool).items():
            part = self._argument(tool, name, schema)
            parts.append(part if required else optional(part))
        return row(*parts, _loose(self.close))

    def _argument(self, tool: ToolSpec, name: str, schema: dict[str, Any]) -> Form:
        types = types_of(name, tool.name, {tool.name: tool})
        closing = self.argument_close.replace("NAME", name)
        ways: list[Form] = []
        texts = [schema["const"]] if "const" in schema else schema.get("enum")
        if types == {"string"} and texts:
            words = Choice(tuple([row(text) for text in texts]))
            ways.append(row(_loose(self._opened(name, "")), words, _loose(closing)))
        elif "string" in types:
            blanks, mark, *behind = split_marks(closing)
            text = Until(blanks.lstrip("\n") + mark, self.never)
            ways.append(row(_loose(self._opened(name, "")), text, _loose("".join(behind))))
        others = sorted({self._opened(name, _SAMPLES[type]) for type in types - {"string"}})
        ways += [row(_loose(opened), SchemaJson(schema), _loose(closing)) for opened in others]
        return Choice(tuple(ways))

    def _opened(self, name: str, value: Any) -> str:
        """The text before a value."""
        said = {"STRING": json.dumps(isinstance(value, str)), "TYPE": TYPES.get(type(value), "number")}
        text = self.argument
        for word, saying in said.items():
            text = text.replace(word, saying)
        return text.replace("NAME", name)


_SAMPLES: Final[dict[str, Any]] = {
    "number": 1, "integer": 1, "boolean": True, "null": None, "array": [], "object": {},
}  # fmt: skip


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _loose(text: str) -> Form:
    """A text of tags whose line breaks may be left out."""
    first, *lines = text.split("\n")
    return row(numbered(first), *[row(optional("\n"), numbered(line)) for line in lines])
