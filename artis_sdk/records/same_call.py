"""Equality of calls: same tool, same arguments, whatever their order and whether defaults are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _text

from pydantic import JsonValue

from artis_sdk.records.calls import Outcome, ToolSpec

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def with_defaults(spec: ToolSpec | None, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments with the defaults of omitted ones: `pay("ann")` is `pay("ann", note="")`.

    Args:
        spec: spec of the tool, whose schema has the defaults; None for an unknown tool.
        arguments: arguments of a call, by name.
    """
    properties = {} if spec is None else spec.parameters.get("properties", {})
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    return {**defaults, **arguments}


def canonical(value: JsonValue) -> str:
    """JSON text that does not depend on the order of keys."""
    return _text(value) if type(value) is str else _ENCODER.encode(value)


def same_outcome(predicted: Outcome, real: Outcome) -> bool:
    """Whether two outcomes have the same type and the same content."""
    return predicted.type == real.type and same_value(predicted.content(), real.content())


def same_value(one: JsonValue, other: JsonValue) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are one number, 1 and true are not.

    A text that is JSON equals the value that it says: frameworks hand a tool's value on as text.
    """
    if isinstance(one, str) or isinstance(other, str):
        return one == other or _same_said(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other


_OPENS = ("{", "[")


def _same_said(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values, of which one is a text at least, are equal once their texts are read as JSON."""
    if isinstance(one, str) and isinstance(other, str):
        if not (one.lstrip().startswith(_OPENS) and other.lstrip().startswith(_OPENS)):
            return False
        said = _said(one)
        return said is not None and same_value(said, _said(other))
    text, value = (one, other) if isinstance(one, str) else (other, one)
    assert isinstance(text, str)
    said = _said(text)
    is_json = said is not None or text.strip() == "null"
    return is_json and not isinstance(said, str) and same_value(said, value)


def _said(text: str) -> JsonValue:
    """The value that a JSON text says; None for any other text."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
