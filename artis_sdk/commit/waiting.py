"""Waiting for real calls that still run, and detecting cancellation from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def is_cancelled() -> bool:
    """Whether this task was cancelled from outside, as opposed to its own code raising `CancelledError`."""
    task: asyncio.Task[Any] | None = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Running:
    """The calls of a commit that may change something and are carried out now, each in a task of its own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def to_its_end(self, carried_out: Coroutine[Any, Any, R], withdraw: Callable[[], None]) -> R:
        """Carry out a call; the first cancellation of its caller is passed on once it has ended.

        Args:
            carried_out: what carries it out.
            withdraw: told of the cancellation at once.
        """
        running = asyncio.create_task(carried_out)
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            withdraw()
            await drain({running}, grace=0)
            raise

    async def drained(self, *, grace: int) -> None:
        """Wait until all of them are done; see `drain`."""
        await drain(self._tasks, grace=grace)


async def drain(tasks: Collection[asyncio.Task[Any]], *, grace: int) -> None:
    """Wait until the tasks are done; their results and errors stay with them.

    Args:
        tasks: tasks of real calls.
        grace: number of the waiter's cancellations that leave them running; later ones interrupt them.
    """
    interrupted: asyncio.CancelledError | None = None
    while pending := {task for task in tasks if not task.done()}:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            grace -= 1
            if grace < 0:
                for task in pending:
                    task.cancel()
    if interrupted is not None:
        raise interrupted
