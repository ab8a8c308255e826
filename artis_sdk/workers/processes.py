"""Workers that are processes of this machine."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from artis_sdk.errors import ConfigurationError, WorkerLost
from artis_sdk.workers.pool import Job, alone, named, once_open

_END = 10.0  # seconds that a worker has to close what its job opened
_OPENING = -1
_ENDING = -2


class _Told(NamedTuple):
    """What a worker tells of a task, of its opening, or of what ends it."""

    number: int
    """Number of the task; `_OPENING`, `_ENDING`."""
    ok: bool
    value: bytes
    """The result, or the error in its place, pickled."""
    words: str = ""
    """The error as text, for where it cannot be unpickled."""


class ProcessWorkers:
    """Processes of this machine, each a new interpreter.

    Args:
        size: number of processes.

    Raises:
        ConfigurationError: it is not positive.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigurationError(f"the number of workers must be positive, not {size}")
        self._size = size

    @property
    def size(self) -> int:
        """See `WorkerPool.size`."""
        return self._size

    async def start(self, job: Job[Any, Any], at_once: int) -> _Process:
        """See `WorkerPool.start`."""
        try:
            sent = pickle.dumps(job)
        except Exception as error:  # whatever the objects' own code raises
            raise ConfigurationError(f"the job cannot be sent to another process: {error}") from error
        worker = _Process(sent)
        return await once_open(worker, worker.opened())

    async def aclose(self) -> None:
        """See `WorkerPool.aclose`: it holds nothing."""


class _Process:
    """One process, and the tasks that it has."""

    def __init__(self, job: bytes) -> None:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, job))
        self._process.start()
        theirs.close()
        self._connection = ours
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="artis-worker")  # one reads, one writes
        self._tasks: dict[int, asyncio.Future[Any]] = {}
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._last_words = ""
        self._next = 0
        self._reading = asyncio.create_task(self._read())

    async def opened(self) -> None:
        """Wait until it has opened its job."""
        await asyncio.shield(self._opened)

    async def run(self, task: Any) -> Any:
        """See `Worker.run`."""
        given = pickle.dumps(task)
        number, self._next = self._next, self._next + 1
        self._tasks[number] = answer = asyncio.get_running_loop().create_future()
        try:
            with suppress(OSError):  # it is gone, as the reader will tell
                await self._in_thread(self._connection.send, (number, given))
            made = await answer
        finally:
            self._tasks.pop(number, None)
        try:
            return pickle.loads(made)
        except Exception as error:  # whatever the objects' own code raises
            raise RuntimeError(
                f"the result of {named(task)} cannot be read in this process: {_words(error)}"
            ) from error

    async def aclose(self) -> None:
        """See `Worker.aclose`."""
        told = asyncio.create_task(self._dismiss())  # may take for ever: a full pipe that nobody reads
        try:
            await asyncio.wait({self._reading}, timeout=_END)
        finally:
            if self._process.is_alive():
                self._process.kill()
        await self._reading
        await told
        self._connection.close()
        self._threads.shutdown(wait=False)
        self._process.join()
        self._process.close()

    async def _dismiss(self) -> None:
        with suppress(OSError):  # it is gone
            await self._in_thread(self._connection.send, None)

    async def _in_thread(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def _read(self) -> None:
        """Take what the worker tells until it ends; whoever waits then is told that it is lost."""
        try:
            with suppress(EOFError, OSError):
                while True:
                    self._take(await self._in_thread(self._connection.recv))
        finally:
            await self._in_thread(self._process.join, _END)
            words = self._last_words
            if not words and not self._opened.done():
                words = " before its job was open: what it wrote to stderr says why"
            how = f"{_how(self._process.exitcode)}{words}"
            lost = WorkerLost(f"the worker's process {self._process.pid} ended {how}")
            for waiting in (self._opened, *self._tasks.values()):
                if not waiting.done():
                    waiting.set_exception(lost)
            self._opened.exception()  # told already, or nobody waits

    def _take(self, told: _Told) -> None:
        if told.number == _ENDING:
            self._last_words = f": {told.words}"
            return
        waiting = self._opened if told.number == _OPENING else self._tasks.get(told.number)
        if waiting is None or waiting.done():
            return
        if told.ok:
            waiting.set_result(told.value)
        else:
            waiting.set_exception(_error(told))


def _error(told: _Told) -> Exception:
    """The error that was told, or its words where this process cannot make it anew."""
    try:
        error = pickle.loads(told.value)
    except Exception:  # noqa: BLE001  of other people's classes
        return RuntimeError(told.words)
    return error if isinstance(error, Exception) else RuntimeError(told.words)


def _how(code: int | None) -> str:
    return f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with code {code}"


def _serve(connection: Connection, job: bytes) -> None:
    """The worker's side: it ends when the other side says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side ends it in order
    try:
        asyncio.run(_run(connection, job))
    except BaseException as error:  # noqa: BLE001  what ends the loop ends the process: a thread may still read
        _tell(connection, _Told(_ENDING, False, b"", _words(error)))
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # there is none, or nobody reads it
                stream.flush()
        os._exit(1)


async def _run(connection: Connection, job: bytes) -> None:
    threads = ThreadPoolExecutor(1)
    running: set[asyncio.Task[None]] = set()

    async def one(number: int, task: bytes) -> None:
        name = "a task"
        try:
            given = pickle.loads(task)
            name = named(given)
            told = _Told(number, True, pickle.dumps(await alone(run, given)))
        except Exception as error:  # noqa: BLE001  it is raised on the other side
            words = f"{name} failed with {_words(error)}"
            told = _Told(number, False, _pickled(error, words), words)
        _tell(connection, told)

    try:
        async with pickle.loads(job)() as run:
            _tell(connection, _Told(_OPENING, True, b""))
            while (given := await _next(connection, threads)) is not None:
                task = asyncio.create_task(one(*given))
                running.add(task)
                task.add_done_callback(running.discard)
            for task in running:
                task.cancel()
    except Exception as error:  # noqa: BLE001  it is raised on the other side
        words = _words(error)
        _tell(connection, _Told(_OPENING, False, _pickled(error, words), words))


async def _next(connection: Connection, threads: ThreadPoolExecutor) -> tuple[int, bytes] | None:
    try:
        given: tuple[int, bytes] | None = await asyncio.get_running_loop().run_in_executor(
            threads, connection.recv
        )
    except (EOFError, OSError):
        os._exit(1)  # nobody waits for anything
    return given


def _tell(connection: Connection, told: _Told) -> None:
    try:
        connection.send(told)
    except OSError:  # the other side is gone
        os._exit(1)


def _pickled(error: Exception, words: str) -> bytes:
    """The error, or the words where it cannot be sent."""
    try:
        sent = pickle.dumps(error)
        pickle.loads(sent)
    except Exception:  # noqa: BLE001  of other people's classes
        return pickle.dumps(RuntimeError(words))
    return sent


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  of other people's classes
        return type(error).__name__
