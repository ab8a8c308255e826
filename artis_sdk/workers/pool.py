"""Tasks are values: a worker gets one, gives its result back, and its loss costs the task a retry."""

from __future__ import annotations

import asyncio
import reprlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any, Final, Generic, Protocol, TypeVar

from artis_sdk.errors import ArtisError, ConfigurationError, WorkerLost
from artis_sdk.loop.strategies.base import together

T = TypeVar("T")
R = TypeVar("R")

Run = Callable[[T], Awaitable[R]]
"""Carries out one task."""
Job = Callable[[], AbstractAsyncContextManager[Run[T, R]]]
"""Opens in a worker what all of its tasks need, such as a model. It is sent to the workers, so it is a
function of a module, or a `functools.partial` of one over values."""

TRIES: Final = 3
"""Workers that a task may lose before it counts as what ends them."""


class TaskEnded(ArtisError):
    """A task ended with what is no error, such as SystemExit; it has no result and is not tried again."""


class Worker(Protocol):
    """One process that carries tasks out, several at once."""

    async def run(self, task: Any) -> Any:
        """The result of a task.

        Raises:
            WorkerLost: the process ended before.
            TaskEnded: see `alone`.
            Exception: what the job raised.
        """

    async def aclose(self) -> None:
        """Close what the job opened, and end the process."""


W = TypeVar("W", bound=Worker)


class WorkerPool(Protocol):
    """Where workers come from."""

    @property
    def size(self) -> int:
        """Number of workers at once."""

    async def start(self, job: Job[Any, Any], at_once: int) -> Worker:
        """Start a worker.

        Args:
            job: what it opens and does.
            at_once: number of tasks that it gets at the same time.

        Raises:
            Exception: what opening raised.
        """

    async def aclose(self) -> None:
        """Free what the pool itself holds."""


async def results(
    pool: WorkerPool, job: Job[T, R], tasks: Iterable[T], *, at_once: int = 1
) -> AsyncGenerator[R, None]:
    """The results of tasks as they come, in any order, one each. A task's error has a note that names it, and
    comes after the results that were there before.

    A task whose worker was lost is given to a new one. What a result leads to, such as a row in a file, is
    done by who reads the results, so a task that was carried out twice counts once.

    Args:
        pool: the workers; it stays open.
        job: what each worker opens and does.
        tasks: tasks, taken as there is room for them.
        at_once: number of tasks that each worker gets at the same time.

    Raises:
        ConfigurationError: there is no worker, or none that gets a task.
        WorkerLost: a task has lost three workers.
        TaskEnded: a task ended with SystemExit, KeyboardInterrupt, CancelledError or the like.
        Exception: what the job raised; the other workers are ended.
    """
    if pool.size < 1 or at_once < 1:
        raise ConfigurationError(
            f"there must be a worker, and at_once must be positive, not {pool.size} and {at_once}"
        )
    waiting = _Waiting(tasks)
    found: asyncio.Queue[R | _Over] = asyncio.Queue()
    seats = [_Seat(pool, job, at_once) for _ in range(pool.size)]

    async def lane(seat: _Seat[T, R]) -> None:
        while (given := waiting.next()) is not None:
            await asyncio.sleep(0)  # gives others a turn beside a job that never waits
            try:
                result = await seat.run(given.task)
            except WorkerLost as lost:
                waiting.again(given, lost)
            except TaskEnded as ended:
                current = asyncio.current_task()
                if current is not None and current.cancelling():  # the event loop is left because of it
                    raise asyncio.CancelledError from ended
                raise
            else:
                found.put_nowait(result)

    async def work() -> None:
        try:
            await together(*(lane(seat) for seat in seats for _ in range(at_once)))
        finally:
            try:
                await together(*(seat.aclose() for seat in seats))
            finally:
                found.put_nowait(_Over())

    working = asyncio.create_task(work())
    try:
        while not isinstance(result := await found.get(), _Over):
            yield result
        await working
    finally:
        await _ended_early(working)


async def _ended_early(working: asyncio.Task[None]) -> None:
    """Cancel the work of results that nobody reads any more, whatever it ends with, and wait for its end.

    Raises:
        CancelledError: who waits was cancelled meanwhile.
    """
    current = asyncio.current_task()
    before = 0 if current is None else current.cancelling()
    working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        if current is not None and current.cancelling() > before:
            raise
    except Exception:  # noqa: BLE001  the reader has what it wanted
        pass


async def alone(run: Run[T, R], task: T) -> R:
    """The result of a task, carried out in an asyncio task of its own.

    SystemExit and its like would end the event loop, and a task that cancels itself whoever waits for it;
    the others would then wait for ever, or nobody be told why.

    Raises:
        TaskEnded: it ended with a BaseException that is no Exception; the message names both.
        Exception: what it raised.
    """

    async def contained() -> R | TaskEnded:
        try:
            return await run(task)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001  it is told below
            return _ended(task, error)

    try:
        found = await asyncio.create_task(contained())
    except asyncio.CancelledError as error:
        current = asyncio.current_task()
        if current is None or current.cancelling():
            raise
        raise _ended(task, error) from error
    if isinstance(found, TaskEnded):
        raise found
    return found


def _ended(task: object, error: BaseException) -> TaskEnded:
    told = f"{named(task)} ended with {type(error).__name__}"
    return TaskEnded(f"{told}: {error}" if str(error) else told)


def named(task: object) -> str:
    """A task in messages, cut short."""
    return f"task {reprlib.repr(task)}"


async def once_open(worker: W, opening: Awaitable[None]) -> W:
    """A worker that has opened its job; it is closed where that fails.

    Args:
        worker: the worker.
        opening: wait for its job to be open.

    Raises:
        Exception: what opening raised.
    """
    try:
        await opening
    except BaseException:
        await worker.aclose()
        raise
    return worker


def opened(value: T) -> Callable[[], AbstractAsyncContextManager[T]]:
    """In place of what opens something: what is open already, and stays so."""
    return lambda: nullcontext(value)


class Here:
    """One worker: this process itself. The job need not be sent anywhere, so it may be any function."""

    size = 1

    async def start(self, job: Job[Any, Any], at_once: int) -> Worker:
        """See `WorkerPool.start`."""
        stack = AsyncExitStack()
        return _HereWorker(stack, await stack.enter_async_context(job()))

    async def aclose(self) -> None:
        """See `WorkerPool.aclose`: it holds nothing."""


class _HereWorker:
    """What the job opened here."""

    def __init__(self, stack: AsyncExitStack, run: Run[Any, Any]) -> None:
        self._stack = stack
        self._run = run

    async def run(self, task: Any) -> Any:
        """See `Worker.run`."""
        return await alone(self._run, task)

    async def aclose(self) -> None:
        """See `Worker.aclose`."""
        await self._stack.aclose()


class _Over:
    """All results have been given."""


class _Given(Generic[T]):
    """A task, and the number of workers that it has lost."""

    def __init__(self, task: T) -> None:
        self.task = task
        self.lost = 0


class _Waiting(Generic[T]):
    """The tasks that no worker has; those that lost theirs come first."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._tasks = iter(tasks)
        self._again: deque[_Given[T]] = deque()

    def next(self) -> _Given[T] | None:
        """A task; None if all have been given out."""
        if self._again:
            return self._again.popleft()
        return next((_Given(task) for task in self._tasks), None)

    def again(self, given: _Given[T], error: WorkerLost) -> None:
        """Give a task out once more, because its worker was lost."""
        given.lost += 1
        if given.lost >= TRIES:
            raise WorkerLost(f"a task has lost {given.lost} workers, the last one so: {error}") from error
        self._again.append(given)


class _Seat(Generic[T, R]):
    """A place for a worker, whose successor is started when it is lost."""

    def __init__(self, pool: WorkerPool, job: Job[T, R], at_once: int) -> None:
        self._pool = pool
        self._job = job
        self._at_once = at_once
        self._worker: Worker | None = None
        self._starting = asyncio.Lock()

    async def run(self, task: T) -> R:
        async with self._starting:
            if self._worker is None:
                self._worker = await self._pool.start(self._job, self._at_once)
            worker = self._worker
        try:
            result: R = await worker.run(task)
        except WorkerLost:
            if self._worker is worker:
                self._worker = None
                await worker.aclose()
            raise
        except TaskEnded:
            raise
        except Exception as error:
            error.add_note(f"raised by {named(task)}")
            raise
        return result

    async def aclose(self) -> None:
        if self._worker is not None:
            await self._worker.aclose()
