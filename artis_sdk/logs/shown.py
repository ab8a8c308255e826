"""Records for display: every text and value in them mapped, names and numbers unchanged."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.records import Outcome, ToolCall, ToolSpec

M = TypeVar("M", bound=BaseModel)
MapValue = Callable[[JsonValue, str], JsonValue]
"""Maps the JSON value at this path; see `redact.Rule`."""
MapArguments = Callable[[ToolCall], JsonValue]
"""Maps the arguments of a call."""

# Identifiers and words of our own; a secret that is spelt alike is not one there.
_NAMES = frozenset(
    {
        *("id", "tool_call_id", "journal_id", "kind", "role", "ended", "strategy", "stopped_by"),
        *("tool", "name", "backend", "limit", "risk", "provenance", "tools", "usage", "withheld"),
    }
)
_VALUES = frozenset({"arguments", "value", "state"})


def map_record(record: M, change: MapValue, arguments: MapArguments, tool: str | None = None) -> M:
    """A record with its texts and values mapped; the same object if nothing changed.

    Args:
        record: a plan, a result, an event, or a part of one.
        change: function that maps a text, or a JSON value.
        arguments: function that maps the arguments of a call.
        tool: the tool whose call it belongs to.
    """
    if isinstance(record, ToolSpec):
        return record
    call = getattr(record, "call", None)
    if isinstance(record, ToolCall):
        tool = record.tool
    elif isinstance(call, ToolCall):
        tool = call.tool
    changed: dict[str, Any] = {}
    for name, value in record.__dict__.items():
        if name in _NAMES:
            continue
        if name == "arguments" and isinstance(record, ToolCall):
            new: Any = arguments(record)
        else:
            new = _mapped(value, name, change, arguments, tool, isinstance(record, Outcome))
        if new is not value:
            changed[name] = new
    return record.model_copy(update=changed) if changed else record


def _mapped(
    value: Any, name: str, change: MapValue, arguments: MapArguments, tool: str | None, is_outcome: bool
) -> Any:
    if isinstance(value, BaseModel):
        if isinstance(value, Outcome) and name == "predicted":
            tool = f"{tool}.predicted"
        return map_record(value, change, arguments, tool)
    if isinstance(value, Enum):
        return value
    if isinstance(value, tuple):
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
