"""Waiting for real calls that still run, and detecting cancellation from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


def is_cancelled() -> bool:
    """Whether this task was cancelled from outside, as opposed to its own code raising `CancelledError`."""
    task: asyncio.Task[Any] | None = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
