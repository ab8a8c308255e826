"""A call checked against its tool's own schema, as in every world."""

from __future__ import annotations

from typing import Any

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import GuardedTool, Invocation


def checked(tool: GuardedTool[..., Any], call: ToolCall) -> Invocation | Outcome:
    """The call as an invocation, or the failure that the real tool would make of its arguments."""
    try:
        return tool.parse(call)
    except InvalidArguments as error:
        return Outcome.failure(error.failure_type, error.message, Provenance.FORCED, raised=True)
