"""A sync guarded call that waits, and is cancelled, abandoned, or blocks its own loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest
from helpers.firewall import CountingWorld, Dies, clean, pay

from artis_sdk.tools import Invocation, Reply, entered
from artis_sdk.tools.bridge import with_sync_calls

_clean = pytest.fixture(autouse=True)(clean)


async def test_cancellation_reaches_the_agent_through_a_waiting_sync_call() -> None:
    cleaned: list[str] = []

    class Slow(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            try:
                await asyncio.sleep(60)
            finally:
                cleaned.append("world")
            raise AssertionError

    async def agent() -> None:
        try:
            pay(1)
        finally:
            cleaned.append("agent")

    async def attempt() -> None:
        with entered(Slow()):
            await with_sync_calls(agent)

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["world", "agent"]


async def test_timeout_inside_the_agent_ends_a_waiting_sync_call() -> None:
    class Slow(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            await asyncio.sleep(60)
            raise AssertionError

    async def agent() -> str:
        try:
            async with asyncio.timeout(0.01):  # noqa: ASYNC100  the sync call is the checkpoint
                pay(1)
        except TimeoutError:
            return "late"
        return "in time"

    with entered(Slow()):
        assert await with_sync_calls(agent) == "late"


class Slow(CountingWorld):
    """Its answers do not come."""

    async def handle(self, invocation: Invocation) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError


def _in_except() -> None:
    with suppress(BaseException):
        pay(1)


def _as_an_error() -> None:
    try:
        pay(1)
    except BaseException as error:
        raise LookupError from error


def _in_del() -> None:
    Dies(lambda: pay(1), cycle=False)


def _in_a_weak_callback() -> None:
    target = Dies(lambda: None, cycle=False)
    kept = weakref.ref(target, lambda _: pay(1))
    del target, kept


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("swallow", [_in_except, _as_an_error, _in_del, _in_a_weak_callback])
async def test_a_cancellation_that_sync_code_swallows_comes_again_at_the_next_await(
    swallow: Callable[[], None],
) -> None:
    inner: list[asyncio.Task[None]] = []

    async def agent() -> None:
        with suppress(LookupError):
            swallow()
        inner.append(asyncio.create_task(asyncio.sleep(60)))
        await inner[0]

    with entered(Slow()), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await with_sync_calls(agent)
    assert inner[0].cancelled()  # as by any cancellation of a task that waits for another
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_cancellation_that_async_code_has_seen_does_not_come_again() -> None:
    cleaned: list[str] = []

    async def agent() -> None:
        try:
            pay(1)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.append("agent")
            raise

    with entered(Slow()), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await with_sync_calls(agent)
    assert cleaned == ["agent"]


async def test_a_cancellation_that_was_taken_back_does_not_come_again() -> None:
    async def agent() -> str:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        _in_except()
        task.uncancel()
        await asyncio.sleep(0)
        return "went on"

    with entered(Slow()):
        assert await with_sync_calls(agent) == "went on"


async def test_agent_that_is_abandoned_cleans_up() -> None:
    cleaned: list[bool] = []

    async def agent() -> None:
        try:
            pay(1)
        finally:
            cleaned.append(True)

    with entered(CountingWorld()):
        coroutine = with_sync_calls(agent)
        coroutine.send(None)
        coroutine.close()
    assert cleaned == [True]
