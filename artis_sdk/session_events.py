"""The events of a session, handed without secrets to its callback, its readers and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from artis_sdk.loop.budget import Emit
from artis_sdk.records import CommittedCall, Outcome, Step, ToolCall
from artis_sdk.records.events import AttemptFinished, CallBegun, CallCommitted, CallSimulated, Event
from artis_sdk.session_checks import tell
from artis_sdk.session_log import LINES, log


class EventReader:
    """The events of a session from when this reader was made, for `async for`; it ends with the session.

    No event is lost: those that are not read yet wait in memory. A reader that is dropped is forgotten. It
    may be made and read on another event loop than the session's, as beside `run_sync` in a thread.
    """

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue()
        self._loop = _running_loop()

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> Event:
        self._loop = asyncio.get_running_loop()
        event = await self._waiting.get()
        if event is None:
            self.put(None)  # for another task that reads from here
            raise StopAsyncIteration
        return event

    def put(self, event: Event | None) -> None:
        """Add an event; None is the end."""
        if self._loop is None or self._loop is _running_loop():
            self._waiting.put_nowait(event)
            return
        try:
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, event)
        except RuntimeError:  # that loop is closed, so nobody waits on it
            self._waiting.put_nowait(event)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class SessionEvents:
    """Hands on a session's events. Where nobody listens, they are dropped as they are.

    Args:
        callback: the session's `on_event`.
    """

    def __init__(self, callback: Emit | None) -> None:
        self._callback = callback
        self._readers: WeakSet[EventReader] = WeakSet()
        self._read = False
        """Whether there has been a reader."""
        self._shown: Callable[[Event], Event] | None = None
        self._over = False

    def open(self, shown: Callable[[Event], Event]) -> None:
        """The session is open.

        Args:
            shown: function that returns an event without the session's secrets.
        """
        self._shown = shown

    def reader(self) -> EventReader:
        """A new reader of the events from now on."""
        reader = EventReader()
        if self._over:
            reader.put(None)
        self._readers.add(reader)
        self._read = True
        return reader

    def emit(self, event: Event) -> None:
        """Hand an event on.

        Raises:
            ConfigurationError: the callback returned a coroutine, which nobody would await.
        """
        line = LINES[type(event)]
        logged = line.logger.isEnabledFor(line.level)
        if not self._read and not logged and self._callback is None:
            return
        assert self._shown is not None
        event = self._shown(event)
        if logged:
            log(event)
        if not self._read and self._callback is None:
            return
        event = _apart(event)
        if self._read:
            for reader in tuple(self._readers):
                reader.put(event)
        if self._callback is not None:
            tell("on_event", self._callback, event)

    def close(self) -> None:
        """The session is over: every reader ends once it has read what waits."""
        self._over = True
        for reader in tuple(self._readers):
            reader.put(None)


def _apart(event: Event) -> Event:
    """The event with calls and outcomes of its own, which a listener may shorten for its page: those of the
    attempt become the plan's, and those of the commit its result's."""
    match event:
        case CallBegun():
            return CallBegun(**{**vars(event), "call": _own_call(event.call)})
        case CallCommitted():
            made = event.committed
            own = CommittedCall(**{**vars(made), **_own(made.call, made.outcome)})
            return CallCommitted(committed=own)
        case CallSimulated():
            return CallSimulated(**{**vars(event), **_own(event.call, event.outcome)})
        case AttemptFinished():
            attempt = event.attempt
            steps = {
                name: tuple([Step(**_own(one.call, one.outcome)) for one in steps])
                for name, steps in (("steps", attempt.steps), ("nested", attempt.nested))
            }
            return AttemptFinished(attempt=attempt.model_copy(update=steps))
        case _:
            return event


# A record validates what it is made of, and so has arguments and values of its own.


def _own(call: ToolCall, outcome: Outcome) -> dict[str, Any]:
    return {"call": _own_call(call), "outcome": Outcome(**vars(outcome))}


def _own_call(call: ToolCall) -> ToolCall:
    return ToolCall(**vars(call))
