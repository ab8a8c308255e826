"""Workers that are actors of a Ray cluster."""

from __future__ import annotations

import asyncio
import os
import pickle
from contextlib import AsyncExitStack, suppress
from typing import Any

from artis_sdk.errors import ConfigurationError, MissingExtraError, WorkerLost
from artis_sdk.workers.pool import Job, alone, once_open

_END = 30.0  # seconds that a worker has to close what its job opened


class RayWorkers:
    """Actors of the cluster that `RAY_ADDRESS` names, or of one on this machine that ends with the pool.

    Args:
        size: number of actors; None for as many as fit the cluster's CPUs now.
        cpus, gpus: what each of them reserves.

    Raises:
        MissingExtraError: the extra `ray` is not installed.
        ConfigurationError: the number is not positive, or the cluster cannot be reached.
    """

    def __init__(self, size: int | None = None, *, cpus: float = 1, gpus: float = 0) -> None:
        if size is not None and size < 1:
            raise ConfigurationError(f"the number of workers must be positive, not {size}")
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("workers on Ray", "ray") from error
        self._options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0}
        self._ours = not ray.is_initialized()
        if self._ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to Ray's makers
            try:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ConfigurationError(f"no Ray cluster can be reached or started: {error}") from error
        self._size = size or max(1, int(ray.cluster_resources().get("CPU", 1) / cpus))

    @property
    def size(self) -> int:
        """See `WorkerPool.size`."""
        return self._size

    async def start(self, job: Job[Any, Any], at_once: int) -> _Actor:
        """See `WorkerPool.start`."""
        import ray

        # One call more than tasks: closing need not wait for them.
        kind: Any = ray.remote(_Body).options(**self._options, max_concurrency=at_once + 1)
        try:
            worker = _Actor(kind.remote(job, os.getcwd()))
        except (TypeError, pickle.PicklingError) as error:
            raise ConfigurationError(f"the job cannot be sent to another process: {error}") from error
        return await once_open(worker, worker.open())

    async def aclose(self) -> None:
        """See `WorkerPool.aclose`: end the cluster that was started for it."""
        import ray

        if self._ours:
            ray.shutdown()


class _Body:
    """What runs in the actor's process."""

    def __init__(self, job: Job[Any, Any], folder: str) -> None:
        with suppress(OSError):  # another host may not have it
            os.chdir(folder)
        self._job = job
        self._stack = AsyncExitStack()
        self._run: Any = None

    async def open(self) -> None:
        self._run = await self._stack.enter_async_context(self._job())

    async def run(self, task: Any) -> Any:
        return await alone(self._run, task)

    async def close(self) -> None:
        await self._stack.aclose()


class _Actor:
    """An actor of the cluster."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def open(self) -> None:
        await self._answer(self._actor.open.remote())

    async def run(self, task: Any) -> Any:
        """See `Worker.run`."""
        return await self._answer(self._actor.run.remote(task))

    async def aclose(self) -> None:
        """See `Worker.aclose`."""
        import ray

        try:
            await asyncio.wait_for(self._answer(self._actor.close.remote()), _END)
        except (WorkerLost, TimeoutError):
            pass
        finally:
            ray.kill(self._actor)

    async def _answer(self, reference: Any) -> Any:
        from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

        try:
            return await reference
        except (ActorDiedError, ActorUnavailableError) as error:
            raise WorkerLost(f"the worker's actor is gone: {error}") from error
        except RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise (cause if isinstance(cause, Exception) else error) from None
