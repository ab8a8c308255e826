"""The firewall on the paths that are easier told one by one: processes, leftovers, blocked loops."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from firewall_helpers import CANARIES, PREDICTED, CountingWorld, look, pay, pay_or_refusal
from greenlet import getcurrent, greenlet

from artis_sdk.errors import FirewallError
from artis_sdk.tools import Invocation, Reply, bridge, current_world, entered, outside, rehearsing
from artis_sdk.tools.bridge import with_sync_calls
from artis_sdk.tools.leftovers import working
from artis_sdk.tools.world import watch


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    CANARIES.clear()
    yield
    assert watch.rehearsals == 0
    assert "ARTIS_REHEARSAL" not in os.environ


# --- outside and inside -----------------------------------------------------------------------


async def test_rehearsal_without_code_of_the_application_leaves_other_calls_alone() -> None:
    with rehearsing(runs_code=False):
        assert pay(3) == -3


async def test_unknown_origin_is_refused_for_every_risk_with_what_to_do() -> None:
    with rehearsing(runs_code=True):
        with pytest.raises(FirewallError, match=r"copy_context\(\)\.run.*outside\(\)"):
            pay(3)
        with pytest.raises(FirewallError, match=r"asyncio\.to_thread"):
            await look(3)  # read-only
    assert CANARIES == []
    assert pay(3) == -3


async def test_outside_is_the_plain_function_and_cannot_be_claimed_inside() -> None:
    with rehearsing(runs_code=True):
        with outside():
            assert pay(3) == -3
            assert await asyncio.to_thread(pay, 4) == -4
        with entered(CountingWorld()), pytest.raises(FirewallError, match="belongs to a world"), outside():
            pytest.fail("entered")
    assert CANARIES == ["pay", "pay"]


async def test_rehearsals_overlap_and_the_last_one_opens_the_gate() -> None:
    first, second = rehearsing(runs_code=True), rehearsing(runs_code=True)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(FirewallError):
        pay(1)
    second.__exit__(None, None, None)
    assert pay(1) == -1


async def test_two_worlds_at_once_do_not_mix() -> None:
    worlds = [CountingWorld() for _ in range(3)]

    async def attempt(world: CountingWorld, calls: int) -> None:
        with entered(world):
            for _ in range(calls):
                assert current_world() is world
                await look(1)

    await asyncio.gather(*(attempt(world, n + 1) for n, world in enumerate(worlds)))
    assert [world.handled for world in worlds] == [1, 2, 3]
    assert current_world() is None


# --- left behind ------------------------------------------------------------------------------


async def test_task_left_behind_is_refused_after_its_world() -> None:
    go = asyncio.Event()

    async def later() -> int:
        await go.wait()
        return await look(1)

    with entered(CountingWorld()):
        task = asyncio.create_task(later())
    go.set()
    with pytest.raises(FirewallError, match="left behind"):
        await task
    assert CANARIES == []


async def test_call_waiting_in_a_thread_is_cancelled_with_its_world() -> None:
    class Silent(CountingWorld):
        async def handle(self, invocation: Invocation) -> Reply:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    started = asyncio.Event()
    with entered(Silent()):
        thread = asyncio.create_task(asyncio.to_thread(pay, 1))
        await started.wait()
    with pytest.raises(asyncio.CancelledError):
        await thread
    assert CANARIES == []
    assert len(asyncio.all_tasks()) == 1


def _leave_behind(call: Callable[[], Any], *, pool: ThreadPoolExecutor | None) -> tuple[Any, Any]:
    """A rehearsal ends while `call` waits in a thread without a context; what it then gives."""
    go, result = threading.Event(), []

    def left() -> None:
        go.wait()
        result.append(call())

    with rehearsing(runs_code=True):
        if pool is None:
            thread = threading.Thread(target=left)
            thread.start()
        else:
            future = pool.submit(left)
    elsewhere = pay_or_refusal(1)
    go.set()
    thread.join() if pool is None else future.result()
    return result[0], elsewhere


@pytest.mark.parametrize("pooled", [False, True])
def test_thread_left_behind_is_refused_after_its_rehearsal(pooled: bool) -> None:
    pool = ThreadPoolExecutor(1) if pooled else None
    left, elsewhere = _leave_behind(lambda: pay_or_refusal(5), pool=pool)
    assert "left behind" in str(left)
    assert elsewhere == -1
    assert CANARIES == ["pay"]
    if pool is not None:  # its worker is not held responsible for what it does next
        assert pool.submit(pay, 2).result() == -2
        pool.shutdown()


def test_work_begun_before_a_rehearsal_is_free_after_it() -> None:
    go, result = threading.Event(), []

    def work() -> None:
        go.wait()
        result.append(pay_or_refusal(5))

    thread = threading.Thread(target=work)
    thread.start()
    with rehearsing(runs_code=True):
        pass
    go.set()
    thread.join()
    assert result == [-5]


def test_leftovers_are_forgotten_when_they_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artis_sdk.tools.leftovers._PRUNE_EVERY", 0.0)
    _leave_behind(lambda: None, pool=None)
    assert watch.on
    while working() and watch.on:
        pay(1)
    pay(1)
    assert not watch.on


# --- other processes --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_process_started_in_a_rehearsal_is_refused(method: str) -> None:
    context = multiprocessing.get_context(method)
    if method == "forkserver":  # running already: it does not know today's environment
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(pay_or_refusal, 1).result(60) == -1
    with rehearsing(runs_code=True), ProcessPoolExecutor(1, mp_context=context) as pool:
        assert "refused" in str(pool.submit(pay_or_refusal, 5).result(60))
        assert "refused" in str(pool.submit(pay, 5).exception(60))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(pay_or_refusal, 5).result(60) == -5
    assert CANARIES == []


def test_command_started_in_a_rehearsal_is_refused() -> None:
    command = [sys.executable, "-c", "from firewall_helpers import *; print(pay_or_refusal(5))"]
    where = os.path.dirname(__file__)
    with rehearsing(runs_code=True):
        inside = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=60, check=True)
    after = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=60, check=True)
    assert "refused" in inside.stdout
    assert after.stdout == "-5\n"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_fork_inside_a_world_is_refused_in_the_child() -> None:
    read, write = os.pipe()
    with entered(CountingWorld()):
        child = os.fork()
        if child == 0:
            os.write(write, str(pay_or_refusal(5)).encode())
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
    assert b"forked" in os.read(read, 1000)
    os.close(read)
    os.close(write)


# --- waiting for the world --------------------------------------------------------------------


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


async def test_sync_call_in_another_task_says_to_use_a_thread() -> None:
    async def agent() -> None:
        async def sub() -> int:
            return pay(1)

        await asyncio.create_task(sub())

    world = CountingWorld()
    with entered(world), pytest.raises(FirewallError, match=r"await asyncio\.to_thread\(pay, \.\.\.\)"):
        await with_sync_calls(agent)
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


async def test_call_from_a_greenlet_of_the_agents_libraries() -> None:
    async def agent() -> int:
        inner = greenlet(pay)
        inner.gr_context = getcurrent().gr_context  # as SQLAlchemy does
        first: int = inner.switch(1)
        return first + await look(2)

    with entered(CountingWorld()):
        assert await with_sync_calls(agent) == 2 * PREDICTED


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
    assert "left behind" in str(result[0])
    assert CANARIES == []
