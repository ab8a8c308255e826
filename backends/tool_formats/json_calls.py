"""A call that is a JSON object with a name and arguments, as in most formats."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from artis_sdk.backends.tool_formats.json_text import Json, json_at, whole_json
from artis_sdk.records import ToolCall

NAME: Final = re.compile(r'"name"\s*:\s*"([^"\\]*)"')
"""Pattern for the name of a call, even in JSON that breaks off."""

NAME_KEYS: Final = ("name", "tool_name", "tool", "function", "function_name", "recipient_name")
"""Keys that models write before the name of a tool."""
ARGUMENT_KEYS: Final = ("arguments", "parameters", "args", "params", "input")
"""Keys that models write before the arguments."""
_BESIDE: Final = frozenset({"id", "type", "index", "call_id", "tool_call_id"})
_HELD_IN: Final = ("tool_calls", "tool_call", "function_call", "tool_uses")


def read_object(body: str, raw: str) -> ToolCall:
    """Read the text of one object.

    Args:
        body: the object and blanks around it.
        raw: the text that the call keeps.
    """
    read = whole_json(body)
    if isinstance(read, str):
        return malformed(raw, f"the call is not JSON: {read}")
    return from_json_value(read, raw)


def from_json_value(read: Json, raw: str) -> ToolCall:
    """The call that a JSON value in a text represents; malformed if the value is not certain."""
    call = from_object(read.value, raw)
    return (
        call if read.problem is None else malformed(raw, f"the call is not JSON: {read.problem}", call.tool)
    )


def from_object(value: Any, raw: str) -> ToolCall:
    """The call that a JSON value represents. No argument is made up, and none is left out."""
    if not isinstance(value, dict):
        return malformed(raw, "the call is not a JSON object")
    function = value.get("function")
    if isinstance(function, dict):  # as the OpenAI API nests it
        beside = sorted(value.keys() - _BESIDE - {"function"})
        if beside:
            return malformed(raw, f"{', '.join(beside):.80} stands beside the function", _name(function)[1])
        value = function
    key, name = _name(value)
    if not name:
        return malformed(raw, "the call names no function", "")
    return _with_arguments(value, key, name, raw)


def _name(value: dict[str, Any]) -> tuple[str, str]:
    """The key of the name, and the name; empty without one."""
    found = [key for key in NAME_KEYS if isinstance(value.get(key), str) and value[key]]
    return (found[0], value[found[0]]) if found else ("", "")


def _with_arguments(value: dict[str, Any], name_key: str, name: str, raw: str) -> ToolCall:
    keys = [key for key in ARGUMENT_KEYS if key in value]
    others = sorted(value.keys() - _BESIDE - {name_key} - set(keys))
    if others:
        why = f'the arguments stand under "arguments" and nowhere else; what are {", ".join(others):.80}?'
        return malformed(raw, why, name)
    if any(value[key] != value[keys[0]] for key in keys[1:]):
        return malformed(raw, f"{' and '.join(keys)} hold different arguments", name)
    arguments = value[keys[0]] if keys else {}
    if isinstance(arguments, str):  # JSON in JSON, as the OpenAI API writes it
        read = whole_json(arguments) if arguments.strip() else Json({}, 0, None)
        if isinstance(read, str) or read.problem:
            wrong = read if isinstance(read, str) else read.problem
            return malformed(raw, f"the arguments are not JSON: {wrong}", name)
        arguments = read.value
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return malformed(raw, "the arguments are not a JSON object", name)
    return ToolCall(tool=name, arguments=arguments, raw=raw)


def call_objects(value: Any) -> list[Any]:
    """The objects of single calls in a JSON value: the value, the items of a list, or what a key such as
    `tool_calls` holds."""
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in _HELD_IN:
        value = value[key]
    return value if isinstance(value, list) else [value]


def calls_of(read: Json, raw: str) -> tuple[ToolCall, ...]:
    """The calls of a JSON value in a text: one object, or several in a list."""
    objects = call_objects(read.value)
    if read.problem is not None:
        return tuple([from_json_value(read._replace(value=item), raw) for item in objects])
    if len(objects) == 1:
        return (from_object(objects[0], raw),)
    return tuple([from_object(item, json.dumps(item, ensure_ascii=False)) for item in objects])


def named_call(name: str, text: str, at: int, raw_from: int) -> tuple[ToolCall, int]:
    """A call whose name stands before the JSON object of its arguments.

    Args:
        name: the tool's name.
        text: the answer.
        at: place of the arguments.
        raw_from: place where the call begins.

    Returns:
        The call, and the place behind it; the place of the arguments if they cannot be read.
    """
    read = json_at(text, at)
    if isinstance(read, str):
        return malformed(text[raw_from:], f"the arguments are not JSON: {read}", name), at
    raw = text[raw_from : read.end]
    if read.problem is not None:
        return malformed(raw, f"the arguments are not JSON: {read.problem}", name), read.end
    if not isinstance(read.value, dict):
        return malformed(raw, "the arguments are not a JSON object", name), read.end
    return ToolCall(tool=name, arguments=read.value, raw=raw), read.end


def malformed(raw: str, why: str, name: str | None = None) -> ToolCall:
    """An unreadable call; without `name`, its name is read from the text."""
    if name is None:
        found = NAME.search(raw)
        name = found[1] if found else ""
    return ToolCall(tool=name, malformed=why, raw=raw)


def write_object(call: ToolCall, key: str, *marks: str) -> str:
    """A call as one JSON object.

    Args:
        call: a call that is not malformed.
        key: key of the arguments.
        marks: marks of the format, which may not occur in the object.
    """
    return write_json({"name": call.tool, key: call.arguments}, *marks)


def write_json(value: Any, *marks: str) -> str:
    """JSON in which no string holds one of these marks: their first character is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    for mark in marks:
        text = text.replace(mark, f"\\u{ord(mark[0]):04x}{mark[1:]}")
    return text
