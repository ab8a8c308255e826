"""How late an event loop comes round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_EVERY = 0.005  # seconds


@asynccontextmanager
async def loop_lags() -> AsyncIterator[list[float]]:
    """The delays of the loop's rounds during the block, in seconds; each is added as it ends."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_EVERY)
            lags.append(time.perf_counter() - began - _EVERY)

    watching = asyncio.create_task(watch())
    try:
        yield lags
    finally:
        watching.cancel()
