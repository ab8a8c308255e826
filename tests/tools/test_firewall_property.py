"""Random programs of guarded calls during a rehearsal: no real body runs, on any path, then or later."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from helpers.firewall import CANARIES, SYNC_LEAVES, WARM, CountingWorld, pay
from helpers.firewall_programs import (
    KINDS,
    LEAVES,
    garbage_of_its_own,
    little_patience,
    programs,
    warm_processes,
)
from helpers.firewall_run import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.tools import entered, running_code
from artis_sdk.tools.bridge import with_sync_calls

# A cancellation may come to a sync call in a generator's end or a `__del__`, where Python drops it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PROGRAMS = int(os.environ.get("ARTIS_TEST_PROGRAMS", "200"))
"""How many random programs are run."""


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with warm_processes() as pool:
        yield pool


def rehearse(
    program: object, *, runs_code: bool = True, processes: ProcessPoolExecutor | None = None
) -> tuple[Run, CountingWorld]:
    """Rehearse a program, then let go on what it has put off."""
    run, world = Run("run", processes), CountingWorld()

    async def main() -> None:
        with running_code("rehearsal", runs_code), entered(world):
            await with_sync_calls(lambda: run.run(program))
            await run.join()

    with garbage_of_its_own():
        asyncio.run(main())
    run.finish()
    return run, world


def free() -> None:
    """Calls that have nothing to do with a rehearsal are the plain functions."""
    called: list[int] = [pay(1), WARM.submit(pay, 1).result()]
    thread = threading.Thread(target=lambda: called.append(pay(1)))
    thread.start()
    thread.join()
    assert called == [-1, -1, -1]
    assert CANARIES == ["pay", "pay", "pay"]


def test_every_kind_of_program_is_drawn() -> None:
    assert {"to_thread", "executor", "raw_thread", "done_callback", "cancelled", "own_loop"} <= set(KINDS)
    assert {"outer", "call_soon_threadsafe", "generator", "own_pool", "left_behind"} <= set(KINDS)
    assert {
        "timer",
        "warm_pool",
        "thread_pool",
        "own_queue",
        "own_simple_queue",
        "process",
        "future_callback",
    } <= set(KINDS)
    assert {"del", "del_in_a_cycle", "finalizer", "weak_callback", "swallows"} <= set(KINDS)
    assert {"put_off", "put_off_in_pool", "put_off_by_timer"} <= set(KINDS)


@settings(deadline=None, max_examples=PROGRAMS, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs)
def test_no_real_body_runs_in_a_rehearsal_nor_later(program: object, processes: ProcessPoolExecutor) -> None:
    CANARIES.clear()
    with little_patience():
        run, world = rehearse(program, processes=processes)
    assert CANARIES == []
    assert run.count["wrong"] == 0
    # Each call that the program made was predicted by its own world or refused; a cancelled one may
    # have been predicted without its caller hearing of it.
    heard = run.count["predicted"] + run.count["failed"]
    assert heard <= world.handled
    assert len(world.threads) <= 1  # the world is only ever entered on its own event loop
    free()


IN_TASKS = ("gather", "group")
KEPT = ("to_thread", "context_run", "executor_with_context", "executor", "own_pool", "own_loop")
ALSO_KEPT = ("raw_thread", "timer", "warm_pool", "thread_pool", "finalizer", "future_callback", "own_queue")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4), st.booleans())
def test_calls_whose_context_is_kept_are_predicted_not_refused(leaves: list[str], runs_code: bool) -> None:
    CANARIES.clear()
    kept = [(kind, leaves) for kind in (*IN_TASKS, *KEPT, *ALSO_KEPT)]
    run, world = rehearse(("seq", [*kept, *leaves]), runs_code=runs_code)
    sync = sum(leaf in SYNC_LEAVES for leaf in leaves)
    assert CANARIES == []
    assert run.count["refused"] == 0
    # An event loop of its own, the agent's task and the tasks that it starts make the async calls too.
    assert run.count["predicted"] + run.count["failed"] == world.handled == 12 * sync + 4 * len(leaves)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["empty_context_task", "empty_context", "own_simple_queue"]),
    st.lists(st.sampled_from(list(SYNC_LEAVES)), min_size=1, max_size=4),
)
def test_calls_whose_context_is_lost_are_refused(kind: str, leaves: list[str]) -> None:
    CANARIES.clear()
    run, world = rehearse((kind, leaves))
    assert CANARIES == []
    assert run.count == {"refused": len(leaves)}
    assert world.handled == 0


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["put_off", "put_off_in_pool", "put_off_by_timer"]),
    st.lists(st.sampled_from(list(SYNC_LEAVES)), min_size=1, max_size=4),
    st.booleans(),
)
def test_calls_that_come_late_are_refused(kind: str, leaves: list[str], runs_code: bool) -> None:
    CANARIES.clear()
    run, world = rehearse((kind, leaves), runs_code=runs_code)
    assert CANARIES == []
    assert run.count == {"refused": len(leaves)}
    assert world.handled == 0
    free()
