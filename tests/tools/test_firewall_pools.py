"""Processes of multiprocessing, pools among them: refused inside a world what the world gives them."""

# Tests wait for processes where they start them.
# ruff: noqa: ASYNC221

from __future__ import annotations

import asyncio
import contextvars
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from helpers.firewall import CountingWorld, clean, pay, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, running_code

METHODS = ["fork", "spawn", "forkserver"]

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


_clean = pytest.fixture(autouse=True)(clean)


def answer(queue: Any) -> None:
    queue.put(pay_or_refusal(5))


@pytest.mark.parametrize("method", METHODS)
async def test_process_started_in_a_world_is_refused(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with entered(CountingWorld()):
        queue = context.SimpleQueue()
        process = context.Process(target=answer, args=(queue,))
        process.start()
        assert "started inside" in await asyncio.to_thread(queue.get)
        process.join()
    process = context.Process(target=answer, args=(queue,))
    process.start()
    assert queue.get() == -5
    process.join()


async def test_spawned_process_is_marked_before_it_imports_the_main_module(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import asyncio, multiprocessing
            from helpers.firewall import CountingWorld, pay_or_refusal
            from artis_sdk.tools import entered

            if __name__ == "__mp_main__":
                print("import:", pay_or_refusal(5))

            async def main():
                with entered(CountingWorld()):
                    process = multiprocessing.get_context("spawn").Process(target=print)
                    process.start()
                    process.join()

            if __name__ == "__main__":
                asyncio.run(main())
        """)
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert "import: pay: refused: this process" in ended.stdout


@pytest.mark.parametrize("method", METHODS)
async def test_executor_is_refused_what_a_world_gives_it_and_nothing_else(method: str) -> None:
    """Whether its process was there before, or is started for the very call."""
    context: Any = multiprocessing.get_context(method)
    with (
        ProcessPoolExecutor(1, mp_context=context) as warm,
        ProcessPoolExecutor(1, mp_context=context) as new,
    ):
        assert warm.submit(pay_or_refusal, 1).result(60) == -1
        for pool in (warm, new):
            with entered(CountingWorld()):
                loop = asyncio.get_running_loop()
                assert "started inside" in str(await loop.run_in_executor(pool, pay_or_refusal, 5))
                assert "started inside" in str(
                    await asyncio.to_thread(list, pool.map(pay_or_refusal, [5, 6]))
                )
                error = await asyncio.to_thread(pool.submit(pay, 5).exception, 60)
                assert isinstance(error, FirewallError)
                elsewhere = contextvars.Context().run(pool.submit, pay_or_refusal, 2)
                assert await asyncio.wrap_future(elsewhere) == -2
            assert pool.submit(pay_or_refusal, 5).result(60) == -5
            with running_code("rehearsal"):
                elsewhere = contextvars.Context().run(pool.submit, pay_or_refusal, 2)
                assert "started inside" in str(await asyncio.wrap_future(elsewhere))
            assert pool.submit(pay_or_refusal, 5).result(60) == -5


def put_off(n: int) -> None:
    LATE.append(threading.Timer(0.0, lambda: RESULTS.put(pay_or_refusal(n))))
    LATE[0].start()


def late_result(_: int) -> Any:
    return RESULTS.get()


LATE: list[threading.Timer] = []
RESULTS: SimpleQueue[Any] = SimpleQueue()


async def test_what_a_given_call_leaves_behind_in_a_pools_process_is_refused() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(pay_or_refusal, 1).result(60) == -1
        with entered(CountingWorld()):
            pool.submit(put_off, 5).result(60)
        assert "started inside" in pool.submit(late_result, 0).result(60)


def serve(jobs: Any, results: Any) -> None:
    """An application's own worker process."""
    get = jobs.recv if hasattr(jobs, "recv") else jobs.get
    while (job := get()) is not None:
        results.put(job[0](*job[1:]) if isinstance(job, tuple) else job())


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue", "Pipe"])
async def test_own_worker_process_is_refused_the_functions_that_a_world_sends_it(kind: str) -> None:
    processes = multiprocessing.get_context("spawn")
    if kind == "Pipe":
        there, here = processes.Pipe(duplex=False)
        send = here.send
    else:
        there = getattr(processes, kind)()
        send = there.put
    results = processes.SimpleQueue()
    worker = processes.Process(target=serve, args=(there, results))
    worker.start()
    send((pay_or_refusal, 1))
    assert await asyncio.to_thread(results.get) == -1
    with entered(CountingWorld()):
        send((pay_or_refusal, 2))
        assert "started inside" in await asyncio.to_thread(results.get)
        send(functools.partial(pay_or_refusal, 3))
        assert "started inside" in await asyncio.to_thread(results.get)
    send((pay_or_refusal, 4))
    assert await asyncio.to_thread(results.get) == -4
    send(None)
    worker.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_pool_is_refused_what_a_world_gives_it_and_nothing_else(method: str) -> None:
    back: SimpleQueue[Any] = SimpleQueue()

    def call_back(result: Any) -> None:
        back.put((result, pay_or_refusal(3)))

    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(pay_or_refusal, (1,)) == -1
        with entered(CountingWorld()):
            results = [
                pool.apply(pay_or_refusal, (5,)),
                *pool.map(pay_or_refusal, [5]),
                *pool.starmap(pay_or_refusal, [(5,)]),
                *pool.imap(pay_or_refusal, [5]),
                *pool.imap_unordered(func=pay_or_refusal, iterable=[5]),
            ]
            pool.apply_async(pay_or_refusal, (5,), callback=call_back)
            result, call = await asyncio.to_thread(back.get)
            results.append(result)
        assert all("started inside" in str(result) for result in results)
        assert call == 1000  # called back in this process, in the same world
        assert pool.map(pay_or_refusal, [5]) == [-5]


def fail_if_real() -> None:
    if pay_or_refusal(5) == -5:
        os.kill(os.getppid(), signal.SIGABRT)


@pytest.mark.parametrize("kind", ["executor", "pool"])
async def test_initializer_that_a_world_gives_a_pool_is_refused(kind: str) -> None:
    context = multiprocessing.get_context("fork")
    with entered(CountingWorld()):
        if kind == "pool":
            with context.Pool(1, fail_if_real) as pool:
                pool.apply(abs, (1,))
        else:
            with ProcessPoolExecutor(1, context, fail_if_real) as executor:
                await asyncio.wrap_future(executor.submit(abs, 1))
