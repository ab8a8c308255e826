"""The context goes along into what is started, given to pools or put off, and nowhere else."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import functools
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from helpers.carried import Subclass
from helpers.firewall import (
    CANARIES,
    PREDICTED,
    WARM,
    CountingWorld,
    Dies,
    Worker,
    clean,
    look,
    pay,
    pay_or_refusal,
    simple_worker,
)

from artis_sdk.tools import entered, running_code


@pytest.fixture(scope="module", autouse=True)
def _pools() -> Iterator[None]:
    yield
    OWN.shutdown()
    THREADS.terminate()
    WORKER.end()


Give = Callable[[Callable[[], Any]], Any]


_clean = pytest.fixture(autouse=True)(clean)


class OwnExecutor(ThreadPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(functools.partial(fn, *args, **kwargs))


class PlainExecutor(Executor):
    """An executor without any of the standard library's: items of its own in a queue that carries nothing."""

    def __init__(self) -> None:
        self.jobs = simple_worker()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        result: Future[Any] = Future()
        done: Future[None] = Future()
        self.jobs.put((lambda: result.set_result(fn(*args, **kwargs)), done))
        return result


def in_assigned_run(call: Callable[[], Any]) -> None:
    thread = threading.Thread()
    thread.run = call  # type: ignore[method-assign]
    thread.start()


def in_own_loop(call: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.to_thread(call)

    threading.Thread(target=asyncio.run, args=(main(),)).start()


def in_worker(call: Callable[[], Any]) -> None:
    WORKER.jobs.put((call, ()))


def in_worker_as_lambda(call: Callable[[], Any]) -> None:
    WORKER.jobs.put((functools.partial(call), ()), timeout=1)


def at_death(call: Callable[[], Any]) -> None:
    weakref.finalize(threading.Event(), lambda: threading.Thread(target=call).start())


def when_done(call: Callable[[], Any]) -> None:
    WARM.submit(time.sleep, 0.02).add_done_callback(lambda _: call())


OWN, THREADS, WORKER, PLAIN = OwnExecutor(1), ThreadPool(1), Worker(), PlainExecutor()

WAYS: dict[str, Give] = {
    "thread": lambda call: threading.Thread(target=call).start(),
    "subclass": lambda call: Subclass(call).start(),
    "assigned run": in_assigned_run,
    "raw": lambda call: _thread.start_new_thread(call, ()),
    "timer": lambda call: threading.Timer(0.0, call).start(),
    "warm pool": lambda call: WARM.submit(call),
    "map": lambda call: WARM.map(lambda _: call(), [1]),
    "new pool": lambda call: ThreadPoolExecutor(1).submit(call),
    "own executor": lambda call: OWN.submit(call),
    "default executor": lambda call: asyncio.get_running_loop().run_in_executor(None, call),
    "an event loop's own executor": lambda call: asyncio.get_running_loop().run_in_executor(PLAIN, call),
    "thread pool": lambda call: THREADS.apply_async(call),
    "thread pool map": lambda call: THREADS.map_async(lambda _: call(), [1]),
    "thread pool imap": lambda call: THREADS.imap(lambda _: call(), [1]),
    "initializer": lambda call: ThreadPoolExecutor(1, initializer=call).submit(abs, 1),
    "thread pool initializer": lambda call: ThreadPool(1, call).close(),
    "own loop": in_own_loop,
    "own worker": in_worker,
    "own worker, partial": in_worker_as_lambda,
    "finalizer": at_death,
    "done callback": when_done,
}
KEPT = list(WAYS)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("way", KEPT)
def test_a_call_belongs_to_the_world_that_it_was_given_from_also_late(way: str, loop: str) -> None:
    """In the world, when the world is over, and when no rehearsal or commit goes on any more."""
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    go = [threading.Event(), threading.Event()]

    def late(gate: threading.Event) -> None:
        gate.wait()
        results.put(pay_or_refusal(5))

    async def get() -> Any:
        return await asyncio.to_thread(results.get, timeout=20)

    async def main() -> list[Any]:
        WAYS[way](lambda: results.put(pay_or_refusal(5)))
        found = [await get()]
        with running_code("commit"):
            with entered(CountingWorld()):
                WAYS[way](lambda: results.put(pay_or_refusal(5)))
                found.append(await get())
                WAYS[way](lambda: threading.Thread(target=late, args=(go[0],)).start())
                WAYS[way](lambda: threading.Thread(target=late, args=(go[1],)).start())
                await asyncio.sleep(0.04)
            go[0].set()
            found.append(await get())
        go[1].set()
        found.append(await get())
        WAYS[way](lambda: results.put(pay_or_refusal(5)))
        found.append(await get())
        return found

    with asyncio.Runner(loop_factory=pytest.importorskip(loop).new_event_loop) as runner:
        first, inside, closed, over, innocent = runner.run(main())
    assert (first, inside, innocent) == (-5, PREDICTED, -5)
    assert "that this call belongs to is over" in closed
    assert "that this call belongs to is over" in over


async def test_a_pools_thread_that_was_born_inside_serves_others_later() -> None:
    anyio = pytest.importorskip("anyio")
    thread = threading.get_ident
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as threads:
        loop = asyncio.get_running_loop()
        with running_code("rehearsal"), entered(CountingWorld()):
            born = await loop.run_in_executor(pool, thread), await anyio.to_thread.run_sync(thread)
            assert await anyio.to_thread.run_sync(pay, 5) == PREDICTED
            inside = ThreadPool(1)
            inside.apply_async(int)
        assert [pool.submit(pay, 5).result(), threads.apply(pay, (5,)), inside.apply(pay, (5,))] == [-5] * 3
        assert await anyio.to_thread.run_sync(pay_or_refusal, 5) == -5
        assert born == (pool.submit(thread).result(), await anyio.to_thread.run_sync(thread))
        # Nor does a call that loses its context there find the world of the thread's birth.
        lost = contextvars.Context().run(pool.submit, pay_or_refusal, 5)
        assert lost.result() == -5
    inside.terminate()


async def test_work_put_off_in_a_long_queue_is_refused_for_ever() -> None:
    refused: list[Any] = []

    def notify(n: int) -> None:
        time.sleep(0.005)
        refused.append(pay_or_refusal(n))

    pool = ThreadPoolExecutor(2)
    with running_code("rehearsal"), entered(CountingWorld()):
        for n in range(20):
            pool.submit(notify, n)
    free = pool.submit(pay_or_refusal, 1)
    await asyncio.to_thread(pool.shutdown)
    assert free.result() == -1
    assert len(refused) == 20
    assert all("that this call belongs to is over" in str(one) for one in refused)
    assert CANARIES == ["pay"]


async def test_a_chain_of_timers_that_goes_on_after_the_last_world_is_refused() -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def again(n: int) -> None:
        if n:
            threading.Timer(0.005, again, (n - 1,)).start()
        else:
            results.put(pay_or_refusal(5))

    with entered(CountingWorld()):
        threading.Timer(0.005, again, (3,)).start()
    assert "that this call belongs to is over" in str(await asyncio.to_thread(results.get))


async def test_own_loop_with_a_queue_of_coroutine_functions_is_served_in_the_givers_world() -> None:
    jobs: asyncio.Queue[Any] = asyncio.Queue()
    results: list[Any] = []

    async def work() -> None:
        while (job := await jobs.get()) is not None:
            results.append(await job(5))
            served.set()

    served = asyncio.Event()
    consumer = asyncio.create_task(work())
    with entered(CountingWorld()):
        await jobs.put(look)
        await served.wait()
    await jobs.put(look)
    await jobs.put(None)
    await consumer
    assert results == [PREDICTED, -5]


async def test_what_is_no_function_goes_through_a_queue_as_it_is() -> None:
    items: queue.Queue[Any] = queue.Queue()
    kept: list[Any] = [80, (1, "x"), None, Dies, {"call": pay}]
    with entered(CountingWorld()):
        for item in kept:
            items.put(item)
    assert all(items.get() is item for item in kept)


async def test_work_of_an_own_worker_that_nothing_marks_is_refused_during_and_free_after() -> None:
    """An amount that a worker is to pay; the limit that the documents name."""
    amounts: queue.SimpleQueue[int] = queue.SimpleQueue()
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        while n := amounts.get():
            results.put(pay_or_refusal(n))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with running_code("commit"), entered(CountingWorld()):
        amounts.put(80)
        assert "your own queue" in await asyncio.to_thread(results.get)
    amounts.put(3)
    assert results.get() == -3
    amounts.put(0)
    thread.join()
