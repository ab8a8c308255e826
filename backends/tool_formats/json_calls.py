"""A call that is a JSON object with a name and arguments, as in most formats."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic_core import from_json

from artis_sdk.records import ToolCall

NAME: Final = re.compile(r'"name"\s*:\s*"([^"\\]*)"')
"""Pattern for the name of a call, even in JSON that breaks off."""


def read_object(body: str, raw: str) -> ToolCall:
    """Read the text of one object.

    Args:
        body: the object and blanks around it.
        raw: the text that the call keeps.
    """
    try:
        value = from_json(body.strip(), allow_inf_nan=False)
    except ValueError as error:
        return malformed(raw, f"the call is not JSON: {error}")
    return from_object(value, raw)


def from_object(value: Any, raw: str) -> ToolCall:
    """The call that a JSON value represents."""
    if not isinstance(value, dict):
        return malformed(raw, "the call is not a JSON object")
    function = value.get("function")
    if isinstance(function, dict):  # as the OpenAI API nests it
        value = function
    name = value.get("name")
    if not isinstance(name, str) or not name:
        return malformed(raw, "the call names no function", "")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):  # JSON in JSON, as the OpenAI API writes it
        try:
            arguments = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
        except ValueError as error:
            return malformed(raw, f"the arguments are not JSON: {error}", name)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return malformed(raw, "the arguments are not a JSON object", name)
    return ToolCall(tool=name, arguments=arguments, raw=raw)


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
