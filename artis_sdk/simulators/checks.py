"""A call checked against its tool's own schema, as in every world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import Invocation
from artis_sdk.tools.protocols import CheckedTool


def checked(tool: CheckedTool, call: ToolCall) -> Invocation | Outcome:
    """The call as an invocation, or the failure that its arguments cause in the real tool."""
    try:
        return parsed(tool, call)
    except InvalidArguments as error:
        return Outcome.failure(error.failure_type, error.message, Provenance.FORCED, raised=True)


def parsed(tool: CheckedTool, call: ToolCall) -> Invocation:
    """As `GuardedTool.parse`, with a copy of the arguments: a body that keeps or changes them changes
    neither the recorded call nor the message that it came in.

    Raises:
        InvalidArguments: the arguments do not fit the schema.
    """
    for value in call.arguments.values():
        if isinstance(value, dict | list):
            own = call.model_copy(update={"arguments": copied(call.arguments)})
            return replace(tool.parse(own), call=call)
    return tool.parse(call)  # nothing in them can be changed


def copied(value: Any) -> Any:
    """A JSON value with containers of its own."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
