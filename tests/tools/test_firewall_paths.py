"""The firewall on the paths that are easier told one by one: elsewhere, beside, left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest
from helpers.firewall import CANARIES, PREDICTED, CountingWorld, Worker, clean, look, pay, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import Invocation, Reply, current_world, entered, outside, running_code
from artis_sdk.tools.world import Kind, firewall


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


_clean = pytest.fixture(autouse=True)(clean)


# --- outside and inside -----------------------------------------------------------------------


async def elsewhere(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run something with a context that belongs to nothing, as another part of the application has."""
    return await asyncio.get_running_loop().create_task(call(), context=contextvars.Context())


async def test_rehearsal_without_code_of_the_application_leaves_other_calls_alone() -> None:
    with running_code("rehearsal", False):
        assert pay(3) == -3


@pytest.mark.parametrize("kind", ["rehearsal", "commit"])
async def test_unknown_origin_is_refused_for_every_risk_with_what_to_do(kind: Kind) -> None:
    async def calls() -> None:
        with pytest.raises(FirewallError, match=r"copy_context\(\)\.run.*outside\(\)"):
            pay(3)
        with pytest.raises(FirewallError, match=r"your own queue"):
            await look(3)  # read-only

    with running_code(kind):
        await elsewhere(calls)
    assert CANARIES == []
    assert pay(3) == -3


@pytest.mark.parametrize("kind", ["rehearsal", "commit"])
async def test_code_beside_the_worlds_has_none_to_call_into(kind: Kind) -> None:
    """An evaluator, a listener: they run in the rehearsal's own context, and so do their threads."""
    with running_code(kind):
        with pytest.raises(FirewallError, match="an evaluator, a listener"):
            pay(3)
        with pytest.raises(FirewallError, match="an evaluator, a listener"):
            await asyncio.to_thread(pay, 3)
        with entered(CountingWorld()):
            assert await asyncio.to_thread(pay, 3) == PREDICTED
    assert CANARIES == []


async def test_outside_is_the_plain_function_and_cannot_be_claimed_inside() -> None:
    async def calls() -> None:
        with outside():
            assert pay(3) == -3
            assert await asyncio.to_thread(pay, 4) == -4
            assert await asyncio.get_running_loop().run_in_executor(None, pay, 5) == -5

    with running_code("rehearsal"):
        await elsewhere(calls)
        with pytest.raises(FirewallError, match="belongs to a rehearsal or commit"), outside():
            pytest.fail("entered")
        with (
            entered(CountingWorld()),
            pytest.raises(FirewallError, match="belongs to a rehearsal or commit"),
            outside(),
        ):
            pytest.fail("entered")
    assert CANARIES == ["pay", "pay", "pay"]


async def test_rehearsals_overlap_and_the_last_one_opens_the_gate() -> None:
    ends = [asyncio.Event(), asyncio.Event()]

    async def rehearse(end: asyncio.Event) -> None:
        with running_code("rehearsal"):
            await end.wait()

    first, second = (asyncio.create_task(rehearse(end)) for end in ends)
    await asyncio.sleep(0)
    ends[0].set()
    await first
    with pytest.raises(FirewallError):
        pay(1)
    ends[1].set()
    await second
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
    with pytest.raises(FirewallError, match="that this call belongs to is over"):
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

    with running_code("rehearsal"):
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
    assert "that this call belongs to is over" in str(left)
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
    with running_code("rehearsal"):
        pass
    go.set()
    thread.join()
    assert result == [-5]


def in_the_middle(worker: Worker, call: Callable[[], Any]) -> Callable[[], Any]:
    """A rehearsal ends while a worker of the application's own is at what it was given; lets it go on."""
    began, go, result = threading.Event(), threading.Event(), SimpleQueue[Any]()

    def job() -> None:
        began.set()
        go.wait()
        result.put(call())

    with running_code("rehearsal"):
        worker.jobs.put((job, ()))
        began.wait()

    def end() -> Any:
        go.set()
        return result.get()

    return end


def test_own_worker_in_the_middle_of_its_work_is_refused_until_it_returns(worker: Worker) -> None:
    end = in_the_middle(worker, lambda: pay_or_refusal(5))
    assert pay_or_refusal(1) == -1
    assert "that this call belongs to is over" in str(end())
    result = SimpleQueue[Any]()
    worker.jobs.put((lambda: result.put(pay_or_refusal(2)), ()))
    assert result.get() == -2


def test_leftovers_are_forgotten_when_they_have_ended() -> None:
    """In a process without threads of the test runner's, which may begin to read in any moment."""
    code = """
import time
from helpers.firewall import Worker, pay
from test_firewall_paths import in_the_middle
from artis_sdk.tools import leftovers
from artis_sdk.tools.world import firewall

leftovers._PRUNE_EVERY = 0.0
end = in_the_middle(Worker(), lambda: None)
assert firewall.active
end()
until = time.monotonic() + 60
while firewall.active and time.monotonic() < until:
    pay(1)
print(firewall.active)
"""
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    child = [sys.executable, "-c", code]
    ended = subprocess.run(
        child, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    assert ended.stdout == "False\n"


def test_the_end_of_a_rehearsal_keeps_no_others_variables_alive(worker: Worker) -> None:
    class Big:
        pass

    alive: list[weakref.ref[Big]] = []

    def work() -> None:
        big = Big()
        alive.append(weakref.ref(big))

    def call() -> None:
        """Its own variables, and those of a call that other code has made meanwhile."""
        big = Big()
        alive.append(weakref.ref(big))
        with running_code("rehearsal"):
            pass

    gc.collect()
    gc.disable()
    try:
        in_the_middle(worker, work)()
        call()
        worker.jobs.join()
        assert firewall.leftovers is not None
        firewall.leftovers.prune()
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


def test_a_thread_born_during_a_rehearsal_that_nobody_in_it_started_is_free_after_it() -> None:
    jobs, results = SimpleQueue[int](), SimpleQueue[Any]()

    def work() -> None:
        while n := jobs.get():
            results.put(pay_or_refusal(n))

    thread = threading.Thread(target=work, daemon=True)
    with running_code("rehearsal"):
        contextvars.Context().run(thread.start)
        jobs.put(1)
        assert "copy_context" in results.get()
    jobs.put(2)
    assert results.get() == -2
    jobs.put(0)
    thread.join()


def test_an_event_loop_elsewhere_that_was_idle_at_the_end_is_free() -> None:
    """The call in which it waits for what comes next began during the rehearsal."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        with running_code("rehearsal"):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        assert contextvars.Context().run(_call_on, loop) == -1
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _call_on(loop: asyncio.AbstractEventLoop) -> Any:
    result = SimpleQueue[Any]()
    loop.call_soon_threadsafe(lambda: result.put(pay_or_refusal(1)))
    return result.get()
