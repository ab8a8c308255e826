"""What a session is doing: each rehearsal, commit or the like has a span and ends with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from artis_sdk.commit.plan import inside_attempt
from artis_sdk.errors import FirewallError
from artis_sdk.session_parts import SessionParts
from artis_sdk.traces.operations import operation
from artis_sdk.traces.spans import SessionSpan

_SETTLING = ("recover", "settle")


class Operations:
    """The tasks in which methods of one session run."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def begun(self, name: str, parts: SessionParts) -> AsyncIterator[tuple[SessionParts, SessionSpan]]:
        """Run one method, which ends at the latest with the session.

        Args:
            name: name of the method.
            parts: the session's parts.

        Raises:
            FirewallError: it would change the journal, inside a rehearsed attempt.
        """
        if name in _SETTLING and inside_attempt():
            raise FirewallError(
                f"Session.{name}",
                "it would settle real calls in the journal; this is a rehearsed attempt",
            )
        task = asyncio.current_task()
        assert task is not None
        first = task not in self._running
        self._running.add(task)
        try:
            with operation(parts.tracing, name, inside_attempt) as span:
                yield parts, span
        finally:
            if first:
                self._running.discard(task)

    async def end(self) -> None:
        """Cancel what runs in other tasks, and wait for its end."""
        running = self._running - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
