"""Values at places in JSON values, and identifiers exchanged in them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

JsonPath = tuple[str | int, ...]
"""Place of a value in a JSON value: keys and indices, outermost first; empty for the whole."""


def leaves(value: JsonValue) -> list[tuple[JsonPath, JsonValue]]:
    """The values in a JSON value that are neither objects nor lists, in their order, each with its place."""
    waiting: list[tuple[JsonPath, JsonValue]] = [((), value)]
    found: list[tuple[JsonPath, JsonValue]] = []
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, dict):
            waiting += [((*path, key), below) for key, below in reversed(item.items())]
        elif isinstance(item, list):
            waiting += [((*path, n), item[n]) for n in reversed(range(len(item)))]
        else:
            found.append((path, item))
    return found


def value_at(value: JsonValue, path: JsonPath) -> JsonValue:
    """The value at a place.

    Raises:
        LookupError: there is no such place.
    """
    for key in path:
        if not isinstance(value, dict if isinstance(key, str) else list):
            raise LookupError(key)
        value = value[key]  # type: ignore[index]
    return value


def replaced(value: JsonValue, path: JsonPath, new: JsonValue) -> JsonValue:
    """A copy of the value with another value at a place, which exists."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(key, str):
        return {**value, key: replaced(value[key], rest, new)}
    if isinstance(value, list) and isinstance(key, int):
        return [*value[:key], replaced(value[key], rest, new), *value[key + 1 :]]
    raise LookupError(key)


def path_text(path: JsonPath) -> str:
    """A place as people write it: `$.items[0].id`."""
    return "$" + "".join(
        f"[{key}]" if isinstance(key, int) else f".{key}" if key.isidentifier() else f"[{key!r}]"
        for key in path
    )


def word(text: str) -> re.Pattern[str]:
    """Matches a text where it stands as a word of its own."""
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def exchanged(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    """A copy of the value with texts exchanged, as a whole or as words in longer texts; keys stay."""
    if isinstance(value, dict):
        return {key: exchanged(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [exchanged(item, names) for item in value]
    if not isinstance(value, str) or not names:
        return value
    held = sorted((name for name in names if name in value), key=len, reverse=True)
    if not held:
        return value
    pattern = "|".join(word(name).pattern for name in held)
    return re.sub(pattern, lambda found: names[found[0]], value)
