"""Parameters that a tool's schema marks as secret: `SecretStr` and `SecretBytes` in its signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import JsonValue
from pydantic_core import to_json

from artis_sdk.records import ToolSpec

Cover = Callable[[JsonValue], JsonValue]


def has_marks(spec: ToolSpec) -> bool:
    """Whether the schema marks anything at all."""
    text = to_json(spec.parameters)
    return b'"writeOnly":true' in text or b'"format":"password"' in text


def cover_marked(spec: ToolSpec, arguments: dict[str, JsonValue], cover: Cover) -> JsonValue:
    """The arguments, with `cover` applied to every value that the schema marks."""
    return _cover(spec.parameters, spec.parameters, arguments, cover)


def _cover(schema: Any, root: dict[str, Any], value: JsonValue, cover: Cover) -> JsonValue:
    if not isinstance(schema, dict):
        return value
    if schema.get("writeOnly") is True or schema.get("format") == "password":
        return cover(value)
    if isinstance(schema.get("$ref"), str):
        value = _cover(_resolve(schema["$ref"], root), root, value, cover)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for option in schema.get(keyword, ()):
            value = _cover(option, root, value, cover)
    if isinstance(value, dict):
        named, other = schema.get("properties", {}), schema.get("additionalProperties")
        return {key: _cover(named.get(key, other), root, item, cover) for key, item in value.items()}
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", []), schema.get("items")
        return [
            _cover(first[n] if n < len(first) else rest, root, item, cover) for n, item in enumerate(value)
        ]
    return value


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(place, dict):
            return None
        place = place.get(part)
    return place
