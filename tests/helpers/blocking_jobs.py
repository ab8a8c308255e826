"""A job whose workers take nothing in any more."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from artis_sdk.workers import Run


def block(began: Path) -> None:
    began.touch()
    time.sleep(3600)


@asynccontextmanager
async def blocked(began: Path) -> AsyncIterator[Run[str, int]]:
    """The length of a text; `block` keeps the worker's event loop for itself once `began` exists."""

    async def run(task: str) -> int:
        if task == "block":
            block(began)
        return len(task)

    yield run
