"""Many tasks of a session, and of any job: none is lost unseen, and an error says whose it is."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.blocking_jobs import blocked
from helpers.charges import Charged
from helpers.sessions import unjudged
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk import Sequential, Session, guarded_tool
from artis_sdk.errors import ConfigurationError
from artis_sdk.workers import Here, ProcessWorkers, TaskEnded, WorkerPool, opened, processes, results

_LONGEST = 120.0  # seconds


@guarded_tool
async def charge(amount: int) -> str:
    """Charge."""
    raise AssertionError("a rehearsal charges nothing")


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    if task.startswith("exit"):
        raise SystemExit(task)
    await tools["charge"](amount=len(task))
    return task


def session(folder: Path) -> Session:
    return unjudged(agent, [charge], folder / "j.db", simulator=Charged(), strategy=Sequential(2))


async def test_an_error_says_which_task_it_is_of_and_not_its_words(tmp_path: Path) -> None:
    """The words may hold a secret, and errors are logged."""
    async with session(tmp_path) as one:
        found = one.rehearse_many(["first", "second", "", "fourth"], at_once=1)
        assert [(await anext(found)).task.query for _ in range(2)] == ["first", "second"]
        with pytest.raises(ConfigurationError, match="the task is empty") as raised:
            await anext(found)
        assert raised.value.__notes__ == ["raised by task number 3"]
        with pytest.raises(TaskEnded) as ended:
            _ = [plan async for plan in one.rehearse_many(["first", "exit: the password is hunter2"])]
    assert str(ended.value).startswith("task number 2 ended with SystemExit")


@pytest.mark.parametrize("tasks", [None, 3, b"ab", ["first", 2]])
async def test_what_is_no_list_of_tasks_is_refused(tasks: Any, tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        with pytest.raises(ConfigurationError, match=r"must be (a str|an iterable of texts), not"):
            _ = [plan async for plan in one.rehearse_many(tasks, at_once=1)]


@pytest.mark.parametrize("at_once", [0, -1, True, 1.5, "8", None])
async def test_at_once_is_a_positive_number(at_once: Any, tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        with pytest.raises(ConfigurationError, match="at_once must be a whole number above 0"):
            _ = [plan async for plan in one.rehearse_many(["first"], at_once=at_once)]


class Nobody(Here):
    size = 0


@pytest.mark.parametrize(("pool", "at_once"), [(Here(), 0), (Nobody(), 1)])
async def test_tasks_that_nobody_would_get_are_not_dropped(pool: WorkerPool, at_once: int) -> None:
    with pytest.raises(ConfigurationError, match="there must be a worker"):
        _ = [result async for result in results(pool, opened(asyncio.sleep), [0, 0], at_once=at_once)]


async def test_a_session_that_is_closed_under_its_tasks_says_so(tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        plans = one.rehearse_many([f"task {n}" for n in range(50)], at_once=2)
        await anext(plans)
    with pytest.raises((ConfigurationError, TaskEnded), match=r"closed|inside `async with"):
        _ = [plan async for plan in plans]


async def test_a_reader_that_is_cancelled_while_the_workers_end_is_cancelled() -> None:
    """As by `asyncio.timeout` around the loop, which would go on without its limit."""
    ending, let_go = asyncio.Event(), asyncio.Event()

    async def slow_to_end(task: int) -> int:
        if task == 0:
            return task
        try:
            await asyncio.sleep(_LONGEST)
        finally:
            ending.set()
            await let_go.wait()
        return task

    async def reader() -> str:
        async with aclosing(results(Here(), opened(slow_to_end), [0, 1], at_once=2)) as found:
            async for _ in found:
                break
        return "went on"

    reading = asyncio.create_task(reader())
    async with asyncio.timeout(_LONGEST):
        await ending.wait()
        reading.cancel()
        asyncio.get_running_loop().call_later(0.05, let_go.set)
        with pytest.raises(asyncio.CancelledError):
            await reading


def there(path: Path) -> None:
    while not path.exists():
        time.sleep(0.05)
    time.sleep(0.2)  # a pipe fills meanwhile


@pytest.mark.slow
async def test_a_worker_that_takes_nothing_in_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipe is full, so it is not even told that it is to end."""
    monkeypatch.setattr(processes, "_END", 0.5)
    began = tmp_path / "began"

    async def reader() -> None:
        tasks = ["block", *["x" * 1_000_000] * 3]
        async with aclosing(results(ProcessWorkers(1), partial(blocked, began), tasks, at_once=4)) as found:
            async for _ in found:
                pass

    async with asyncio.timeout(_LONGEST):
        reading = asyncio.create_task(reader())
        await asyncio.to_thread(there, began)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert multiprocessing.active_children() == []


@settings(max_examples=60, deadline=None)
@given(
    waits=st.lists(st.integers(0, 4), max_size=12),
    wrong=st.sets(st.integers(0, 11)),
    at_once=st.integers(1, 5),
    read=st.integers(0, 14),
)
def test_each_task_has_one_result_or_the_error_that_is_raised(
    waits: list[int], wrong: set[int], at_once: int, read: int
) -> None:
    """Whatever the order in which they end, whichever fail, and however few are read."""
    carried_out = Counter[int]()

    async def run(task: int) -> int:
        carried_out[task] += 1
        for _ in range(waits[task]):
            await asyncio.sleep(0)
        if task in wrong:
            raise ValueError(task)
        return task

    async def taken() -> tuple[list[int], ValueError | None]:
        got = list[int]()
        async with aclosing(results(Here(), opened(run), range(len(waits)), at_once=at_once)) as found:
            try:
                while len(got) < read:
                    got.append(await anext(found))
            except StopAsyncIteration:
                pass
            except ValueError as error:
                return got, error
        assert len(asyncio.all_tasks()) == 1, "nothing is left running"
        return got, None

    got, error = asyncio.run(taken())
    assert len(set(got)) == len(got)
    assert set(carried_out.values()) <= {1}
    assert not set(got) & wrong
    if error is not None:
        assert error.__notes__ == [f"raised by task {error.args[0]}"]
        assert error.args[0] in wrong
    elif read > len(waits):
        assert set(got) == set(range(len(waits))), "none failed, so none is missing"
