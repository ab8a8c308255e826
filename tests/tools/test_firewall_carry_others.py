"""The carried context beside the application's own variables and the patches of other libraries."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import functools
import pickle
import queue
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers.carried import Subclass
from helpers.firewall import (
    CANARIES,
    PREDICTED,
    CountingWorld,
    Remembers,
    clean,
    pay,
    pay_or_refusal,
)

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, running_code
from artis_sdk.tools.carry import carry

_clean = pytest.fixture(autouse=True)(clean)


# --- the end of the interpreter --------------------------------------------------------------


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
    assert "last: pay: refused: the rehearsal or commit that this call belongs to is over" in ended.stdout
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
        assert "that this call belongs to is over" in str(late(5))
    assert [len(told) for told in (mine.refused, other.refused, beside)] == [2, 0, 1]
    assert "that this call belongs to is over" in str(late(5))
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
