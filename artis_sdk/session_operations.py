"""What a session is doing: each rehearsal, commit or the like has a span and ends with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import current_process
from typing import Any

from artis_sdk.commit.plan import inside_attempt
from artis_sdk.errors import ConfigurationError, FirewallError
from artis_sdk.session_parts import SessionParts
from artis_sdk.traces.operations import operation
from artis_sdk.traces.spans import SessionSpan

_SETTLING = ("recover", "settle")


class Operations:
    """The tasks in which methods of one session run, all of them on one event loop."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], asyncio.Future[None]] = {}
        """By task, what is done when the session's method in it has ended; the task itself may go on."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = False

    def open(self) -> None:
        """The session is opened on this event loop, which is that of all its methods."""
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def begun(self, name: str, parts: SessionParts) -> AsyncIterator[tuple[SessionParts, SessionSpan]]:
        """Run one method, which ends at the latest with the session.

        Args:
            name: name of the method.
            parts: the session's parts.

        Raises:
            ConfigurationError: the session is being closed, or runs on another event loop; or this process is
                a worker that is still importing the program which started it.
            FirewallError: it would change the journal, inside a rehearsed attempt.
        """
        self._check(name)
        task = asyncio.current_task()
        assert task is not None
        first = task not in self._running
        if first:
            self._running[task] = asyncio.get_running_loop().create_future()
        try:
            with operation(parts.tracing, name, inside_attempt) as span:
                yield parts, span
        finally:
            if first:
                self._running.pop(task).set_result(None)

    def _check(self, name: str) -> None:
        _check_started()
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigurationError(
                f"{name}() was called on another event loop than the one that the session works on, perhaps "
                "in another thread: make a session there (they may share tools, journal and log)"
            )
        if self._ending:
            raise ConfigurationError(
                f"{name}() was called while the session is being closed: nothing was done"
            )
        if name in _SETTLING and inside_attempt():
            raise FirewallError(
                f"Session.{name}",
                "it would settle real calls in the journal; this is a rehearsed attempt",
            )

    async def end(self) -> None:
        """Cancel what runs in other tasks, and wait for its end. Nothing begins any more.

        Being cancelled meanwhile cancels it once more, which interrupts real calls, and is raised at the end.
        """
        self._ending = True
        again: asyncio.CancelledError | None = None
        while others := self._running.keys() - {asyncio.current_task()}:
            for task in others:
                task.cancel("its session was closed")
            try:
                await asyncio.wait([self._running[task] for task in others])
            except asyncio.CancelledError as error:
                again = error
        if again is not None:
            raise again


def _check_started() -> None:
    """Refuse the work of a program that a new process only imports, as multiprocessing does: its calls would
    be made once more for each process.

    Raises:
        ConfigurationError: says where the program's start belongs.
    """
    if getattr(current_process(), "_inheriting", False):
        raise ConfigurationError(
            "a worker process that imports this program came to a session's work, which would be done once "
            'more in each of them; it was not. Put what the program does under `if __name__ == "__main__":`'
        )
