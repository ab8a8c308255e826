"""Removing secrets from what the journal holds, for the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.records import Outcome, ToolSpec
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply

LARGE = 65_536
"""Size in bytes from which a value is redacted off the event loop: some milliseconds of work."""


def is_large(value: JsonValue) -> bool:
    """Whether redacting this value would block the event loop, by the size of its JSON text, which is made
    in a hundredth of the time."""
    try:
        return len(to_json(value)) >= LARGE
    except (PydanticSerializationError, UnicodeEncodeError):  # too deep, or half of a surrogate pair
        return True


class Redact(Protocol):
    """Removes secrets from what the journal holds: `logs.session_secrets.SessionSecrets`, which knows those
    of a whole session, or `logs.redact.Redactor`, which looks at one call. May be called in any thread.

    `given` and `returned` are the Python values behind the JSON, whose `SecretStr`s are secrets too.
    """

    def redact_arguments(
        self, tool: ToolSpec, arguments: Mapping[str, JsonValue], *, given: Any = None
    ) -> dict[str, JsonValue]: ...

    def redact_outcome(
        self,
        tool: ToolSpec | str,
        outcome: Outcome,
        arguments: Mapping[str, JsonValue],
        *,
        returned: Any = None,
    ) -> Outcome: ...


async def redacted_arguments(redact: Redact, invocation: Invocation) -> dict[str, JsonValue]:
    """The arguments of a call without secrets, those of the caller's Python objects included."""
    tool, arguments = invocation.tool, invocation.call.arguments
    hidden, kwargs = tool.hidden, invocation.kwargs
    if hidden:
        kwargs = {name: value for name, value in kwargs.items() if name not in hidden}
    given = [*invocation.args, *kwargs.values()]
    if not is_large(arguments):
        return redact.redact_arguments(tool.spec, arguments, given=given)
    return await asyncio.to_thread(redact.redact_arguments, tool.spec, arguments, given=given)


async def redacted_outcome(redact: Redact, invocation: Invocation, reply: Reply) -> Outcome:
    """The outcome of a call without secrets."""
    if is_large([reply.outcome.value, reply.outcome.message]):
        return await asyncio.to_thread(redacted_at_once, redact, invocation, reply)
    return redacted_at_once(redact, invocation, reply)


def redacted_at_once(redact: Redact, invocation: Invocation, reply: Reply) -> Outcome:
    """As `redacted_outcome`; a large value blocks the event loop."""
    spec, arguments = invocation.tool.spec, invocation.call.arguments
    return redact.redact_outcome(spec, reply.outcome, arguments, returned=reply.value)
