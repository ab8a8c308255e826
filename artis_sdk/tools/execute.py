"""The one way to run a tool's real code. Only the commit and the sandbox come here."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from artis_sdk.errors import ArtisError, SimulationError, ToolFailure, UnknownOutcome
from artis_sdk.records import Outcome, Provenance, Risk, new_id
from artis_sdk.tools.bridge import waiting_thread, with_sync_calls
from artis_sdk.tools.guarded import Reply
from artis_sdk.tools.lazy import lazy_value
from artis_sdk.tools.originals import running_body
from artis_sdk.tools.protocols import RunnableTool
from artis_sdk.tools.world import current

INJECTED = (
    "it is given objects by inject=, and those are the real ones: no sandbox can run it. Simulate it by a "
    "model or a log, or hold them in an object (Toolset.from_object), which the sandbox forks"
)


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

    A result that can be awaited is awaited here, as a part of the call. A sync function runs in a thread
    with this context; within another tool's body, in that body's thread. Neither a timeout nor a
    cancellation can stop it there: it runs on, and `late` hears of its end. An async function is cancelled
    in both cases, at whatever it awaits, so what it has done by then is not known either.

    Args:
        tool: whose code it is; its timeout and failure rules hold.
        function: `tool.function`, or that of `tool.on(a fork)`.
        args, kwargs: as the function takes them, without `self`.
        provenance: `REAL` or `SANDBOXED`.
        late: called on the event loop with the reply of a sync call that ended after its timeout or
            after this coroutine was cancelled.

    Raises:
        UnknownOutcome: a real call that changes something did not end in time.
        SimulationError: what is injected into the tool is real, and this is no real call.
        ArtisError: a guarded call inside was refused or stopped the run.
    """
    if provenance is not Provenance.REAL and tool.idempotency_key is not None:
        kwargs = {tool.idempotency_key: new_id(), **kwargs}
    if provenance is not Provenance.REAL and tool.injects:
        raise SimulationError(tool.name, INJECTED)
    start = time.perf_counter()

    def call() -> Any:
        return function(*args, **tool.with_injected(kwargs))

    outside = running_body.set(current.get() if provenance is Provenance.REAL else None)
    try:
        if tool.is_async:
            return await _awaited(tool, call, provenance, start)
        return await _in_thread(tool, call, provenance, start, late)
    finally:
        running_body.reset(outside)


async def _awaited(
    tool: RunnableTool, call: Callable[[], Any], provenance: Provenance, start: float
) -> Reply:
    try:
        async with asyncio.timeout(tool.timeout) as limit:
            value = await with_sync_calls(call)
            awaitable = inspect.isawaitable(value)
            while inspect.isawaitable(value):
                value = await value
    except Exception as error:  # noqa: BLE001  a tool may raise anything
        if isinstance(error, TimeoutError) and limit.expired():
            return _timed_out(tool, provenance, start)
        return _raised(tool, error, provenance, start)
    return _returned(tool, value, provenance, start, awaitable=awaitable)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """What a sync function returned, and what is still to be awaited."""

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
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            return _raised(tool, error, provenance, start)
        if inspect.isawaitable(value):
            return _Unfinished(value)
        return _returned(tool, value, provenance, start)

    running = asyncio.wrap_future(_begun(run, tool.name, daemon=provenance is not Provenance.REAL))
    try:
        await asyncio.wait({running}, timeout=tool.timeout)
        if not running.done():
            return _timed_out(tool, provenance, start)
        ended = running.result()
        if isinstance(ended, Reply):
            return ended
        tool.found_awaitable()
        return replace(await _awaited(tool, ended.awaited, provenance, start), awaitable=True)
    finally:
        if not running.done():
            running.add_done_callback(partial(_ended_late, late=late))


def _begun(run: Callable[[], Reply | _Unfinished], name: str, *, daemon: bool) -> Future[Reply | _Unfinished]:
    """Run with this context: in the thread that waits for this very call, else in one of its own.

    A pool would do harm: calls that wait for nested calls fill it, and then nothing ends. A real call
    is no daemon, so the interpreter does not end in the middle of it.
    """
    ended: Future[Reply | _Unfinished] = Future()
    context = copy_context()
    context.run(waiting_thread.set, None)  # whoever waits is busy with this body

    def body() -> None:
        if not ended.set_running_or_notify_cancel():
            return
        try:
            ended.set_result(context.run(run))
        except BaseException as error:  # noqa: BLE001  goes to whoever waits
            ended.set_exception(error)

    caller = waiting_thread.get()
    if caller is None or not caller.take(body, ended):
        threading.Thread(target=body, name=f"artis-{name}", daemon=daemon).start()
    return ended


def _ended_late(running: asyncio.Future[Reply | _Unfinished], late: Callable[[Reply], None] | None) -> None:
    if running.cancelled() or running.exception() is not None:
        return
    ended = running.result()
    if isinstance(ended, _Unfinished):  # nobody waits any more, so what it would do is not done
        ended.drop()
    elif late is not None:
        late(ended)


def _returned(
    tool: RunnableTool, value: Any, provenance: Provenance, start: float, *, awaitable: bool = False
) -> Reply:
    duration = time.perf_counter() - start
    lazy = lazy_value(value)
    if lazy is not None:
        message = f"returned {lazy}, which does its work after the call; return what comes out of it"
        outcome = Outcome.failure("LazyResult", message, provenance, raised=True, duration=duration)
        return Reply(outcome, error=ToolFailure(tool.name, "LazyResult", message))
    if isinstance(value, Iterator):  # read once here, and once more by the caller
        items = list(value)
        return Reply(tool.outcome(items, provenance, duration), iter(items))
    return Reply(tool.outcome(value, provenance, duration), value, awaitable=awaitable)


def _raised(tool: RunnableTool, error: Exception, provenance: Provenance, start: float) -> Reply:
    if isinstance(error, ArtisError) and not isinstance(error, ToolFailure):
        raise error
    return Reply(tool.outcome_of_error(error, provenance, time.perf_counter() - start), error=error)


def _timed_out(tool: RunnableTool, provenance: Provenance, start: float) -> Reply:
    message = f"did not end within its timeout of {tool.timeout:g} s"
    if provenance is Provenance.REAL and tool.risk is not Risk.READ_ONLY:
        raise UnknownOutcome(tool.name, f"{message}; it may still take effect")
    outcome = Outcome.failure(
        "timeout", message, provenance, raised=True, duration=time.perf_counter() - start
    )
    return Reply(outcome, error=tool.reply(outcome).error)
