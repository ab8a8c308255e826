"""Guarded calls inside a world reach it from any thread or task.

The world is async. A sync call from another thread blocks that thread. A sync call inside a caller's
own agent, on the event loop, runs in a greenlet, which passes its awaitables to the task that makes
the call: the task that runs the agent, or one that the agent's code has started.
SQLAlchemy's asyncio layer does the same.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Protocol, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.leftovers import waits
from artis_sdk.tools.patches import in_place_of
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.world import WorldBinding, current, refuse, route

T = TypeVar("T")

_POLL = 0.5  # seconds between looks at whether the world's event loop still lives
_ASYNC = CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR
_SILENCE = 30.0  # seconds after which an event loop that does not run counts as blocked


async def with_sync_calls(agent: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine whose sync guarded calls may wait for a world, also in tasks that it starts.

    Elsewhere on the event loop, in a callback or in a task that other code has started, a sync guarded
    call is refused with the advice to use `asyncio.to_thread`.

    Args:
        agent: the coroutine, or a function that makes it.
    """
    coroutine = agent() if callable(agent) else agent
    if _carrier() is not None:
        return await coroutine
    result: T = await _Carried(coroutine)
    return result


async def hand_over(binding: WorldBinding, invocation: Invocation) -> Reply:
    """Have the world handle a call, on the world's event loop."""
    assert binding.world is not None
    assert binding.loop is not None
    running = _running_loop()
    if running is None:
        name = invocation.tool.name
        refuse(
            name,
            "an async tool was awaited on an event loop that is not asyncio's, such as trio's, where it "
            f"cannot wait for its outcome; make {name} a sync function, which can be called there",
            binding,
        )
    if running is binding.loop:
        return await binding.world.handle(invocation)
    token = waiting_thread.set(None)
    try:
        answer = _submit(binding, binding.loop, invocation, {})
    finally:
        waiting_thread.reset(token)
    return await asyncio.wrap_future(answer)


def wait(binding: WorldBinding, invocation: Invocation) -> Reply:
    """Have the world handle a call and block until it has.

    Raises:
        FirewallError: no sync call can wait here, or the world's event loop is gone.
        CancelledError: the world ended meanwhile.
    """
    assert binding.world is not None
    assert binding.loop is not None
    if _running_loop() is not binding.loop:
        return _wait_in_thread(binding, binding.loop, invocation)
    carrier = _carrier()
    if carrier is None:
        name = invocation.tool.name
        refuse(
            name,
            "a sync tool was called on the event loop, in a task or callback where it cannot wait for its "
            f"outcome; use `await asyncio.to_thread({name}, ...)`",
            binding,
        )
    return carrier.wait(binding.world.handle(invocation))


# --- from another thread ----------------------------------------------------------------------


class SyncBody(Protocol):
    """The sync body of a call."""

    def __call__(self) -> None:
        """Run it. Raises nothing."""

    def cancel(self) -> None:
        """Tell whoever waits for it that it does not run."""


class WaitingThread:
    """A thread that waits for a world and meanwhile runs the sync body of the call it waits for.

    So the body of a nested call runs in the thread of the outer body, as in plain code, and can use
    the outer body's locks and thread-bound connections.
    """

    def __init__(self) -> None:
        self._bodies: SimpleQueue[SyncBody | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False

    def take(self, body: SyncBody) -> bool:
        """Have the thread run a body; False if it no longer waits."""
        with self._lock:
            if not self._closed:
                self._bodies.put(body)
            return not self._closed

    def run_next(self, seconds: float) -> bool:
        """In the thread: run a body that arrives within `seconds`; whether one arrived."""
        with suppress(Empty):
            if (body := self._bodies.get(timeout=seconds)) is not None:
                body()
                return True
        return False

    def wake(self, _: object = None) -> None:
        """End the thread's wait: the answer has arrived."""
        self._bodies.put(None)

    def close(self) -> None:
        """End the wait; a body that the thread has not begun does not run."""
        with self._lock:
            self._closed = True
        with suppress(Empty):
            while True:
                if (body := self._bodies.get_nowait()) is not None:
                    body.cancel()


waiting_thread: ContextVar[WaitingThread | None] = ContextVar("artis_sdk_waiting_thread", default=None)
"""The thread that waits for this context's work; None without one."""


class _Pulse:
    """Asks an event loop, from another thread, whether it runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked: float | None = None

    def silence(self) -> float:
        """Seconds without an answer since the loop got a request."""
        asked = self._asked
        if asked is None:
            self._asked = asked = time.monotonic()
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._answer)
        return time.monotonic() - asked

    def _answer(self) -> None:
        self._asked = None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _submit(
    binding: WorldBinding, loop: asyncio.AbstractEventLoop, invocation: Invocation, fate: dict[str, bool]
) -> concurrent.futures.Future[Reply]:
    """Have the world's loop handle a call, unless the call is cancelled before it begins."""
    if not loop.is_running():
        refuse(invocation.tool.name, "the event loop of its rehearsal or commit has ended", binding)

    async def handle() -> Reply:
        """Handle the call in a task that ends no later than the world."""
        if not fate.setdefault("begun", True):
            raise asyncio.CancelledError
        route(invocation.tool.name)
        assert binding.world is not None
        task: Any = asyncio.current_task()
        binding.calls.add(task)
        try:
            return await binding.world.handle(invocation)
        finally:
            binding.calls.discard(task)

    return asyncio.run_coroutine_threadsafe(handle(), loop)


def _wait_in_thread(binding: WorldBinding, loop: asyncio.AbstractEventLoop, invocation: Invocation) -> Reply:
    fate: dict[str, bool] = {}
    thread = WaitingThread()
    token = waiting_thread.set(thread)
    try:
        answer = _submit(binding, loop, invocation, fate)
    finally:
        waiting_thread.reset(token)
    answer.add_done_callback(thread.wake)
    pulse = _Pulse(loop)
    patience = time.monotonic() + _SILENCE
    try:
        while not answer.done():
            if thread.run_next(_POLL) or answer.done():
                continue
            blocked = time.monotonic() > patience and not fate.setdefault("begun", False)
            if blocked or loop.is_closed():
                refuse(
                    invocation.tool.name,
                    "its event loop is closed, or blocked: code on the loop may be waiting for this thread",
                    binding,
                )
            if pulse.silence() > _SILENCE and waits(binding.thread):
                answer.cancel()  # once the loop runs again, the call ends as by any cancellation
                raise asyncio.CancelledError(
                    f"{invocation.tool.name}: code on the event loop waits for this thread, such as by "
                    "leaving a `with ThreadPoolExecutor()`, and the call cannot end until the loop runs"
                )
    finally:
        thread.close()
    if answer.cancelled():
        raise asyncio.CancelledError(f"{invocation.tool.name}: its rehearsal or commit has ended")
    return answer.result()


# --- on the event loop ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Raise:
    """An exception that the event loop throws into the task, such as a cancellation, or that ended the
    coroutine."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class _Finished:
    value: Any


class _Carrier(greenlet):
    """Drives a coroutine and passes what it, or a sync call inside it, awaits to the task outside."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], context: Context | None) -> None:
        super().__init__(self._drive)
        self.gr_context = context  # the task's own context object, not a copy
        self.task = asyncio.current_task()
        self.outside = getcurrent()
        self.inside: greenlet | None = None
        """The greenlet to resume, where the agent's own libraries started one in the carrier; else
        None."""
        self._coroutine = coroutine
        self._cancelled: asyncio.CancelledError | None = None
        """The cancellation that the last sync call raised; None once async code has seen it."""

    def _drive(self, sent: Any) -> _Finished | _Raise:
        try:
            return _Finished(self._pump(self._coroutine, sent, self._cancel_again))
        except GreenletExit as error:  # a greenlet would give it back as a value
            return _Raise(error)

    def wait(self, awaitable: Coroutine[Any, Any, Reply]) -> Reply:
        """Inside: wait in sync code, which blocks that code but not the loop."""
        try:
            reply: Reply = self._pump(awaitable)
        except asyncio.CancelledError as error:
            self._cancelled = error
            raise
        return reply

    def _pump(self, steps: Any, sent: Any = None, before_waiting: Callable[[], None] | None = None) -> Any:
        """Inside: run a coroutine's steps to their end."""
        while True:
            try:
                wanted = steps.throw(sent.error) if isinstance(sent, _Raise) else steps.send(sent)
            except StopIteration as stop:
                return stop.value
            if before_waiting is not None:
                before_waiting()
            here = getcurrent()
            self.inside = None if here is self else here
            sent = self.outside.switch(wanted)

    def _cancel_again(self) -> None:
        """Cancel the task at the async code's next await if sync code has swallowed its cancellation.

        A sync call without this package is no place where a cancellation arrives, so sync code does not
        expect one: `except:`, a `__del__`, a weak reference's callback would end it, and the task ran on.
        """
        error, self._cancelled = self._cancelled, None
        if error is None or self.task is None or not self.task.cancelling() or _reached_async_code(error):
            return
        self.task.cancel()
        self.task.uncancel()  # the same request for cancellation as before, not one more


def _reached_async_code(error: BaseException) -> bool:
    """Whether a coroutine's frame is the outermost that an exception has come to."""
    traceback = error.__traceback__
    return traceback is not None and bool(traceback.tb_frame.f_code.co_flags & _ASYNC)


def _carrier() -> _Carrier | None:
    """The carrier that this code runs in; None if its task is not the current one."""
    found: greenlet | None = getcurrent()
    while found is not None and not isinstance(found, _Carrier):
        found = found.parent
    return found if found is not None and found.task is asyncio.current_task() else None


class _Carried(Generator[Any, Any, Any], Coroutine[Any, Any, Any]):
    """The task's view of the carrier: an awaitable that yields what the inside waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._carrier: _Carrier | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __getattr__(self, name: str) -> Any:
        """Attributes of the coroutine, for code that inspects a task's: name, frame, whether it has begun."""
        return getattr(self._coroutine, name)

    def __next__(self) -> Any:
        return self._resume(None)

    def send(self, value: Any) -> Any:
        return self._resume(value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        thrown = error if isinstance(error, BaseException) else (value or error())
        return self._resume(_Raise(thrown))

    def _resume(self, sent: Any) -> Any:
        outside = getcurrent()
        if self._carrier is None:
            self._carrier = _Carrier(self._coroutine, outside.gr_context)
        self._carrier.outside = self._carrier.parent = outside
        result = (self._carrier.inside or self._carrier).switch(sent)
        if isinstance(result, _Finished):
            raise StopIteration(result.value)
        if isinstance(result, _Raise):
            raise result.error
        return result


# --- in tasks ---------------------------------------------------------------------------------


@in_place_of("uvloop", "Loop.create_task", if_imported=True)
@in_place_of("asyncio", "BaseEventLoop.create_task")
def _create_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Frameworks call sync tools in tasks of their own: a task that a carrier starts gets a carrier."""

    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        context = kwargs.get("context")
        binding = current.get() if context is None else context.get(current)
        inside = binding is not None and binding.open and binding.loop is self
        if inside and _carrier() is not None and asyncio.iscoroutine(coro):
            coro = _Carried(coro)
        return original(self, coro, **kwargs)

    return create_task
