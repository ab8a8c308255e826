"""Arguments that are written as text, without quotes: the tool's schema says what type each has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from artis_sdk.backends.tool_formats.json_text import whole_json
from artis_sdk.backends.tool_formats.protocol import Tools

_WORDS: Final = {"True": True, "False": False, "None": None}
_EVERY: Final = frozenset({"string", "number", "integer", "boolean", "null", "array", "object"})


class Uncertain(ValueError):
    """A text that is JSON of the right type, but not for certain."""


def typed_value(text: str, parameter: str, tool: str, tools: Tools) -> Any:
    """The value that a text represents: the text itself, or the JSON in it if the schema asks for that.

    Raises:
        Uncertain: a repeated key or an infinite number.
    """
    return value_of(text, types_of(parameter, tool, tools))


def value_of(text: str, types: frozenset[str]) -> Any:
    """The value that a text represents, by its possible types. A text of another type stays a text.

    Raises:
        Uncertain: a repeated key or an infinite number.
    """
    if types == {"string"}:
        return text
    word = text.strip()
    if word in _WORDS and _type(_WORDS[word]) in types:
        return _WORDS[word]
    read = whole_json(text)
    if isinstance(read, str) or ("string" in types and _type(read.value) not in types):
        return text
    if "string" in types and isinstance(read.value, str):
        return text  # quotes that belong to the text
    if read.problem is not None:
        raise Uncertain(read.problem)
    return read.value


def types_of(parameter: str, tool: str, tools: Tools) -> frozenset[str]:
    """JSON types that a parameter may have; a parameter without a schema is a text."""
    schema = tools[tool].parameters if tool in tools else {}
    properties = schema.get("properties")
    own = properties.get(parameter) if isinstance(properties, dict) else None
    if not isinstance(own, dict):
        return frozenset({"string"})
    return frozenset(_types(own, schema, 8)) or _EVERY


def _types(schema: Any, whole: Mapping[str, Any], depth: int) -> set[str]:
    """Types that a schema admits; empty if it says nothing about them."""
    if not isinstance(schema, dict) or depth == 0:
        return set()
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        return _types(whole.get("$defs", whole.get("definitions", {})).get(name), whole, depth - 1)
    given = schema.get("type")
    if given is not None:
        types = set(given) if isinstance(given, list) else {str(given)}
        return types | ({"integer"} if "number" in types else set())
    if "const" in schema or "enum" in schema:
        return {_type(value) for value in schema.get("enum", [schema.get("const")])}
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or ()
    return {found for option in options for found in _types(option, whole, depth - 1)}


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
