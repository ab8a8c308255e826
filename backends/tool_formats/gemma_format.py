"""Gemma 4's and FunctionGemma's calls, held and written: `call:f{key:<|"|>text<|"|>,n:1}` between marks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Mark,
    Repeat,
    SchemaJson,
    Until,
    further,
    marked,
    optional,
    parameters,
    row,
)
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.records import ToolCall, ToolSpec

_DEEPEST: Final = 5  # nested objects and lists of a value of any form
_MOST: Final = 64  # items of a list or keys of an open object; a weak model would go on for ever
_ORDER: Final = str.lower  # the chat templates sort keys, so that is what the models have learned
_PLAIN: Final = ("integer", "number", "boolean", "null")


@dataclass(frozen=True, eq=False, kw_only=True)
class GemmaFormat(MarkedFormat):
    """Calls with bare keys, and strings between marks of their own.

    Args:
        close: the closing mark.
        quote: the mark around strings.
    """

    close: str
    quote: str

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        calls = Choice(tuple(map(self._call, tools)))
        return row(calls, further(row(marked(self.marks[0]), calls), ""))

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "".join(
            [f"{self.marks[0]}call:{call.tool}{self._written(call.arguments)}{self.close}" for call in calls]
        )

    def _written(self, value: Any) -> str:
        if isinstance(value, str):
            return f"{self.quote}{value}{self.quote}"
        if isinstance(value, dict):
            members = [f"{self._key(key)}:{self._written(value[key])}" for key in sorted(value, key=_ORDER)]
            return "{" + ",".join(members) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(self._written, value)) + "]"
        return json.dumps(value)

    def _key(self, key: str) -> str:
        return key if re.fullmatch(r"\w+", key) else f"{self.quote}{key}{self.quote}"

    def _call(self, tool: ToolSpec) -> Form:
        known = {name: (self._value(schema), needed) for name, (schema, needed) in parameters(tool).items()}
        return row(f"call:{tool.name}", _members(known), marked(self.close))

    def _value(self, schema: Mapping[str, Any], depth: int = 0) -> Form:
        """The form of values that satisfy a schema, but for bounds of texts, lists and open objects."""
        shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        if isinstance(reference := schema.get("$ref"), str):
            group, name = reference.split("/")[-2:]
            schema = shared.get(group, {}).get(name, {})
        if "enum" in schema or "const" in schema:
            return Choice(tuple(map(self._constant, schema.get("enum", [schema.get("const")]))))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return Choice(tuple([self._value({**each, **shared}, depth) for each in schema[key]]))
        types = schema.get("type", ("string", *_PLAIN[1:], "array", "object"))
        types = [types] if isinstance(types, str) else list(types)
        if depth == _DEEPEST:
            types = [type for type in types if type not in ("array", "object")] or ["null"]
        return Choice(tuple([self._typed(type, schema, shared, depth + 1) for type in types]))

    def _typed(self, type: str, schema: Mapping[str, Any], shared: dict[str, Any], depth: int) -> Form:
        if type == "string":
            return row(Mark(self.quote), Until(self.quote))
        if type == "array":
            items = schema.get("items")
            item = self._value({**(items if isinstance(items, dict) else {}), **shared}, depth)
            return row("[", optional(row(item, Repeat(row(",", item), _MOST - 1))), "]")
        if type != "object":
            return SchemaJson({**{key: schema[key] for key in schema if key not in shared}, "type": type})
        if schema.get("properties"):
            required = schema.get("required", ())
            members = schema["properties"].items()
            return _members(
                {name: (self._value({**each, **shared}, depth), name in required) for name, each in members}
            )
        more = schema.get("additionalProperties")
        value = self._value({**(more if isinstance(more, dict) else {}), **shared}, depth)
        member = row(Mark(self.quote), Until(self.quote), ":", value)
        return row("{", optional(row(member, Repeat(row(",", member), _MOST - 1))), "}")

    def _constant(self, value: Any) -> Form:
        return marked(self._written(value))


def _members(known: Mapping[str, tuple[Form, bool]]) -> Form:
    """An object with these keys, each with the form of its value and whether it is required."""
    written = {name: row(f"{name}:", value) for name, (value, _) in known.items()}
    names = sorted(written, key=_ORDER)
    ways: list[Form] = []
    for place, name in enumerate(names):
        later = [
            row(",", written[other]) if known[other][1] else optional(row(",", written[other]))
            for other in names[place + 1 :]
        ]
        ways.append(row(written[name], *later))
        if known[name][1]:  # no other can be the first
            return row("{", Choice(tuple(ways)), "}")
    return row("{", optional(Choice(tuple(ways))) if ways else row(), "}")
