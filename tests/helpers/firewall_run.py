"""Random programs of guarded calls, carried out.

A program is a tree of nested tuples, `(kind, children)` or a leaf's name; `Run` carries it out from async
or sync code and counts what became of every guarded call.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

from helpers.firewall import (
    ASYNC_LEAVES,
    PREDICTED,
    REFUSALS,
    RUNS,
    SYNC_LEAVES,
    WARM,
    Dies,
    Worker,
    outer,
    outer_async,
    pay_or_refusal,
    simple_worker,
)

from artis_sdk.tools.world import current

LEFT_BEHIND: set[asyncio.Task[Any]] = set()
"""Keeps tasks that nobody waits for from being collected."""


SIMPLE_WORKER = simple_worker()


class Run:
    """Carries programs out and counts: predicted, failed (predicted so), refused, wrong.

    Args:
        name: by which `outer` finds it.
        processes: a pool of processes, older than the world.
    """

    def __init__(self, name: str, processes: ProcessPoolExecutor | None = None) -> None:
        self.name = name
        self.count: Counter[str] = Counter()
        self.threads: list[threading.Thread] = []
        self.put_off: list[threading.Thread] = []
        self.futures: list[Future[Any]] = []
        self.worker, self.simple_worker = Worker(), SIMPLE_WORKER
        self.joined = False
        """Nothing is waited for any more before the rehearsal ends."""
        self.over = threading.Event()
        """The rehearsal is over: what was put off until then goes on."""
        self._processes = processes
        RUNS[name] = self

    # --- leaves -------------------------------------------------------------------------------

    def _result(self, value: Any) -> None:
        self.count["predicted" if value == PREDICTED else "wrong"] += 1

    def sync_leaf(self, name: str) -> None:
        try:
            self._result(SYNC_LEAVES[name](7))
        except REFUSALS:
            self.count["refused"] += 1
        except LookupError:
            self.count["failed"] += 1

    async def async_leaf(self, name: str) -> None:
        try:
            self._result(await ASYNC_LEAVES[name](7))
        except REFUSALS:
            self.count["refused"] += 1
        except LookupError:
            self.count["failed"] += 1

    # --- sync programs ------------------------------------------------------------------------

    def sync(self, program: Any) -> None:
        if isinstance(program, str):
            if program in SYNC_LEAVES:
                self.sync_leaf(program)
            return
        kind, children = program
        getattr(self, f"sync_{kind}", self.sync_seq)(children)

    def sync_seq(self, children: list[Any]) -> None:
        for child in children:
            self.sync(child)

    def sync_handler(self, children: list[Any]) -> None:
        try:
            raise KeyError
        except KeyError:
            self.sync_seq(children)
        finally:
            self.sync_seq(children[:1])

    def sync_generator(self, children: list[Any]) -> None:
        def steps() -> Any:
            try:
                for child in children:
                    self.sync(child)
                    yield
            finally:
                self.sync_leaf("pay")

        for _ in steps():
            break

    def sync_context_run(self, children: list[Any]) -> None:
        contextvars.copy_context().run(self.sync_seq, children)

    def sync_empty_context(self, children: list[Any]) -> None:
        if not self.joined:  # afterwards nothing tells whose such a call is
            contextvars.Context().run(self.sync_seq, children)

    def sync_own_queue(self, children: list[Any]) -> None:
        if current.get() is not None or not self.joined:
            self.worker.jobs.put((self._elsewhere, (self.sync_seq, children)))

    def sync_own_simple_queue(self, children: list[Any]) -> None:
        if not self.joined:
            done: Future[None] = Future()
            self.futures.append(done)
            self.simple_worker.put((lambda: self._elsewhere(self.sync_seq, children), done))

    def sync_del(self, children: list[Any]) -> None:
        if not self.over.is_set():
            Dies(lambda: self._elsewhere(self.sync_seq, children), cycle=False)

    def sync_del_in_a_cycle(self, children: list[Any]) -> None:
        if not self.joined:  # afterwards the second full collection is the last that is watched
            Dies(lambda: self._elsewhere(self.sync_seq, children))

    def sync_finalizer(self, children: list[Any]) -> None:
        target = Dies(lambda: None, cycle=False)
        weakref.finalize(target, self._elsewhere, self.sync_seq, children)

    def sync_weak_callback(self, children: list[Any]) -> None:
        target = Dies(lambda: None, cycle=False)
        kept = weakref.ref(target, lambda _: self._elsewhere(self.sync_seq, children))
        del target, kept

    def sync_swallows(self, children: list[Any]) -> None:
        try:
            for leaf in SYNC_LEAVES.values():
                if leaf(7) != PREDICTED:
                    self.count["wrong"] += 1
        except Exception:  # noqa: BLE001  as agents do
            self.count["swallowed"] += 1
        self.sync_seq(children)

    def sync_timer(self, children: list[Any]) -> None:
        timer = threading.Timer(0.0, self._elsewhere, (self.sync_seq, children))
        timer.start()
        self.threads.append(timer)

    def sync_warm_pool(self, children: list[Any]) -> None:
        self.futures.append(WARM.submit(self._elsewhere, self.sync_seq, children))

    def sync_thread_pool(self, children: list[Any]) -> None:
        done: Future[None] = Future()
        pool = ThreadPool(1)
        pool.apply_async(
            self._elsewhere,
            (self.sync_seq, children),
            callback=done.set_result,
            error_callback=done.set_exception,
        )
        pool.close()
        self.futures.append(done)

    def sync_future_callback(self, children: list[Any]) -> None:
        future: Future[None] = WARM.submit(lambda: None)
        done: Future[None] = Future()

        def call(_: object) -> None:
            try:
                self._elsewhere(self.sync_seq, children)
            finally:
                done.set_result(None)

        future.add_done_callback(call)
        self.futures.append(done)

    def sync_process(self, children: list[Any]) -> None:
        if self._processes is not None and (current.get() is not None or not self.joined):
            future = self._processes.submit(pay_or_refusal, 7)
            future.add_done_callback(
                lambda future: self.count.update(
                    ["refused" if "refused" in str(future.result()) else "wrong"]
                )
            )
            self.futures.append(future)

    def sync_put_off(self, children: list[Any]) -> None:
        """What a thread does when the rehearsal is over."""
        self._put_off(self.sync_seq, children)

    def sync_put_off_in_pool(self, children: list[Any]) -> None:
        """What a thread hands to a pool then."""
        self._put_off(self.sync_warm_pool, children)

    def sync_put_off_by_timer(self, children: list[Any]) -> None:
        """What it starts a timer for then."""
        self._put_off(self.sync_timer, children)

    def _put_off(self, go_on: Callable[[list[Any]], None], children: list[Any]) -> None:
        def job() -> None:
            self.over.wait()
            go_on(children)

        if current.get() is not None:  # else nothing tells later whose it is
            thread = threading.Thread(target=job)
            thread.start()
            self.put_off.append(thread)

    def sync_raw_thread(self, children: list[Any]) -> None:
        self._start(self.sync_seq, children)

    def sync_thread_with_context(self, children: list[Any]) -> None:
        self._start(contextvars.copy_context().run, self.sync_seq, children)

    def sync_own_loop(self, children: list[Any]) -> None:
        self._start(contextvars.copy_context().run, asyncio.run, self.run_seq(children))

    def sync_outer(self, children: list[Any]) -> None:
        try:
            outer(self.name, ("seq", children))
        except REFUSALS:
            self.count["outer refused"] += 1

    def _start(self, target: Any, *args: Any) -> threading.Thread:
        thread = threading.Thread(target=self._elsewhere, args=(target, *args))
        thread.start()
        self.threads.append(thread)
        return thread

    def _elsewhere(self, call: Callable[..., Any], *args: Any) -> None:
        """Where nobody hears of a cancellation: in another thread, in what Python calls by itself."""
        try:
            call(*args)
        except asyncio.CancelledError:
            self.count["cancelled"] += 1

    # --- async programs -----------------------------------------------------------------------

    async def run(self, program: Any) -> None:
        if isinstance(program, str):
            if program in SYNC_LEAVES:
                self.sync_leaf(program)
            else:
                await self.async_leaf(program)
            return
        kind, children = program
        method = getattr(self, f"run_{kind}", None)
        if method is not None:
            await method(children)
        elif hasattr(self, f"sync_{kind}"):
            getattr(self, f"sync_{kind}")(children)
        else:
            await self.run_seq(children)

    async def run_seq(self, children: list[Any]) -> None:
        for child in children:
            await self.run(child)

    async def run_gather(self, children: list[Any]) -> None:
        await asyncio.gather(*(self.run(child) for child in children))

    async def run_group(self, children: list[Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(self.run(child))

    async def run_handler(self, children: list[Any]) -> None:
        try:
            raise KeyError
        except KeyError:
            await self.run_seq(children)
        finally:
            await self.run_seq(children[:1])

    async def run_async_generator(self, children: list[Any]) -> None:
        async def steps() -> Any:
            for child in children:
                await self.run(child)
                yield

        async for _ in steps():
            pass

    async def run_to_thread(self, children: list[Any]) -> None:
        await asyncio.to_thread(self.sync_seq, children)

    async def run_executor(self, children: list[Any]) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.sync_seq, children)

    async def run_executor_with_context(self, children: list[Any]) -> None:
        run = contextvars.copy_context().run
        await asyncio.get_running_loop().run_in_executor(None, run, self.sync_seq, children)

    async def run_own_pool(self, children: list[Any]) -> None:
        with ThreadPoolExecutor(1) as pool:
            await asyncio.wrap_future(pool.submit(self.sync_seq, children))

    async def run_empty_context_task(self, children: list[Any]) -> None:
        if not self.over.is_set():
            loop = asyncio.get_running_loop()
            await loop.create_task(self.run_seq(children), context=contextvars.Context())

    async def run_call_soon(self, children: list[Any]) -> None:
        asyncio.get_running_loop().call_soon(self.sync_seq, children)
        await asyncio.sleep(0)

    async def run_call_soon_threadsafe(self, children: list[Any]) -> None:
        call_soon = asyncio.get_running_loop().call_soon_threadsafe
        thread = self._start(call_soon, self.sync_seq, children)
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)

    async def run_done_callback(self, children: list[Any]) -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self.sync_seq(children))
        future.set_result(None)
        await asyncio.sleep(0)

    async def run_cancelled(self, children: list[Any]) -> None:
        async def guarded_cleanup() -> None:
            try:
                await self.run_seq(children)
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.shield(self.run_seq(children))
                raise

        task = asyncio.create_task(guarded_cleanup())
        try:
            await asyncio.sleep(0)
        finally:
            task.cancel()
        await asyncio.wait({task})

    async def run_left_behind(self, children: list[Any]) -> None:
        """A task that nobody waits for."""
        LEFT_BEHIND.add(task := asyncio.create_task(self.run_seq(children)))
        task.add_done_callback(LEFT_BEHIND.discard)

    async def run_outer(self, children: list[Any]) -> None:
        try:
            await outer_async(self.name, ("seq", children))
        except REFUSALS:
            self.count["outer refused"] += 1

    async def join(self) -> None:
        """Wait for all that programs started, and for what that starts, but for what they put off."""
        ours = asyncio.current_task()
        while True:
            await asyncio.sleep(0)
            if self.threads:
                await asyncio.to_thread(self.threads.pop().join)
            elif self.futures:
                await asyncio.wait([asyncio.wrap_future(self.futures.pop())])
            elif self.worker.jobs.unfinished_tasks:
                await asyncio.to_thread(self.worker.jobs.join)
            elif tasks := asyncio.all_tasks() - {ours}:
                await asyncio.wait(tasks)
            else:
                self.joined = True
                return

    def finish(self) -> None:
        """Let go on what was put off until after the rehearsal, and wait for its end."""
        self.over.set()
        while self.put_off or self.threads or self.futures:
            threads = self.put_off + self.threads
            self.put_off, self.threads = [], []
            for thread in threads:
                thread.join()
            while self.futures:
                self.futures.pop().result()
            self.worker.jobs.join()
        self.worker.end()
