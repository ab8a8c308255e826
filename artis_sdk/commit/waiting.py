"""Waiting for real calls that still run, and telling who cancelled whom."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


def is_cancelled() -> bool:
    """Whether somebody cancelled this task, rather than that its own code raised `CancelledError`."""
    task: asyncio.Task[Any] | None = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def drain(tasks: Collection[asyncio.Task[Any]], *, grace: int) -> None:
    """Wait until the tasks are done, whatever becomes of them.

    Args:
        tasks: real calls.
        grace: how many cancellations of the waiter leave them running; the next ones interrupt them.
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
