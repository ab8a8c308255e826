"""Two workers against one, and what a task costs beside its work: processes and Ray actors of this machine.

    python benchmarks/workers.py                      # both; Ray where it is installed
    python benchmarks/workers.py --tasks 80 --seconds 0.25
    python benchmarks/workers.py --waiting            # tasks that wait, as for a model elsewhere

A task computes for so many seconds of CPU, or waits as long. The share of ideal is the wall time with one
worker over twice that with two; starting the workers is measured apart. An empty task is sent and answered
2,000 times.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from artis_sdk.workers import Job, ProcessWorkers, RayWorkers, Run, WorkerPool, results

EMPTY = 2000  # tasks without work


@asynccontextmanager
async def busy(seconds: float) -> AsyncIterator[Run[int, int]]:
    """Tasks that take so many seconds of CPU each."""

    async def run(number: int) -> int:
        began = time.process_time()
        while time.process_time() - began < seconds:
            pass
        return number

    yield run


@asynccontextmanager
async def waiting(seconds: float) -> AsyncIterator[Run[int, int]]:
    """Tasks that wait so many seconds each."""

    async def run(number: int) -> int:
        await asyncio.sleep(seconds)
        return number

    yield run


async def timed(pool: WorkerPool, job: Job[int, int], tasks: int, at_once: int) -> tuple[float, float]:
    """Seconds until the first result, and from there to the last."""
    began = time.perf_counter()
    first = 0.0
    async with aclosing(results(pool, job, range(tasks), at_once=at_once)) as found:
        async for _ in found:
            first = first or time.perf_counter() - began
    return first, time.perf_counter() - began - first


async def measure(
    kind: type[ProcessWorkers] | type[RayWorkers], tasks: int, seconds: float, waits: bool
) -> dict[str, float]:
    """What one kind of worker costs."""
    job = partial(waiting if waits else busy, seconds)
    walls = {}
    started = 0.0
    empty = 0.0
    for size in (1, 2):
        began = time.perf_counter()
        pool: WorkerPool = kind(size)
        made = time.perf_counter() - began
        first, rest = await timed(pool, job, tasks, 1)
        walls[size] = rest / (tasks - size)  # the first result of each worker is not in it
        started = max(started, made + first - seconds)
        if size == 2:
            empty = (await timed(pool, partial(busy, 0.0), EMPTY, 8))[1] / EMPTY
        await pool.aclose()
    return {
        "start, s": started,
        "a task with one worker, s": walls[1],
        "a task with two, s": walls[2],
        "share of ideal": walls[1] / (2 * walls[2]),
        "an empty task, ms": 1e3 * empty,
    }


async def run(tasks: int, seconds: float, waits: bool) -> dict[str, dict[str, float]]:
    """All kinds that are installed."""
    kinds: dict[str, type[ProcessWorkers] | type[RayWorkers]] = {"processes": ProcessWorkers}
    if find_spec("ray") is not None:
        kinds["Ray"] = RayWorkers
    return {name: await measure(kind, tasks, seconds, waits) for name, kind in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU of a task")
    parser.add_argument("--waiting", action="store_true", help="tasks wait instead of computing")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments.tasks, arguments.seconds, arguments.waiting))
    table = Table("", *found)
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{of[name]:.3f}" for of in found.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
