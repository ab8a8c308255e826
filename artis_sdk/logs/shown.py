"""Records for display: every text and value in them mapped, names and numbers unchanged."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.records import Outcome, Plan, ToolCall, ToolSpec, plan_digest

M = TypeVar("M", bound=BaseModel)
MapValue = Callable[[JsonValue, str], JsonValue]
"""Maps the JSON value at this path; see `redact.Rule`."""
MapArguments = Callable[[ToolCall], JsonValue]
"""Maps the arguments of a call."""

# Fields that hold our own identifiers and fixed words; text in them that equals a secret is not one.
_NAMES = frozenset(
    {
        *("id", "tool_call_id", "journal_id", "kind", "role", "origin", "ended", "strategy", "stopped_by"),
        *("tool", "name", "backend", "limit", "risk", "provenance", "tools", "usage", "withheld"),
        *("digest", "signature", "mode", "spec_hash", "source_hash"),
    }
)
_VALUES = frozenset({"arguments", "value", "state"})
_WITHOUT_TEXT = frozenset({type(None), bool, int, float})


_is: Callable[[Any, Any], bool] = cache(issubclass)
"""Records make up most of a session's events, and pydantic's own check is costly."""


def map_record(record: M, change: MapValue, arguments: MapArguments, tool: str | None = None) -> M:
    """A record with its texts and values mapped; the same object if nothing changed.

    Args:
        record: a plan, a result, an event, or a part of one.
        change: function that maps a text, or a JSON value.
        arguments: function that maps the arguments of a call.
        tool: the tool whose call it belongs to.
    """
    kind = type(record)
    if _is(kind, ToolSpec):
        return record
    fields = record.__dict__
    is_call = _is(kind, ToolCall)
    call: Any = record if is_call else fields.get("call")
    if _is(type(call), ToolCall):
        tool = call.tool
    is_outcome = _is(kind, Outcome)
    changed: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _NAMES or (type(value) in _WITHOUT_TEXT and name not in _VALUES):
            continue
        if is_call and name == "arguments":
            new: Any = arguments(call)
        else:
            new = _mapped(value, name, change, arguments, tool, is_outcome)
        if new is not value:
            changed[name] = new
    if not changed:
        return record
    mapped = record.model_copy(update=changed)
    if isinstance(mapped, Plan) and mapped.digest is not None:  # one over secrets would help to find them
        return mapped.model_copy(update={"digest": plan_digest(mapped)})
    return mapped


def _fields_with_text(kind: type[BaseModel]) -> tuple[tuple[str, bool], ...]:
    """The fields of a record that may hold texts and values, each with whether it holds a value."""
    if _is(kind, ToolSpec):
        return ()
    return tuple((name, name in _VALUES) for name in kind.model_fields if name not in _NAMES)


_fields_of: Callable[[Any], tuple[tuple[str, bool], ...]] = cache(_fields_with_text)


def values_of(
    record: BaseModel, known: tuple[object, object] = (None, None)
) -> tuple[list[JsonValue], set[str]]:
    """The texts and values of a record that `map_record` maps, and the tools of its calls.

    In one pass without a call for each field: every event of a session is looked at.

    Args:
        record: a plan, a result, an event, or a part of one.
        known: an outcome and arguments that are left out.
    """
    outcome, arguments = known
    values: list[JsonValue] = []
    tools: set[str] = set()
    waiting: list[Any] = [record]
    for item in waiting:
        kind = type(item)
        if kind is ToolCall or _is(kind, ToolCall):
            tools.add(item.tool)
        fields = item.__dict__
        for field, is_value in _fields_of(kind):
            value = fields[field]
            kind = type(value)
            if (kind in _WITHOUT_TEXT and not is_value) or value is outcome or value is arguments:
                continue
            if kind is str:
                values.append(value)
                continue
            parts = [*value] if kind is tuple else [value]
            for part in parts:
                kind = type(part)
                if _is(kind, BaseModel):
                    waiting.append(part)
                elif _is(kind, tuple):
                    parts += part
                elif not _is(kind, Enum) and (is_value or _is(kind, str)):
                    values.append(part)
    return values, tools


def _mapped(
    value: Any, name: str, change: MapValue, arguments: MapArguments, tool: str | None, is_outcome: bool
) -> Any:
    kind = type(value)
    if _is(kind, BaseModel):
        if name == "predicted" and _is(kind, Outcome):
            tool = f"{tool}.predicted"
        return map_record(value, change, arguments, tool)
    if _is(kind, Enum):
        return value
    if _is(kind, tuple):
        items = [_mapped(item, name, change, arguments, tool, is_outcome) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else tuple(items)
    if name in _VALUES or isinstance(value, str):
        if is_outcome and tool is not None:
            name = f"{tool}.{name}" if tool.endswith(".predicted") else f"{tool}.outcome.{name}"
        elif tool is not None:
            name = f"{tool}.{name}"
        new = change(value, name)
        return value if new == value and type(new) is type(value) else new
    return value
