"""Jobs for workers whose tasks end as no task should."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from artis_sdk.workers import Run


class Own(BaseException):
    pass


def elsewhere(process: int) -> Exception:
    if process != os.getpid():
        raise ValueError("only its own process can read it")
    return Bound("amiss")


class Bound(Exception):
    """An error or a result that only the process can read that made it."""

    def __reduce__(self) -> Any:
        return elsewhere, (os.getpid(),)


class Unnamed:
    def __repr__(self) -> str:
        raise ValueError("it has no name")


async def carried_out(task: Any) -> Any:
    """What the task says."""
    if isinstance(task, Unnamed):
        raise Own
    if task == "cancelled":
        raise asyncio.CancelledError
    if task == "cancels itself":
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await asyncio.sleep(1)
    if task == "nested":
        async with asyncio.TaskGroup() as group:
            group.create_task(carried_out("exits"))
    if task == "bound result":
        return Bound("result")
    raised = {
        "exits": SystemExit(3),
        "interrupted": KeyboardInterrupt(),
        "own": Own("odd"),
        "bound": Bound("amiss"),
    }
    if task in raised:
        raise raised[task]
    await asyncio.sleep(0.01)
    return task


@asynccontextmanager
async def job() -> AsyncIterator[Run[Any, Any]]:
    yield carried_out


@asynccontextmanager
async def unopened() -> AsyncIterator[Run[Any, Any]]:
    sys.exit("there is no model")
    yield carried_out
