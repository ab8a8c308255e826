"""How a sync guarded call inside a world waits for the world, which is async.

A greenlet carries a caller's own agent: a sync call deep inside it hands what it waits for to the
task that runs the agent, and goes on when the answer is there. SQLAlchemy's asyncio layer does the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from artis_sdk.errors import FirewallError
from artis_sdk.tools.world import Invocation, Place, Reply

T = TypeVar("T")


async def with_sync_calls(agent: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine whose sync guarded calls, made in its own task, may wait for a world.

    Args:
        agent: the coroutine, or what makes it.
    """
    coroutine = agent() if callable(agent) else agent
    if isinstance(getcurrent(), _Carrier):
        return await coroutine
    result: T = await _Carried(coroutine)
    return result


async def hand_over(place: Place, invocation: Invocation) -> Reply:
    """Have the world handle a call, on the loop that the world lives on."""
    assert place.world is not None and place.loop is not None
    if asyncio.get_running_loop() is place.loop:
        return await place.world.handle(invocation)
    return await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(place.world.handle(invocation), place.loop)
    )


def wait(place: Place, invocation: Invocation) -> Reply:
    """Have the world handle a call and block until it has.

    Raises:
        FirewallError: called on the event loop from where nothing can wait.
    """
    assert place.world is not None and place.loop is not None
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not place.loop:
        return asyncio.run_coroutine_threadsafe(place.world.handle(invocation), place.loop).result()
    carrier = getcurrent()
    if isinstance(carrier, _Carrier):
        return carrier.wait(place.world.handle(invocation))
    raise FirewallError(
        invocation.tool.name,
        "a sync tool was called on the event loop, in a task or callback where it cannot wait for its "
        f"outcome; use `await asyncio.to_thread({invocation.tool.name}, ...)`",
    )


@dataclass(frozen=True, slots=True)
class _Raise:
    """What the event loop throws into the task: a cancellation, for one."""

    error: BaseException


class _Carrier(greenlet):
    """Drives a coroutine. What it or a sync call inside it awaits goes to the task outside."""

    def __init__(self, context: Context | None) -> None:
        super().__init__(self._drive)
        self.gr_context = context

    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return _Finished(self._pump(coroutine))

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Called inside: block here, not the loop, until the awaitable is done."""
        result: T = self._pump(awaitable.__await__())
        return result

    def _pump(self, steps: Any) -> Any:
        sent: Any = None
        while True:
            try:
                yielded = steps.throw(sent.error) if isinstance(sent, _Raise) else steps.send(sent)
            except StopIteration as stop:
                return stop.value
            sent = self.parent.switch(yielded)


@dataclass(frozen=True, slots=True)
class _Finished:
    value: Any


class _Carried(Generator[Any, Any, Any]):
    """The carrier, seen from the task: an awaitable that yields what the inside waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._carrier: _Carrier | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def send(self, value: Any) -> Any:
        return self._resume(value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        return self._resume(_Raise(error if isinstance(error, BaseException) else value or error()))

    def _resume(self, sent: Any) -> Any:
        outside = getcurrent()
        if self._carrier is None:
            if isinstance(sent, _Raise):
                self._coroutine.close()
                raise sent.error
            self._carrier = _Carrier(outside.gr_context)
            self._carrier.parent = outside
            result = self._carrier.switch(self._coroutine)
        else:
            self._carrier.parent = outside
            result = self._carrier.switch(sent)
        if isinstance(result, _Finished):
            raise StopIteration(result.value)
        return result
