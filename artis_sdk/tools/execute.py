"""The one way to run a tool's real code. Only the commit and the sandbox come here."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from artis_sdk.errors import ArtisError, SimulationError, ToolFailure, UnknownOutcome
from artis_sdk.records import Outcome, Provenance, Risk, new_id
from artis_sdk.records.plain_forms import message_of, stand_in, type_name
from artis_sdk.tools.bridge import waiting_thread, with_sync_calls
from artis_sdk.tools.call_threads import in_call_thread
from artis_sdk.tools.control_signals import is_control_signal, is_from_task_group
from artis_sdk.tools.failures import UNCLASSIFIED
from artis_sdk.tools.lazy import drop, is_awaitable, is_iterator, is_plain, lazy_value
from artis_sdk.tools.originals import in_body
from artis_sdk.tools.protocols import RunnableTool
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.world import check_allowed, current, firewall

INJECTED = (
    "a sandbox cannot run it, because the objects in inject= are the real ones. Simulate it with a model or "
    "a log, or make it a method of an object that holds them (Toolset.from_object), which the sandbox forks"
)
_MOST_ITEMS = 1_000_000  # limit for reading an iterator, which may be endless


async def execute(
    tool: RunnableTool,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    provenance: Provenance,
    *,
    late: Callable[[Reply], None] | None = None,
) -> Reply:
    """Run a tool's own code once.

    An awaitable result is awaited here, as a part of the call. A sync function runs in a thread
    with this context; within another tool's body, in that body's thread. Neither a timeout nor a
    cancellation can stop it there: it runs on, and `late` gets its reply. An async function is cancelled
    in both cases, at its current await, so its effects until then are unknown too, also where it
    turns its cancellation into another exception.

    Whatever the tool's own code raises is its failure, `SystemExit` and own subclasses of `BaseException`
    included; `is_control_signal` says what passes instead.

    Args:
        tool: the tool, whose timeout and failure rules hold.
        function: `tool.function`, or that of `tool.on(a fork)`.
        args, kwargs: positional and keyword arguments of the function, without `self`.
        provenance: `REAL` or `SANDBOXED`.
        late: function of the reply of a sync call that ended after its timeout or after this coroutine
            was cancelled; it runs on the event loop.

    Raises:
        UnknownOutcome: a real call that changes something did not end in time.
        SimulationError: the tool has injected values, which are real, and this call is not.
        ArtisError: a guarded call inside was refused or stopped the run.
    """
    if provenance is not Provenance.REAL and tool.idempotency_key is not None:
        kwargs = {tool.idempotency_key: new_id(), **kwargs}
    if provenance is not Provenance.REAL and tool.injects:
        raise SimulationError(tool.name, INJECTED)
    if firewall.forbidden and provenance is Provenance.REAL:
        check_allowed(tool.name)
    start = time.perf_counter()

    def call() -> Any:
        return function(*args, **tool.with_injected(kwargs))

    with in_body(current.get(), is_real=provenance is Provenance.REAL):
        if tool.is_async:
            return await _awaited(tool, call, provenance, start)
        return await _in_thread(tool, call, provenance, start, late)


async def _awaited(
    tool: RunnableTool, call: Callable[[], Any], provenance: Provenance, start: float
) -> Reply:
    task = asyncio.current_task()
    assert task is not None
    cancelled_before = task.cancelling()
    limit = None if tool.timeout is None else asyncio.timeout(tool.timeout)
    try:
        if limit is None:
            returned, awaitable = await _finished(call)
        else:
            async with limit:
                returned, awaitable = await _finished(call)
    except BaseException as error:
        if issubclass(type(error), GeneratorExit) and _running_task() is not task:
            raise  # this coroutine is being closed; the tool did not raise it
        if _stops_the_run(error) or is_control_signal(error):
            raise
        # How far the tool got is unknown, however it handled its cancellation.
        if limit is not None and limit.expired():
            return _timed_out(tool, provenance, start, error)
        if task.cancelling() > cancelled_before and not is_from_task_group(error):
            raise asyncio.CancelledError from error
        return _raised(tool, error, provenance, start)
    return _returned(tool, returned, provenance, start, awaitable=awaitable)


async def _finished(call: Callable[[], Any]) -> tuple[_Returned, bool]:
    """The value of a call, and whether it had to be awaited."""
    value = await with_sync_calls(call)
    if is_plain(type(value)):
        return _Returned(value, value), False
    awaitable = False
    while is_awaitable(value):
        value, awaitable = await value, True
    return _Returned.of(value), awaitable


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A sync function's return value that is still to be awaited."""

    value: Awaitable[Any]

    async def awaited(self) -> Any:
        return await self.value

    def drop(self) -> None:
        if inspect.iscoroutine(self.value):
            self.value.close()


async def _in_thread(
    tool: RunnableTool,
    call: Callable[[], Any],
    provenance: Provenance,
    start: float,
    late: Callable[[Reply], None] | None,
) -> Reply:
    def run() -> Reply | _Unfinished:
        try:
            value = call()
            if is_awaitable(value):
                return _Unfinished(value)
            returned = _Returned.of(value)
        except BaseException as error:
            if is_control_signal(error):
                raise
            return _raised(tool, error, provenance, start)
        return _returned(tool, returned, provenance, start)

    body = _ThreadedBody(run, late)
    _begin(body, tool.name, daemon=provenance is not Provenance.REAL)
    try:
        async with asyncio.timeout(tool.timeout):
            ended = await body.ended
    except TimeoutError:  # the tool's own is a reply
        if body.ended.cancelled():
            return _timed_out(tool, provenance, start)
        ended = body.ended.result()
    except BaseException:
        body.leave()
        raise
    if isinstance(ended, Reply):
        return ended
    tool.found_awaitable()
    return replace(await _awaited(tool, ended.awaited, provenance, start), awaitable=True)


class _ThreadedBody:
    """A sync body that a thread runs, with this context.

    Args:
        run: the body.
        late: function of the reply of a body that ends after `ended` was cancelled.
    """

    def __init__(self, run: Callable[[], Reply | _Unfinished], late: Callable[[Reply], None] | None) -> None:
        self._run = run
        self._late = late
        self._context = copy_context()
        self._context.run(waiting_thread.set, None)  # the waiting thread is busy with this body
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Reply | _Unfinished] = self._loop.create_future()
        """What it returned or raised. Cancelled with its waiter; the body runs on."""

    def __call__(self) -> None:
        """In the thread: run it. Raises nothing."""
        ended: Reply | _Unfinished | None = None
        error: BaseException | None = None
        try:
            ended = self._context.run(self._run)
        except BaseException as raised:  # noqa: BLE001  goes to the waiting caller
            error = raised
        self._tell(ended, error)

    def cancel(self) -> None:
        """In the thread that was to run it: it does not run."""
        self._tell(None, None)

    def _tell(self, ended: Reply | _Unfinished | None, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the event loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._arrived, ended, error)

    def _arrived(self, ended: Reply | _Unfinished | None, error: BaseException | None) -> None:
        if self.ended.done():
            self._ended_late(ended)
        elif error is not None:
            self.ended.set_exception(error)
        elif ended is None:
            self.ended.cancel()
        else:
            self.ended.set_result(ended)

    def leave(self) -> None:
        """Its waiter leaves, perhaps when the body has ended and nobody has seen it yet."""
        if not self.ended.cancel() and not self.ended.cancelled() and self.ended.exception() is None:
            self._loop.call_soon(self._ended_late, self.ended.result())  # once the waiter has left

    def _ended_late(self, ended: Reply | _Unfinished | None) -> None:
        if isinstance(ended, _Unfinished):  # nobody waits any more, so the awaitable does not run
            ended.drop()
        elif ended is not None and self._late is not None:
            self._late(ended)


def _begin(body: _ThreadedBody, name: str, *, daemon: bool) -> None:
    """Run a body in the thread that waits for this call, else in one that no other call has.

    A pool with a limit would deadlock: calls that wait for nested calls fill it. The interpreter does not
    exit in the middle of a real call.
    """
    caller = waiting_thread.get()
    if caller is not None and caller.take(body):
        return
    if daemon:
        threading.Thread(target=body, name=f"artis-{name}", daemon=True).start()
    else:
        in_call_thread(body)


@dataclass(frozen=True, slots=True)
class _Returned:
    """A tool's return value."""

    shown: Any
    """The value for the outcome; for an iterator, its items."""
    given: Any
    """The value for the caller."""

    @classmethod
    def of(cls, value: Any) -> _Returned:
        """Read an iterator here, as a part of the call: its code may do the work. Of an endless one the
        first items are read, and the caller reads on."""
        if not is_iterator(value):
            return cls(value, value)
        items = list(islice(value, _MOST_ITEMS))
        if len(items) < _MOST_ITEMS:
            return cls(items, iter(items))
        return cls([*items, stand_in(value)], chain(items, value))


def _returned(
    tool: RunnableTool, value: _Returned, provenance: Provenance, start: float, *, awaitable: bool = False
) -> Reply:
    duration = time.perf_counter() - start
    if (lazy := lazy_value(value.given)) is not None:
        drop(value.given)
        message = (
            f"returned {lazy}, which does its work after the call has returned; return the finished result"
        )
        outcome = Outcome.failure("LazyResult", message, provenance, raised=True, duration=duration)
        return Reply(outcome, error=ToolFailure(tool.name, "LazyResult", message))
    try:
        outcome = tool.outcome(value.shown, provenance, duration)
    except Exception as error:  # noqa: BLE001  a classifier's; the call has been made, and its value is known
        why = f"failures= of {tool.name} raised {type_name(error)} on this value: {message_of(error)}"
        outcome = Outcome.failure(UNCLASSIFIED, why, provenance, value=value.shown, duration=duration)
    return Reply(outcome, value.given, awaitable=awaitable)


def _raised(tool: RunnableTool, error: BaseException, provenance: Provenance, start: float) -> Reply:
    if _stops_the_run(error):
        raise error
    duration = time.perf_counter() - start
    try:
        outcome = tool.outcome_of_error(error, provenance, duration)
    except Exception:  # noqa: BLE001  a classifier's, on an exception that has a type without it
        outcome = Outcome.failure(
            type_name(error), message_of(error), provenance, raised=True, duration=duration
        )
    if issubclass(type(error), Exception):
        return Reply(outcome, error=error)
    failure = ToolFailure(tool.name, outcome.type, outcome.message or "")
    failure.__cause__ = error  # `SystemExit` and its like reach the tool's caller, and nobody beyond
    return Reply(outcome, error=failure)


def _stops_the_run(error: BaseException) -> bool:
    """Whether it is this package's, not the tool's: a nested guarded call was refused or is unknown."""
    return issubclass(type(error), ArtisError) and not issubclass(type(error), ToolFailure)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop
        return None


def _timed_out(
    tool: RunnableTool, provenance: Provenance, start: float, error: BaseException | None = None
) -> Reply:
    message = f"did not end within its timeout of {tool.timeout:g} s"
    if error is not None and not issubclass(type(error), TimeoutError):
        message += f" and then raised {type_name(error)}"
    if provenance is Provenance.REAL and tool.risk is not Risk.READ_ONLY:
        raise UnknownOutcome(tool.name, f"{message}; it may still take effect")
    outcome = Outcome.failure(
        "timeout", message, provenance, raised=True, duration=time.perf_counter() - start
    )
    return Reply(outcome, error=tool.reply(outcome).error)
