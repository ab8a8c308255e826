"""Values in foreign logs: fields by several names, and JSON inside texts."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from artis_sdk.records.jsonable import jsonable


def pick(value: Any, paths: str) -> Any:
    """The first field that is there and not null; None without one.

    Args:
        value: the object.
        paths: field names, alternatives separated by `|`. A name with dots is a field of that very name,
            as OpenTelemetry's attributes are, or else a field in a field.
    """
    for path in paths.split("|"):
        found = _at(value, path)
        if found is not None:
            return found
    return None


def has(value: Any, paths: str) -> bool:
    """Whether one of the fields is there, be it null; `paths` as for `pick`."""
    return any(_holds(value, path) for path in paths.split("|"))


def items_of(value: Any, name: str) -> list[Any]:
    """The list in a field; empty without one."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def parsed(text: JsonValue) -> JsonValue:
    """The value of a JSON text; any other text unchanged. A bare word or number stays text unless it is
    JSON, like a tool's result that was turned into a text."""
    if not isinstance(text, str):
        return text
    try:
        return from_text(text)
    except (ValueError, RecursionError):
        return text


def from_text(text: str | bytes) -> JsonValue:
    """The value of a JSON text, in which half of a surrogate pair, as models write, becomes its escape: no
    file holds it, whatever field it is in.

    Raises:
        ValueError: it is no JSON text.
        RecursionError: it is nested too deep.
    """
    try:
        value: JsonValue = from_json(text)
    except (ValueError, TypeError):
        value = jsonable(json.loads(text))
    return value


def literal(text: str) -> JsonValue:
    """The object that a text of Python shows, as `str(dict)` writes it; None for anything else."""
    if not text.lstrip().startswith("{") or len(text) > 1_000_000:
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if _is_json(value) else None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float | bool)


def _at(value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    return _at(value.get(head), rest) if dot else None


def _holds(value: Any, path: str) -> bool:
    if not isinstance(value, Mapping):
        return False
    head, dot, rest = path.partition(".")
    return path in value or (bool(dot) and _holds(value.get(head), rest))
