"""The firewall on the paths that are easier told one by one: processes, leftovers, blocked loops."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from helpers.firewall import CANARIES, CountingWorld, look, pay, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import Invocation, Reply, current_world, entered, outside, running_code
from artis_sdk.tools.leftovers import working
from artis_sdk.tools.world import firewall


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    CANARIES.clear()
    yield
    assert not firewall.running
    assert "ARTIS_WORLD" not in os.environ


# --- outside and inside -----------------------------------------------------------------------


async def test_rehearsal_without_code_of_the_application_leaves_other_calls_alone() -> None:
    with running_code("rehearsal", False):
        assert pay(3) == -3


async def test_unknown_origin_is_refused_for_every_risk_with_what_to_do() -> None:
    with running_code("rehearsal"):
        with pytest.raises(FirewallError, match=r"copy_context\(\)\.run.*outside\(\)"):
            pay(3)
        with pytest.raises(FirewallError, match=r"asyncio\.to_thread"):
            await look(3)  # read-only
    assert CANARIES == []
    assert pay(3) == -3


async def test_outside_is_the_plain_function_and_cannot_be_claimed_inside() -> None:
    with running_code("rehearsal"):
        with outside():
            assert pay(3) == -3
            assert await asyncio.to_thread(pay, 4) == -4
        with entered(CountingWorld()), pytest.raises(FirewallError, match="belongs to a world"), outside():
            pytest.fail("entered")
    assert CANARIES == ["pay", "pay"]


async def test_rehearsals_overlap_and_the_last_one_opens_the_gate() -> None:
    first, second = running_code("rehearsal"), running_code("rehearsal")
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
    with running_code("rehearsal"):
        pass
    go.set()
    thread.join()
    assert result == [-5]


def test_leftovers_are_forgotten_when_they_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artis_sdk.tools.leftovers._PRUNE_EVERY", 0.0)
    _leave_behind(lambda: None, pool=None)
    assert firewall.active
    while working() and firewall.active:
        pay(1)
    pay(1)
    assert not firewall.active


# --- other processes --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_process_started_in_a_rehearsal_is_refused(method: str) -> None:
    context = multiprocessing.get_context(method)
    if method == "forkserver":  # running already: it does not know today's environment
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(pay_or_refusal, 1).result(60) == -1
    with running_code("rehearsal"), ProcessPoolExecutor(1, mp_context=context) as pool:
        assert "refused" in str(pool.submit(pay_or_refusal, 5).result(60))
        assert "refused" in str(pool.submit(pay, 5).exception(60))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(pay_or_refusal, 5).result(60) == -5
    assert CANARIES == []


def test_command_started_in_a_rehearsal_is_refused() -> None:
    command = [sys.executable, "-c", "from helpers.firewall import *; print(pay_or_refusal(5))"]
    with running_code("rehearsal"):
        inside = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    after = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
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
