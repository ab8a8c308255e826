"""A session from code that is not async."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from artis_sdk.errors import ConfigurationError

S = TypeVar("S")
T = TypeVar("T")


def in_sync(session: AbstractAsyncContextManager[S], work: Callable[[S], Awaitable[T]], name: str) -> T:
    """Open the session on an event loop of its own, do one piece of work, and close it.

    Args:
        session: a session that was not entered yet.
        work: the work.
        name: name of the async method that does the same.

    Raises:
        ConfigurationError: an event loop is running in this thread.
    """
    if asyncio._get_running_loop() is not None:
        raise ConfigurationError(
            f"{name}_sync() was called in a running event loop, which it would block: write "
            f"`async with session: await session.{name}(...)` there; in a notebook, too"
        )

    async def whole() -> T:
        async with session as opened:
            return await work(opened)

    return asyncio.run(whole())
