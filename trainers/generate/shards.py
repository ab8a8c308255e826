"""Generation shared by workers: pieces of the budget, each with a seed of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artis_sdk.logs import CallLog
from artis_sdk.logs.call_store import CallStore
from artis_sdk.records import CallRecord
from artis_sdk.trainers.generate.coverage import LOG, Coverage
from artis_sdk.trainers.generate.run import Generated, GenerationProgress
from artis_sdk.trainers.generate.runner import GenerationBudget
from artis_sdk.workers import Run, WorkerPool, results

CALLS: Final = 1000
"""Calls of a shard: the same for any number of workers, so that these add the same rows."""
_SEEDS = 1_000_003  # between the seeds of two shards


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of the budget."""

    seed: int
    budget: GenerationBudget


@dataclass(slots=True)
class ShardResult:
    """What a shard has made."""

    records: list[CallRecord]
    coverage: Coverage
    tasks: int
    hung: Counter[str]
    refused: Counter[str]
    notes: list[str] = field(default_factory=list)


Generating = Callable[..., Awaitable[Generated]]
"""Generates the rows of a `Shard` into a log: `generate` with its other arguments, but for `on_progress`."""
Opening = Callable[[], AbstractAsyncContextManager[Generating]]
"""Makes what generation needs in a worker, such as the tools and a model; it is sent there."""


async def generate_shards(
    pool: WorkerPool,
    opening: Opening,
    budget: GenerationBudget,
    seed: int,
    *,
    out: CallStore,
    on_progress: Callable[[GenerationProgress], None] | None = None,
) -> Generated:
    """As `generate`, by workers. The rows of a shard are added when it is done, so that one whose worker was
    lost is made again and adds its rows once; their ids follow from the seed, so that a repeated run adds
    nothing.

    Args:
        pool: the workers.
        opening: how each makes what generation needs.
        budget: budget of all shards.
        seed: seed, from which each shard has its own; the first one has this.
        out: log to which rows are added.
        on_progress: callback for progress, after each shard.

    Raises:
        WorkerLost: a shard has ended three workers; the rows so far are in the log.
        Exception: see `generate`.
    """
    made: Generated | None = None
    async with aclosing(results(pool, partial(_sharing, opening), shards(budget, seed))) as found:
        async for one in found:
            if made is None:
                made = Generated(out, Coverage(one.coverage.modes))
            for record in one.records:
                out.append(record)
            made.coverage.merge(one.coverage)
            made.rows += len(one.records)
            made.tasks += one.tasks
            made.hung += one.hung
            made.refused += one.refused
            made.notes += (note for note in one.notes if note not in made.notes)
            if on_progress is not None:
                coverage = made.coverage
                calls = sum(number for source, number in coverage.calls.items() if source != LOG)
                on_progress(
                    GenerationProgress("shards", calls, made.rows, coverage.reached, len(coverage.modes))
                )
            if made.coverage.share >= budget.coverage:
                break
    await asyncio.to_thread(out.flush)
    assert made is not None
    return made


@asynccontextmanager
async def _sharing(opening: Opening) -> AsyncIterator[Run[Shard, ShardResult]]:
    """A worker's job: it makes the rows of a shard in a log of its own."""
    async with opening() as generating:

        async def run(shard: Shard) -> ShardResult:
            with (
                TemporaryDirectory(prefix="artis-shard-") as folder,
                CallLog(Path(folder) / "rows.db") as log,
            ):
                made = await generating(shard, log)
                records = await asyncio.to_thread(lambda: list(log.records()))
            return ShardResult(records, made.coverage, made.tasks, made.hung, made.refused, made.notes)

        yield run


def shards(budget: GenerationBudget, seed: int) -> Iterator[Shard]:
    """The pieces of a budget, in order, until its time is over."""
    began = time.monotonic()
    for number, first in enumerate(range(0, budget.calls, CALLS)):
        left = None if budget.seconds is None else budget.seconds - (time.monotonic() - began)
        if number and left is not None and left <= 0:
            return
        calls = min(CALLS, budget.calls - first)
        yield Shard(seed + number * _SEEDS, replace(budget, calls=calls, seconds=left))
