"""The options of commands whose tasks several workers share."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, redirect_stdout
from typing import Annotated

import typer

from artis_sdk.workers import ProcessWorkers, RayWorkers, WorkerPool

Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that share the tasks, each with its own model; by default this one alone, and with "
        "--ray one for each CPU.",
        min=1,
    ),
]
OnRay = Annotated[
    bool,
    typer.Option(
        "--ray", help="Let actors of the Ray cluster of RAY_ADDRESS, else of one on this machine, share them."
    ),
]


@asynccontextmanager
async def worker_pool(workers: int | None, ray: bool) -> AsyncIterator[WorkerPool | None]:
    """The workers that the options ask for; None for this process alone.

    Raises:
        MissingExtraError: the extra `ray` is not installed.
        ConfigurationError: the cluster cannot be reached.
    """
    if not ray and workers is None:
        yield None
        return
    # Ray prints to the standard output that a worker has died, and a command's own words belong there.
    with redirect_stdout(sys.stderr) if ray else nullcontext():
        pool: WorkerPool = RayWorkers(workers) if ray else ProcessWorkers(workers or 1)
        try:
            yield pool
        finally:
            await pool.aclose()
