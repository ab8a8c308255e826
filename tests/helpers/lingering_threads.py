"""The threads of stores that linger after their last session."""

from __future__ import annotations

import asyncio
import threading


async def end_of_threads(before: set[threading.Thread], *, name: str = "artis") -> None:
    """Wait until the threads whose names begin so have ended, but for those from before."""
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(name):
            await asyncio.to_thread(thread.join, 20)
            assert not thread.is_alive(), f"{thread.name} has not ended"
