"""How sync guarded calls wait for a world that is async, wherever they are made."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from greenlet import getcurrent, greenlet
from helpers.firewall import CANARIES, PREDICTED, CountingWorld, clean, look, pay, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import Invocation, Reply, bridge, entered
from artis_sdk.tools.bridge import with_sync_calls

_clean = pytest.fixture(autouse=True)(clean)


async def test_sync_call_in_the_agents_own_task_waits_without_blocking_the_loop() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def agent() -> list[int]:
        return [pay(1), pay(2), await look(3), sorted([3, 1], key=pay)[0]]

    ticking = asyncio.create_task(tick())
    world = CountingWorld()
    with entered(world), pytest.raises(LookupError, match="predicted"):  # the fifth call fails
        await with_sync_calls(agent)
    ticking.cancel()
    assert world.handled == 5
    assert ticks > 3
    assert CANARIES == []


async def test_sync_calls_in_tasks_that_the_agent_starts_wait_without_blocking_each_other() -> None:
    async def sub(n: int) -> int:
        await asyncio.sleep(0)
        return pay(n)

    async def starts_one(n: int) -> int:
        return await asyncio.create_task(sub(n), name=f"sub {n}")

    async def agent() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(starts_one(n)) for n in range(2)]
        return [
            *(task.result() for task in tasks),
            *await asyncio.gather(sub(3), asyncio.wait_for(sub(4), 9)),
        ]

    world = CountingWorld()
    with entered(world):
        assert await with_sync_calls(agent) == [PREDICTED] * 4
    assert world.handled == 4
    assert CANARIES == []


async def test_a_task_that_the_agent_starts_looks_like_any_other() -> None:
    async def sub() -> None:
        await asyncio.sleep(60)

    async def agent() -> None:
        unbegun, task = asyncio.create_task(sub()), asyncio.create_task(sub(), name="mine")
        unbegun.cancel()
        assert inspect.getcoroutinestate(_coroutine_of(task)) == inspect.CORO_CREATED
        await asyncio.wait({unbegun})
        assert inspect.getcoroutinestate(_coroutine_of(task)) == inspect.CORO_SUSPENDED
        assert inspect.getcoroutinestate(_coroutine_of(unbegun)) == inspect.CORO_CLOSED
        assert task.get_name() == "mine"
        assert "sub()" in repr(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with entered(CountingWorld()):
        await with_sync_calls(agent)


def _coroutine_of(task: asyncio.Task[Any]) -> Any:
    return task.get_coro()


@pytest.mark.parametrize("way", ["callback", "task of another's"])
async def test_sync_call_elsewhere_on_the_event_loop_says_to_use_a_thread(way: str) -> None:
    async def sub() -> Any:
        return pay_or_refusal(1)

    async def agent() -> Any:
        loop = asyncio.get_running_loop()
        if way == "callback":
            said: asyncio.Future[Any] = loop.create_future()
            loop.call_soon(lambda: said.set_result(pay_or_refusal(1)))
            return await said
        return await asyncio.Task(sub(), loop=loop)

    world = CountingWorld()
    with entered(world):
        assert "await asyncio.to_thread(pay, ...)" in str(await with_sync_calls(agent))
    assert world.handled == 0


async def test_sync_call_in_a_task_that_is_started_eagerly_is_refused() -> None:
    async def agent() -> None:
        loop, mine = asyncio.get_running_loop(), asyncio.current_task()
        assert mine is not None
        other = asyncio.create_task(asyncio.sleep(0))
        asyncio.tasks._leave_task(loop, mine)  # as an eager task does while its first step runs
        asyncio.tasks._enter_task(loop, other)
        try:
            pay(1)
        finally:
            asyncio.tasks._leave_task(loop, other)
            asyncio.tasks._enter_task(loop, mine)
            await other

    with entered(CountingWorld()), pytest.raises(FirewallError, match="to_thread"):
        await with_sync_calls(agent)


async def test_context_variables_pass_through_the_carrier() -> None:
    variable = contextvars.ContextVar("variable", default=0)

    class Reading(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            await asyncio.sleep(0)
            seen.append(variable.get())
            return await super().handle(invocation)

    async def agent() -> None:
        variable.set(2)
        pay(1)
        await asyncio.sleep(0)
        seen.append(variable.get())
        copied = contextvars.copy_context()
        copied.run(variable.set, 3)
        copied.run(pay, 1)
        seen.append(variable.get())

    seen: list[int] = []
    variable.set(1)
    with entered(Reading()):
        await with_sync_calls(agent)
    assert seen == [2, 2, 3, 2]
    assert variable.get() == 2  # the same context, as if the agent had been awaited


async def test_call_from_a_greenlet_of_the_agents_libraries() -> None:
    async def agent() -> int:
        inner = greenlet(pay)
        inner.gr_context = getcurrent().gr_context  # as SQLAlchemy does
        first: int = inner.switch(1)
        return first + await look(2)

    with entered(CountingWorld()):
        assert await with_sync_calls(agent) == 2 * PREDICTED


async def test_loop_blocked_by_its_own_thread_is_an_error_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_POLL", 0.02)
    monkeypatch.setattr(bridge, "_SILENCE", 0.1)
    result: list[Any] = []

    def blocked() -> None:
        try:
            pay(1)
        except FirewallError as error:
            result.append(str(error))

    world = CountingWorld()
    with entered(world):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(blocked,))
        thread.start()
        thread.join()  # on the event loop, which must answer
        await asyncio.sleep(0.05)
    assert "blocked" in result[0]
    assert world.handled == 0  # it was not made later either


async def test_loop_blocked_by_its_own_thread_during_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an agent's `with ThreadPoolExecutor()` does when a time limit cancels what is awaited inside."""
    monkeypatch.setattr(bridge, "_POLL", 0.02)
    monkeypatch.setattr(bridge, "_SILENCE", 0.1)
    began = asyncio.Event()
    said: list[str] = []
    ended: list[str] = []

    class Begins(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            began.set()
            try:
                await asyncio.sleep(0.3)
            finally:
                ended.append("call")
            return await super().handle(invocation)

    def job() -> None:
        try:
            pay(1)
        except asyncio.CancelledError as error:
            said.append(str(error))
            raise

    async def agent() -> None:
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, job)

    with entered(Begins()):
        task = asyncio.create_task(with_sync_calls(agent))
        await began.wait()
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0.01)
    assert task.cancelled()
    assert "waits for this thread" in said[0]
    assert ended == ["call"]


async def test_a_long_call_and_a_busy_loop_are_no_blocked_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_POLL", 0.02)
    monkeypatch.setattr(bridge, "_SILENCE", 0.1)

    class Long(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            await asyncio.sleep(0.2)
            until = time.monotonic() + 0.3
            while time.monotonic() < until:  # as a model in this process
                pass
            return await super().handle(invocation)

    with entered(Long()):
        assert await asyncio.to_thread(pay, 1) == PREDICTED


def test_thread_that_outlives_the_event_loop_is_refused() -> None:
    go = threading.Event()
    result: list[int | str] = []

    def work() -> None:
        go.wait()
        result.append(pay_or_refusal(1))

    async def main() -> threading.Thread:
        with entered(CountingWorld()):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
            thread.start()
            return thread

    thread = asyncio.run(main())
    go.set()
    thread.join()
    assert "that this call belongs to is over" in str(result[0])
    assert CANARIES == []
