"""Records as JSON text and back, with the parts of calls and outcomes that a log holds."""

from __future__ import annotations

import json
from typing import Any

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, from_json, to_json

from artis_sdk.records import Outcome, ToolCall

CALL_TEXTS = ("arguments", "raw", "malformed")
"""The fields of a call that may hold a secret."""
OUTCOME_TEXTS = ("value", "failure_type", "message", "raw")
"""The fields of an outcome that may hold a secret."""

Fields = dict[str, Any]


def dumps(value: Any) -> str:
    """JSON text. NaN and infinities are kept, as the words that Python's `json` uses.

    Raises:
        ValueError, TypeError: the value is not JSON.
    """
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        # Half of a surrogate pair, as models write: it needs an escape.
        return json.dumps(value, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def call_fields(call: ToolCall) -> Fields:
    """Fields that differ from their defaults, without the tool's name, which the row holds."""
    fields: Fields = {"id": call.id, "arguments": call.arguments}
    if call.raw is not None:
        fields["raw"] = call.raw
    if call.malformed is not None:
        fields["malformed"] = call.malformed
    return fields


def outcome_fields(outcome: Outcome) -> Fields:
    """Fields that differ from their defaults."""
    fields: Fields = {"ok": outcome.ok, "provenance": outcome.provenance.value}
    if outcome.raised:
        fields["raised"] = True
    if outcome.declared:
        fields["declared"] = True
    if outcome.duration is not None:
        fields["duration"] = outcome.duration
    if outcome.fault is not None:
        fields["fault"] = outcome.fault
    for name in OUTCOME_TEXTS:
        value = getattr(outcome, name)
        if value is not None:
            fields[name] = value
    return fields


def outcome_type(fields: Fields) -> str:
    """`Outcome.type` of an outcome's fields."""
    return "success" if fields["ok"] else str(fields.get("failure_type") or "failure")


def read_call(tool: str, text: str) -> ToolCall:
    """The call; raises ValueError for any other text."""
    return ToolCall.model_validate({"tool": tool, **loads(text)})


def read_outcome(text: str) -> Outcome:
    """The outcome; raises ValueError for any other text."""
    return Outcome.model_validate(loads(text))


def hide_fields(fields: Fields, names: tuple[str, ...], hide: Any) -> Fields:
    """The fields, with `hide` applied to those that may hold a secret."""
    return {name: hide(value) if name in names else value for name, value in fields.items()}


def hide_text(text: str, names: tuple[str, ...], hide: Any) -> str:
    """As `hide_fields`, on JSON text."""
    fields: dict[str, JsonValue] = loads(text)
    return dumps(hide_fields(fields, names, hide))
