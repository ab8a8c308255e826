"""Removing secrets from what the journal holds, for the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from pydantic import JsonValue

from artis_sdk.records import Outcome, ToolSpec

T = TypeVar("T")

LARGE = 65_536
"""Size in characters from which a value is redacted off the event loop: some milliseconds of work."""


def is_large(value: JsonValue) -> bool:
    """Whether redacting this value would block the event loop; stops counting at `LARGE`."""
    waiting, size = [value], 0
    while waiting and size < LARGE:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            size += sum(map(len, item))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        size += 8
    return size >= LARGE


async def off_loop(redact: Callable[[], T], *values: JsonValue) -> T:
    """The result of `redact`, called in a thread if these values are large."""
    return await asyncio.to_thread(redact) if is_large(list(values)) else redact()


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
