"""Messages in spans: in attributes as JSON or field by field, in span events, and in log records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import messages
from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.logs.importers.span_shapes import MADE, MESSAGE_LISTS, NUMBERED, RESPONSE_CALLS

_EVENTS: Final = {
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}

Told = tuple[dict[str, Any], str]
"""A message, and its place."""


def told_by_attributes(attributes: dict[str, JsonValue], place: str) -> tuple[list[Told], list[Told]]:
    """The messages in a span's attributes: those before the request, and those that it made."""
    before: list[Told] = []
    made: list[Told] = []
    for name in MESSAGE_LISTS:
        target = made if name in MADE else before
        for message, where in messages(parsed(pick(attributes, name)), f"{place} {name}"):
            target.append((_of_event(message), where))
    for name in NUMBERED:
        target = made if name in MADE else before
        for number, message in enumerate(numbered(attributes, name)):
            target.append((_one(message), f"{place} {name}[{number}]"))
    calls = parsed(pick(attributes, RESPONSE_CALLS))
    if isinstance(calls, list):
        made.append(({"role": "assistant", "toolCalls": calls}, f"{place} {RESPONSE_CALLS}"))
    return before, made


def told_by_event(name: str, fields: dict[str, JsonValue], place: str) -> Iterator[Told]:
    """The message in a span event or a log record; nothing for an event of another kind."""
    if name in _EVENTS:
        content = parsed(fields.get("gen_ai.event.content"))
        yield _of_event({"event.name": name, **(content if isinstance(content, dict) else fields)}), place
    else:
        for told in told_by_attributes(fields, place):
            yield from told


def numbered(attributes: dict[str, JsonValue], prefix: str) -> list[Any]:
    """The list whose items are written field by field: `prefix.0.role`, `prefix.1.tool_calls.0.name`."""
    whole = pick(attributes, prefix)
    if isinstance(whole, list):
        return whole
    tree: dict[str, Any] = {}
    for key, value in attributes.items():
        if not key.startswith(f"{prefix}."):
            continue
        at, path = tree, key.removeprefix(f"{prefix}.").split(".")
        for name in path[:-1]:
            at = at.setdefault(name, {}) if isinstance(at, dict) else {}
        if isinstance(at, dict):
            at[path[-1]] = value
    found = _listed(tree)
    return found if isinstance(found, list) else []


def _listed(tree: Any) -> Any:
    """A tree in which objects with numbers for keys are lists."""
    if not isinstance(tree, dict):
        return tree
    made = {key: _listed(value) for key, value in tree.items()}
    if made and all(re.fullmatch(r"\d+", key) for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made


def _one(message: Any) -> dict[str, Any]:
    """OpenInference's message: `{"message": {..., "tool_calls": [{"tool_call": {...}}]}}`."""
    inner = message.get("message") if isinstance(message, dict) else None
    made = dict(inner) if isinstance(inner, dict) else dict(message) if isinstance(message, dict) else {}
    calls = made.get("tool_calls")
    if isinstance(calls, list):
        made["tool_calls"] = [pick(call, "tool_call") or call for call in calls]
    return made


def _of_event(message: dict[str, Any]) -> dict[str, Any]:
    """A message as GenAI events write it, and any other message unchanged."""
    name = message.get("event.name")
    if name not in _EVENTS:
        return message
    made = {"role": _EVENTS[str(name)], **message}
    inner = parsed(message.get("message"))
    if isinstance(inner, dict):
        made = {"role": "assistant", **inner}
    elif isinstance(inner, list):
        made = {"role": "assistant", "content": inner}
    for field in ("content", "tool_calls"):
        value = parsed(made.get(field))
        if isinstance(value, list):
            made[field] = value
    return made
