"""Writing to a store from an event loop: one thread, one transaction for all queued requests (group commit).

While the thread waits for the store, requests queue; the next transaction takes them all, so that many
concurrent writers pay for one fsync together.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol

from artis_sdk.errors import ArtisError, JournalError

Work = Callable[[Any], Any]
"""Function of the store's connection that runs in the thread, inside a transaction. If it raises, it has
changed nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class WriteRequest:
    """A write, and the receiver of its result."""

    work: Work
    durable: bool
    """Whether it must survive a power cut, and not only the end of the process."""
    future: asyncio.Future[Any] | None = None
    """Future that gets the result, on its own loop; None if nobody waits."""


@dataclass(frozen=True, slots=True, eq=False)
class RestRequest(WriteRequest):
    """The last one before a pause, in which the store is left to others. It writes nothing."""


class LaterRequest(Protocol):
    """A write that nobody waits for."""

    durable: Literal[False]
    future: None

    def work(self, connection: Any) -> Any:
        """See `Work`."""

    def failed(self, error: ArtisError) -> None:
        """Called in the thread if the write failed."""


class GroupWriter(ABC):
    """Owns a connection and the thread that uses it. Starts with the first request.

    Args:
        name: name of the store in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._requests: SimpleQueue[WriteRequest | None] = SimpleQueue()
        self._later: deque[LaterRequest] = deque()
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.closed = False

    async def ask(self, work: Work, *, durable: bool) -> Any:
        """Write, and wait until it is written; the write happens even if the waiter is cancelled.

        Raises:
            JournalError: the write failed.
            ArtisError: from `work`.
        """
        future = asyncio.get_running_loop().create_future()
        self.submit(WriteRequest(work, durable, future))
        return await future

    async def rest(self) -> None:
        """Write everything queued, and leave the store to others: a pause follows.

        Raises:
            JournalError: the store cannot be written.
        """
        future = asyncio.get_running_loop().create_future()
        self.submit(RestRequest(lambda _: None, False, future))
        await future

    def submit(self, request: WriteRequest) -> None:
        """Queue a request and wake the thread.

        Raises:
            JournalError: the writer is closed, or belongs to the process that this one was forked from.
        """
        self._start()
        self._requests.put(request)

    def submit_later(self, request: LaterRequest) -> None:
        """Queue a request to write before the next one that wakes the thread, or on closing.

        Raises:
            JournalError: as `submit`.
        """
        self._start()
        self._later.append(request)

    def check_usable(self) -> None:
        """Check that it is open, in the process that opened it.

        Raises:
            JournalError: it is not.
        """
        if self.closed:
            raise JournalError(f"{self._name}: the journal is closed")
        if self._process != os.getpid():
            raise JournalError(
                f"{self._name}: the journal was opened before a fork; open it again in this process"
            )

    def _start(self) -> None:
        self.check_usable()
        if self._thread is None or not self._thread.is_alive():
            with self._starting:  # sessions in several threads begin at the same time
                if self._thread is None or not self._thread.is_alive():
                    thread = threading.Thread(target=self._run, name="artis-journal", daemon=True)
                    thread.start()
                    self._thread = thread

    @property
    def is_at_work(self) -> bool:
        """Whether it has begun, in this process, and is to be closed."""
        return self._thread is not None and not self.closed and self._process == os.getpid()

    def close(self) -> None:
        """Write queued requests, and end the thread. Closing twice is fine."""
        if self.closed:
            return
        self.closed = True
        if self._thread is not None and self._process == os.getpid():
            self._requests.put(None)  # also wakes it for the later requests
            self._thread.join()

    # --- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        broken: BaseException | None = None
        while not last:
            batch = [self._requests.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._requests.get_nowait())
            last = None in batch
            requests: list[WriteRequest | LaterRequest] = [
                self._later.popleft() for _ in range(len(self._later))
            ]
            requests += [request for request in batch if request is not None]
            if broken is None:
                try:
                    results = self._write(requests)
                except BaseException as error:  # noqa: BLE001  whoever waits would wait for ever
                    broken = error
                    with suppress(Exception):  # of a store in an unknown state; others may go on with it
                        self._end()
            if broken is not None:
                results = [self._broken(broken) for _ in requests]
            self._answer(requests, results)
        if broken is None:
            self._end()

    def _broken(self, cause: BaseException) -> JournalError:
        error = JournalError(
            f"{self._name}: the journal's writer has failed and writes no more; open the journal again: "
            f"{type(cause).__name__}: {cause}"
        )
        error.__cause__ = cause
        return error

    @abstractmethod
    def _write(self, batch: Sequence[WriteRequest | LaterRequest]) -> list[Any]:
        """Write a batch in one transaction. Returns each request's result or its ArtisError."""

    @abstractmethod
    def _end(self) -> None:
        """Release the connection, after the last batch."""

    def _answer(self, batch: Sequence[WriteRequest | LaterRequest], results: list[Any]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        for request, result in zip(batch, results, strict=True):
            if request.future is not None:
                by_loop.setdefault(request.future.get_loop(), []).append((request.future, result))
            elif isinstance(result, ArtisError) and not isinstance(request, WriteRequest):
                request.failed(result)
        for loop, answers in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                loop.call_soon_threadsafe(_set_results, answers)


def _set_results(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in answers:
        if future.done():  # its waiter was cancelled
            continue
        if isinstance(result, ArtisError):
            future.set_exception(result)
        else:
            future.set_result(result)
