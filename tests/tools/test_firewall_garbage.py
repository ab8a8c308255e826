"""Last words: guarded calls of a `__del__` and of an async generator's end, in what is garbage."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import queue
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from helpers.firewall import WARM, CountingWorld, Dies, Worker, clean, pay_or_refusal

from artis_sdk.tools import entered, running_code
from artis_sdk.tools.world import Kind

_clean = pytest.fixture(autouse=True)(clean)


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
    assert "during garbage collection" in said[0]
    Dies(lambda: innocent.append(pay_or_refusal(5)))
    gc.collect()
    assert innocent == [-5]


def _in_a_warm_pool(call: Callable[[], None]) -> None:
    WARM.submit(call)


def _in_a_thread(call: Callable[[], None]) -> None:
    threading.Thread(target=call).start()


def _by_a_timer(call: Callable[[], None]) -> None:
    threading.Timer(0.0, call).start()


def _in_a_queue(call: Callable[[], None]) -> None:
    BEFORE.jobs.put((call, ()))


def _on_the_loop(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon_threadsafe(call)


def _in_a_task(call: Callable[[], None]) -> None:
    async def task() -> None:
        await asyncio.sleep(0)
        call()

    WORK.append(asyncio.ensure_future(task()))


WORK: list[object] = []
BEFORE = Worker()
STARTS = [_in_a_warm_pool, _in_a_thread, _by_a_timer, _in_a_queue, _on_the_loop, _in_a_task]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_what_last_words_start_is_refused_too(
    start: Callable[[Callable[[], None]], None], meanwhile: bool
) -> None:
    """Also what is started in the rehearsal, and comes after it, in a context that belongs to nobody."""
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()
    go = threading.Event()

    def call() -> None:
        go.wait(9 if threading.current_thread() is not threading.main_thread() else 0)
        said.put(pay_or_refusal(5))

    with running_code("rehearsal"), entered(CountingWorld()):
        Dies(lambda: start(call))
        if meanwhile:
            contextvars.Context().run(gc.collect)
    gc.collect()
    go.set()
    assert "during garbage collection" in await asyncio.to_thread(said.get, timeout=9)
    assert WARM.submit(pay_or_refusal, 1).result() == -1  # the pool's threads are free
    gc.collect()
    gc.collect()


async def test_an_async_generator_that_a_rehearsal_leaves_in_a_cycle_is_closed_without_a_call() -> None:
    said: list[Any] = []

    async def steps() -> AsyncIterator[None]:
        me = held[0]
        try:
            yield
        finally:
            said.append(pay_or_refusal(5))
        del me

    held: list[Any] = []
    with running_code("rehearsal"), entered(CountingWorld()):
        generator = steps()
        held.append(generator)
        await anext(generator)
        del generator
        held = []
    gc.collect()
    await asyncio.sleep(0.01)
    assert "is over" in said[0]
    gc.collect()


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
    assert "during garbage collection" in ended.stdout
