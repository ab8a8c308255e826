"""The context goes along into what is started, given to pools or put off, and nowhere else."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import decimal
import functools
import gc
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from helpers.firewall import (
    CANARIES,
    PREDICTED,
    WARM,
    CountingWorld,
    Dies,
    Remembers,
    Worker,
    clean,
    look,
    pay,
    pay_or_refusal,
)

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, running_code
from artis_sdk.tools.carry import carry
from artis_sdk.tools.world import Kind


@pytest.fixture(scope="module", autouse=True)
def _pools() -> Iterator[None]:
    yield
    OWN.shutdown()
    THREADS.terminate()
    WORKER.end()


Give = Callable[[Callable[[], Any]], Any]


_clean = pytest.fixture(autouse=True)(clean)


class Subclass(threading.Thread):
    """Overrides both what starts it and what it runs."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call

    def start(self) -> None:
        super().start()

    def run(self) -> None:
        self.call()


class OwnExecutor(ThreadPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(functools.partial(fn, *args, **kwargs))


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


OWN, THREADS, WORKER = OwnExecutor(1), ThreadPool(1), Worker()

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
    assert "left behind" in closed
    assert "left behind" in over


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
    assert all("left behind" in str(one) for one in refused)
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
    assert "left behind" in str(await asyncio.to_thread(results.get))


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
        assert "queue of your own" in await asyncio.to_thread(results.get)
    amounts.put(3)
    assert results.get() == -3
    amounts.put(0)
    thread.join()


# --- last words -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rehearsal", "commit", None])
@pytest.mark.slow
async def test_last_words_of_garbage_are_refused_whenever_it_is_collected(kind: Kind | None) -> None:
    said: list[Any] = []
    innocent: list[Any] = []
    with nullcontext() if kind is None else running_code(kind), entered(CountingWorld()):
        Dies(lambda: Dies(lambda: said.append(pay_or_refusal(5))))
    assert pay_or_refusal(1) == -1
    gc.collect()
    gc.collect()
    assert len(said) == 1
    assert "while garbage is collected" in said[0]
    Dies(lambda: innocent.append(pay_or_refusal(5)))
    gc.collect()
    assert innocent == [-5]


def test_last_words_at_the_end_of_the_interpreter_are_refused() -> None:
    code = """
import asyncio
from helpers.firewall import CountingWorld, Dies, pay_or_refusal
from artis_sdk.tools import entered

async def main():
    with entered(CountingWorld()):
        Dies(lambda: print("last:", pay_or_refusal(5)))

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "while garbage is collected" in ended.stdout


def test_function_registered_for_the_end_of_the_interpreter_is_refused_there() -> None:
    code = """
import asyncio, atexit
from helpers.firewall import CountingWorld, pay_or_refusal
from artis_sdk.tools import entered

def last(): print("last:", pay_or_refusal(5))
def never(): print("never")

async def main():
    with entered(CountingWorld()):
        assert atexit.register(last) is last
        atexit.register(never)
    atexit.unregister(never)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "last: pay: called by something left behind" in ended.stdout
    assert "never" not in ended.stdout


# --- the application's own --------------------------------------------------------------------


async def test_other_context_variables_stay_at_home() -> None:
    """A thread's `decimal` context is its own, in a session as outside of one."""
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        decimal.getcontext().prec = 5
        results.put(None)

    with entered(CountingWorld()):
        decimal.getcontext().prec = 20
        threading.Thread(target=work).start()
        await asyncio.to_thread(results.get)
        assert decimal.getcontext().prec == 20


async def test_thread_object_is_as_it_was() -> None:
    thread = Subclass(lambda: None)
    with entered(CountingWorld()):
        thread.start()
        thread.join()
        assert "run" not in vars(thread)
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        assert "run" not in vars(thread)
    dead = weakref.ref(thread)
    del thread
    assert dead() is None  # it is in no cycle


async def test_two_worlds_share_a_pools_thread() -> None:
    class Says(CountingWorld):
        pass

    async def attempt(world: CountingWorld) -> None:
        with entered(world):
            for _ in range(3):
                assert await loop.run_in_executor(pool, pay, 1) == PREDICTED

    loop = asyncio.get_running_loop()
    worlds = [Says(), Says()]
    with ThreadPoolExecutor(1) as pool:
        await asyncio.gather(*map(attempt, worlds))
    assert [world.handled for world in worlds] == [3, 3]


# --- other libraries --------------------------------------------------------------------------


async def test_a_patch_of_another_library_on_top_of_ours_and_taken_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with entered(CountingWorld()):
        pass
    ours, seen = threading.Thread.start, []

    @functools.wraps(ours)
    def theirs(self: threading.Thread) -> None:
        seen.append(self)
        ours(self)

    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def call() -> Any:
        with entered(CountingWorld()):
            threading.Thread(target=lambda: results.put(pay_or_refusal(5))).start()
            return await asyncio.to_thread(results.get)

    monkeypatch.setattr(threading.Thread, "start", theirs)
    assert await call() == PREDICTED
    assert threading.Thread.start is theirs  # ours is below, and not put on top once more
    assert seen
    monkeypatch.setattr(threading.Thread, "start", ours)
    assert await call() == PREDICTED


async def test_a_patch_that_drops_ours_is_noticed_by_the_next_world() -> None:
    with entered(CountingWorld()):
        pass
    ours = threading.Thread.start
    original = ours.__wrapped__  # type: ignore[attr-defined]
    threading.Thread.start = original  # type: ignore[method-assign]
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with entered(CountingWorld()):
        threading.Thread(target=lambda: results.put(pay_or_refusal(5))).start()
        assert await asyncio.to_thread(results.get) == PREDICTED
    assert threading.Thread.start is not original


async def test_a_function_that_is_pickled_inside_is_refused_where_it_is_unpickled() -> None:
    with entered(CountingWorld()):
        sent = pickle.dumps(carry(pay_or_refusal))
    assert "started inside" in str(pickle.loads(sent)(5))
    assert CANARIES == []


# --- refusals ---------------------------------------------------------------------------------


async def test_a_refusal_is_remembered_by_the_world_of_its_context() -> None:
    mine, other, beside = Remembers(), Remembers(), list[FirewallError]()
    with running_code("rehearsal", refused=beside.append):
        assert "an evaluator" in str(pay_or_refusal(5))
        assert [len(told) for told in (mine.refused, other.refused, beside)] == [0, 0, 1]
        with entered(other):
            pass
        with entered(mine):
            assert "to_thread" in str(pay_or_refusal(5))  # on the event loop, where it cannot wait
            late = carry(pay_or_refusal)
        assert "left behind" in str(late(5))
    assert [len(told) for told in (mine.refused, other.refused, beside)] == [2, 0, 1]
    assert "left behind" in str(late(5))
    assert len(mine.refused) == 3


async def test_a_refusal_of_unknown_origin_is_remembered_by_all_that_run_code_of_the_applications() -> None:
    inside, elsewhere, told = Remembers(), Remembers(), list[FirewallError]()
    with entered(elsewhere), running_code("commit", refused=told.append), entered(inside):
        assert "copy_context" in str(contextvars.Context().run(pay_or_refusal, 5))
        assert len(told) == len(inside.refused) == 1
        assert told[0] is inside.refused[0]
    assert elsewhere.refused == []  # it was entered where only a model acts
    assert contextvars.Context().run(pay_or_refusal, 5) == -5
    assert len(told) == 1
