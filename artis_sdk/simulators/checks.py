"""A call checked against its tool's own schema, as in every world."""

from __future__ import annotations

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import Invocation
from artis_sdk.tools.protocols import CheckedTool


def checked(tool: CheckedTool, call: ToolCall) -> Invocation | Outcome:
    """The call as an invocation, or the failure that the real tool would make of its arguments."""
    try:
        return tool.parse(call)
    except InvalidArguments as error:
        return Outcome.failure(error.failure_type, error.message, Provenance.FORCED, raised=True)
