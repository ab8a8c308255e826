"""Tasks that end as no task should: the run ends, and says which task and what it raised."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from typing import Any

import pytest
from helpers.ending_jobs import Unnamed, job, unopened

from artis_sdk.errors import WorkerLost
from artis_sdk.workers import Here, ProcessWorkers, TaskEnded, WorkerPool, results

BOUND = 120.0
"""Seconds in which a run ends, far above what it takes: starting a process takes seconds."""


async def taken(pool: WorkerPool, tasks: list[Any], opening: Any = job) -> list[Any]:
    async with asyncio.timeout(BOUND), aclosing(results(pool, opening, tasks, at_once=2)) as found:
        return [result async for result in found]


ENDINGS = {
    "cancelled": "CancelledError",
    "cancels itself": "CancelledError",
    "exits": "SystemExit: 3",
    "interrupted": "KeyboardInterrupt",
    "own": "Own: odd",
}
NESTED = {"nested": "SystemExit: 3"}
"""What ends the event loop before the task itself ends."""


@pytest.mark.slow
@pytest.mark.parametrize("task", [*ENDINGS, *NESTED])
async def test_a_task_that_ends_its_process_ends_the_run_with_its_reason(task: str) -> None:
    with pytest.raises(TaskEnded) as ended:
        await taken(ProcessWorkers(1), [task, "good", "good"])
    assert str(ended.value) == f"task {task!r} ended with {(ENDINGS | NESTED)[task]}"


@pytest.mark.parametrize("task", ENDINGS)
async def test_without_workers_the_reason_is_the_same(task: str) -> None:
    with pytest.raises(TaskEnded) as ended:
        await taken(Here(), [task, "good", "good"])
    assert str(ended.value) == f"task {task!r} ended with {ENDINGS[task]}"


async def test_a_task_without_a_name_is_told_by_another() -> None:
    with pytest.raises(TaskEnded, match=r"^task <Unnamed instance at \w+> ended with Own$"):
        await taken(Here(), [Unnamed()])


async def test_a_run_that_is_cancelled_is_cancelled() -> None:
    waiting = asyncio.create_task(taken(Here(), ["good"] * 10_000))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("bound", "task 'bound' failed with Bound: amiss"),
        (
            "bound result",
            "the result of task 'bound result' cannot be read in this process: ValueError: only",
        ),
    ],
)
async def test_what_only_the_worker_can_read_is_told_in_words(task: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        await taken(ProcessWorkers(1), ["good", task, "good"])


@pytest.mark.slow
async def test_what_ends_a_worker_is_told_with_its_loss() -> None:
    with pytest.raises(
        WorkerLost, match=r"has lost 3 workers, .* ended with code 1: SystemExit: there is no"
    ):
        await taken(ProcessWorkers(1), ["good"], unopened)


PROGRAM = """
import asyncio
from contextlib import aclosing
from helpers.ending_jobs import job
from artis_sdk.workers import Here, results

async def main():
    try:
        async with aclosing(results(Here(), job, ["nested", "good"], at_once=2)) as found:
            print([result async for result in found])
    finally:
        print("left in order")

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_program_that_a_nested_task_ends_is_left_in_order() -> None:
    """Such a task ends the event loop itself, as asyncio has it: the caller's code is left."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "left in order\n", "")
