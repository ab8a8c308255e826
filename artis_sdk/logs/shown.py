"""Records for display: every text and value in them mapped, names and numbers unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

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


class _Fields(NamedTuple):
    """The fields of a kind of record that may hold something to map."""

    texts: tuple[str, ...]
    """Those with a text, records, or tuples of them."""
    values: tuple[str, ...]
    """Those with a JSON value, or with records that have one."""
    is_call: bool


def _fields_with_text(kind: type[BaseModel]) -> _Fields:
    if _is(kind, ToolSpec):
        return _Fields((), (), False)
    fields = {name: field for name, field in kind.model_fields.items() if name not in _NAMES}
    texts = (name for name in fields.keys() - _VALUES if _may_hold_text(fields[name].annotation))
    return _Fields(tuple(sorted(texts)), tuple(sorted(fields.keys() & _VALUES)), _is(kind, ToolCall))


def _may_hold_text(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_may_hold_text, get_args(annotation)))
    return not isinstance(annotation, type) or not (annotation in _WITHOUT_TEXT or _is(annotation, Enum))


_fields_of: Callable[[Any], _Fields] = cache(_fields_with_text)


class Clear(NamedTuple):
    """The parts of a call that were found clear of secrets. Our own copies, which no tool holds."""

    known: int = 0
    """Number of the secrets that were known then."""
    arguments: Mapping[str, JsonValue] | None = None
    call: ToolCall | None = None
    outcome: Outcome | None = None


NOTHING = Clear()


def values_of(record: BaseModel, clear: Clear = NOTHING) -> tuple[list[JsonValue], set[str]]:
    """The texts and values of a record that `map_record` maps, and the tools of its calls.

    In one pass without a call for each field: every event of a session is looked at.

    Args:
        record: a plan, a result, an event, or a part of one.
        clear: what is left out.
    """
    values: list[JsonValue] = []
    tools: set[str] = set()
    if not any(_fields_of(type(record))):
        return values, tools
    _, arguments, call, outcome = clear
    waiting: list[Any] = [record]
    for item in waiting:
        texts, jsons, is_call = _fields_of(type(item))
        fields = item.__dict__
        if is_call:
            tools.add(item.tool)
        for name in jsons:
            value = fields[name]
            kind = type(value)
            if kind is dict or kind is list or kind is str:
                if value is not arguments:
                    values.append(value)
            elif value is not None:
                _take_apart(value, waiting, values, is_value=True)
        for value in map(fields.__getitem__, texts):
            if value is None or value is call or value is outcome:
                continue
            kind = type(value)
            if kind is str:
                values.append(value)
            elif _is(kind, BaseModel):
                waiting.append(value)
            elif kind is not tuple or value:
                _take_apart(value, waiting, values, is_value=False)
    return values, tools


def _take_apart(value: Any, waiting: list[Any], values: list[JsonValue], *, is_value: bool) -> None:
    """Add the records in a field to those that wait, and its texts, or any value, to the values."""
    parts = [value]
    for part in parts:
        kind = type(part)
        if _is(kind, BaseModel):
            waiting.append(part)
        elif _is(kind, tuple):
            parts += part
        elif not _is(kind, Enum) and (is_value or _is(kind, str)):
            values.append(part)


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
