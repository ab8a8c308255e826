"""Guarded calls from libraries that start work in ways of their own: loky, gevent, trio, C, greenlets."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing.dummy
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from helpers.firewall import (
    CANARIES,
    PREDICTED,
    CountingWorld,
    Remembers,
    clean,
    look,
    pay,
    pay_or_refusal,
    rehearsed,
)

from artis_sdk import Session
from artis_sdk.errors import ConfigurationError, FirewallError
from artis_sdk.tools import entered, running_code

_clean = pytest.fixture(autouse=True)(clean)


def in_a_process_of_its_own(*lines: str) -> list[str]:
    """What a script prints, which has `rehearsed` and `call`, a guarded call or its refusal."""
    head = ("import asyncio", "from helpers.firewall import pay_or_refusal as call, rehearsed")
    script = "\n".join(
        (*head, "async def main():", *(f"    {line}" for line in lines), "asyncio.run(main())")
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- joblib and loky --------------------------------------------------------------------------

_ELSEWHERE = "started inside a rehearsal or commit of another process"
_JOBS = (
    "def jobs():",
    "    from joblib import Parallel, delayed",
    "    return Parallel(2, backend='loky')(delayed(call)(n) for n in (5, 6))",
)


@pytest.mark.slow
def test_a_job_for_a_warm_process_of_loky_is_refused_and_the_process_serves_others_later() -> None:
    pytest.importorskip("joblib")
    before, inside, after = in_a_process_of_its_own(
        *_JOBS, "print(jobs())", "print(await rehearsed(jobs))", "print(jobs())"
    )
    assert before == after == "[-5, -6]"
    assert inside.count(_ELSEWHERE) == 2


@pytest.mark.slow
def test_a_library_that_is_first_imported_inside_a_rehearsal_is_watched_too() -> None:
    pytest.importorskip("joblib")
    inside, after, loader = in_a_process_of_its_own(
        *_JOBS,
        "print(await rehearsed(jobs))",
        "print(jobs())",
        "import joblib.externals.loky.process_executor as module",
        "print(type(module.__loader__).__name__, type(module.__spec__.loader).__name__)",
    )
    assert inside.count(_ELSEWHERE) == 2
    assert after == "[-5, -6]"
    assert loader == "SourceFileLoader SourceFileLoader"  # as without us


# --- gevent -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_jobs_of_gevents_threads_and_greenlets_with_a_context_are_predicted() -> None:
    pytest.importorskip("gevent")
    found = in_a_process_of_its_own(
        "import contextvars, gevent.threadpool",
        "for job in (",
        "    lambda: gevent.get_hub().threadpool.apply(call, (5,)),",
        "    lambda: gevent.threadpool.ThreadPool(1).spawn(call, 5).get(),",
        "    lambda: gevent.threadpool.ThreadPoolExecutor(1).submit(call, 5).result(),",
        "    lambda: gevent.spawn(contextvars.copy_context().run, call, 5).get(),",
        "):",
        "    print(await asyncio.to_thread(job), await rehearsed(job), await asyncio.to_thread(job))",
    )
    assert found == [f"-5 {PREDICTED} -5"] * 4


@pytest.mark.slow
def test_a_greenlet_of_gevents_has_no_context_and_is_refused() -> None:
    pytest.importorskip("gevent")
    found = in_a_process_of_its_own(
        "import gevent.pool",
        "for job in (",
        "    lambda: gevent.spawn(call, 5).get(),",
        "    lambda: gevent.spawn_later(0.01, call, 5).get(),",
        "    lambda: gevent.pool.Pool(1).apply(call, (5,)),",
        "):",
        "    print(await rehearsed(job))",
    )
    assert len(found) == 3
    assert all("this call's context does not show whether" in refusal for refusal in found)


# --- trio -------------------------------------------------------------------------------------


async def in_trio() -> Any:
    return pay_or_refusal(5)


async def in_trios_thread() -> Any:
    trio = pytest.importorskip("trio")
    return await trio.to_thread.run_sync(pay_or_refusal, 5)


async def in_trios_task() -> Any:
    trio = pytest.importorskip("trio")
    found: list[Any] = []

    async def child() -> None:
        found.append(pay_or_refusal(5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
    return found[0]


@pytest.mark.parametrize("way", [in_trio, in_trios_thread, in_trios_task])
async def test_sync_calls_under_trio_are_predicted(way: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    trio = pytest.importorskip("trio")
    assert await rehearsed(lambda: trio.run(way)) == PREDICTED
    assert await asyncio.to_thread(trio.run, way) == -5


async def test_an_async_tool_that_is_awaited_under_trio_is_refused_and_the_refusal_remembered() -> None:
    trio = pytest.importorskip("trio")
    world = Remembers()
    refused = pytest.raises(FirewallError, match="an event loop that is not asyncio's")
    with running_code("rehearsal"), entered(world), refused:
        await asyncio.to_thread(trio.run, look, 5)
    assert len(world.refused) == 1
    assert CANARIES == []


def test_a_session_under_trio_says_that_it_runs_on_asyncio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        async with Session(agent="scripted:", tools=[pay]):
            pass

    with pytest.raises(ConfigurationError, match=r"a session runs on asyncio"):
        trio.run(main)


# --- C, threads by another name, greenlets ----------------------------------------------------


def called_by_qsort() -> Any:
    found: list[Any] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def compare(_: int, __: int) -> int:
        found.append(pay_or_refusal(5))
        return 0

    ctypes.CDLL(None).qsort((ctypes.c_int * 2)(2, 1), 2, ctypes.sizeof(ctypes.c_int), kind(compare))
    return found[0]


def called_by_a_thread_of_c() -> Any:
    found: list[Any] = []
    thread, c = ctypes.c_ulong(), ctypes.CDLL(None)
    start = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: found.append(pay_or_refusal(5)))
    c.pthread_create(ctypes.byref(thread), None, start, None)
    c.pthread_join(thread, None)
    return found[0]


def in_dummy_process() -> Any:
    found: list[Any] = []
    process = multiprocessing.dummy.Process(target=lambda: found.append(pay_or_refusal(5)))
    process.start()
    process.join()
    return found[0]


def in_dummy_pool() -> Any:
    with multiprocessing.dummy.Pool(1) as pool:
        return pool.map(pay_or_refusal, [5])[0]


@pytest.mark.parametrize("way", [called_by_qsort, in_dummy_process, in_dummy_pool])
async def test_a_call_that_keeps_its_context_is_predicted(way: Callable[[], Any]) -> None:
    assert await rehearsed(way) == PREDICTED
    assert way() == -5


@pytest.mark.skipif(sys.platform == "win32", reason="starts a thread by pthread_create")
async def test_a_thread_that_c_starts_is_refused() -> None:
    assert "this call's context does not show whether" in await rehearsed(called_by_a_thread_of_c)


async def test_a_call_in_a_greenlet_of_sqlalchemys_is_predicted() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy.util")
    from artis_sdk.tools.bridge import with_sync_calls

    def body() -> Any:
        sqlalchemy.await_only(asyncio.sleep(0))
        return pay_or_refusal(5)

    with running_code("rehearsal"), entered(CountingWorld()):
        assert await with_sync_calls(lambda: sqlalchemy.greenlet_spawn(body)) == PREDICTED


# --- eager tasks ------------------------------------------------------------------------------


async def _thread() -> Any:
    return await asyncio.to_thread(pay_or_refusal, 5)


async def _sync() -> Any:
    return pay_or_refusal(5)


async def _eager() -> Any:
    return await asyncio.create_task(_sync())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are of Python 3.12")
async def test_no_real_body_runs_in_eager_tasks() -> None:
    from artis_sdk.tools.bridge import with_sync_calls

    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009  unknown before 3.12
    with running_code("rehearsal"), entered(CountingWorld()):
        assert await asyncio.create_task(_thread()) == PREDICTED
        assert await with_sync_calls(_thread) == PREDICTED
        assert await asyncio.create_task(look(5)) == PREDICTED
        assert await with_sync_calls(_eager) == PREDICTED
    assert CANARIES == []
