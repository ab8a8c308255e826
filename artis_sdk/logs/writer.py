"""The writing thread of a call log: batches, waits for locks, retries, forks."""

from __future__ import annotations

import atexit
import logging
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path

from artis_sdk.errors import ArtisError, LogError
from artis_sdk.logs.call_store import Late, Made
from artis_sdk.logs.log_file import error_code, inode_of, sync_wal
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.rows import Rows
from artis_sdk.logs.schema import open_log
from artis_sdk.records import CallRecord
from artis_sdk.sqlite import settle

_LINGER = 0.05  # seconds that a row may wait for others to share its transaction
_ROWS = 500  # in one transaction, so that other processes get a turn
_SLICE = 0.25  # seconds in one wait for another process's lock, so that a fork need not wait longer
_RETRY = 1.0  # seconds between attempts while the file cannot be written

_log = logging.getLogger("artis_sdk.logs")


class _Mark:
    """A caller's wait until everything before it is written."""

    def __init__(self, *, sync: bool, last: bool, rest: bool, next_file: Path | None) -> None:
        self.sync = sync
        self.last = last
        self.rest = rest
        self.next_file = next_file
        self.done = threading.Event()
        self.error: LogError | None = None


class Writer:
    """Takes records from any thread, returns at once, and writes them in order.

    Records that cannot be written now are kept and tried again; meanwhile `put` refuses. A record that
    can never be written (a rule of the user raises on it) is refused alone, and the next `flush` raises.

    Args:
        path: path of the log.
        redactor: redactor of the records.
        busy_timeout: seconds to wait for other processes' locks before an attempt fails.
        max_pending: maximum records that wait to be written.
    """

    def __init__(self, path: Path, redactor: Redactor, *, busy_timeout: float, max_pending: int) -> None:
        self._path = path
        self._redactor = redactor
        self._busy_timeout = busy_timeout
        self._max_pending = max_pending
        self._closed = False
        self._begin()
        _writers.add(self)

    def _begin(self) -> None:
        """As new: no thread, no connection, nothing waiting."""
        self._queue: deque[CallRecord | Late | _Mark] = deque()
        self._held: deque[CallRecord | Late | Made] = deque()
        self._wake = threading.Event()
        self._asleep = True
        """Whether the thread was not woken since its last look at the queue; cheaper than the event."""
        self._urgent = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.io = threading.Lock()
        """Held while this process has the file open; a fork waits for it."""
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._rows = Rows(self._redactor)
        self._failure: LogError | None = None
        self._refused = 0
        self._refusals: dict[str, Exception] = {}

    # --- any thread ---------------------------------------------------------------------------

    def put(self, entry: CallRecord | Late) -> None:
        """Accept a record. Raises LogError if it cannot be accepted."""
        if self._closed:
            raise LogError(f"{self._path}: the log is closed")
        if self._failure is not None:
            raise LogError(f"{self._failure}; this record was not logged") from self._failure
        if len(self._queue) >= self._max_pending:
            raise LogError(
                f"{self._path}: {self._max_pending} records are waiting to be written; this one was not "
                "logged"
            )
        self._queue.append(entry)
        if self._thread is None:
            self._start()
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def drain(
        self, *, sync: bool = False, last: bool = False, rest: bool = False, next_file: Path | None = None
    ) -> None:
        """Wait until everything taken so far is in the file.

        Args:
            sync: whether to force it to the disk.
            last: whether to end the thread and drop records that cannot be written now.
            rest: whether a pause follows: the write-ahead log is moved into the file, for those who copy it.
            next_file: path of the file in which to go on; secrets stay known.

        Raises:
            LogError: the file cannot be written.
        """
        thread = self._thread
        if thread is None:
            return
        mark = _Mark(sync=sync, last=last, rest=rest, next_file=next_file)
        self._queue.append(mark)
        self._urgent.set()
        self._wake.set()
        while not mark.done.wait(1.0):
            if not thread.is_alive():
                raise LogError(f"{self._path}: the writer's thread has ended")
        if last:
            thread.join()
            self._thread = None
        if mark.error is not None:
            raise mark.error
        if last and self._queue:
            raise LogError(
                f"{self._path}: {len(self._queue)} records were added while the log was being closed"
            )

    def flush(self, *, last: bool = False, rest: bool = False) -> None:
        """As `drain` to the disk; also raises if records have been refused since the last flush."""
        self.drain(sync=True, last=last, rest=rest)
        if self._refused:
            refused, kinds = self._refused, self._refusals
            self._refused, self._refusals = 0, {}
            names = ", ".join(sorted(kinds))
            raise LogError(
                f"{self._path}: {refused} records could not be written ({names}); the others were"
            ) from next(iter(kinds.values()))

    def close(self) -> None:
        """Flush and end the thread; raises as `flush`. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        _writers.discard(self)
        self.flush(last=True)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="artis-log", daemon=True)
                thread.start()
                self._thread = thread
                _flush_when_process_ends(self)

    # --- the writer's thread ------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait(_RETRY if self._held else None)
            self._urgent.wait(_LINGER)
            self._urgent.clear()
            self._wake.clear()
            self._asleep = True
            failure: LogError | None = None
            while failure is None and (self._queue or self._held):
                marks = self._take(_ROWS)
                failure = self._write_held()
                if failure is not None:
                    marks += self._take(None)
                last = any(mark.last for mark in marks)
                for mark in marks:
                    self._answer(mark, failure)
            self._failure = failure
        self._disconnect()

    def _take(self, limit: int | None) -> list[_Mark]:
        """Move entries from the queue to `_held`, and return the marks among them."""
        marks: list[_Mark] = []
        while self._queue and (limit is None or len(self._held) < limit):
            entry = self._queue.popleft()
            if isinstance(entry, _Mark):
                marks.append(entry)
            else:
                self._held.append(entry)
        return marks

    def _refuse(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind not in self._refusals:
            # The text of a foreign error may hold secrets.
            why = str(error) if isinstance(error, ArtisError) else kind
            _log.error("%s: a record could not be written: %s", self._path, why)
        self._refusals.setdefault(kind, error)
        self._refused += 1

    def _write_held(self) -> LogError | None:
        """Write the held records, in transactions, and return the error that prevents it, if any."""
        deadline = time.monotonic() + self._busy_timeout
        while self._held:
            try:
                with self.io:
                    written = self._transaction(min(len(self._held), _ROWS))
            except LogError as error:
                return error
            except sqlite3.Error as error:
                busy = error_code(error) == sqlite3.SQLITE_BUSY
                if busy and time.monotonic() < deadline:
                    time.sleep(0.005)
                    continue
                return self._explain(error, busy)
            for _ in range(written):
                self._held.popleft()
            deadline = time.monotonic() + self._busy_timeout
        return None

    def _transaction(self, count: int) -> int:
        connection = self._connect()
        refused: list[Exception] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for n in range(count):
                try:
                    self._rows.add(connection, *self._made(n))
                except Exception as error:
                    if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULT_OF_RECORD):
                        raise
                    refused.append(error)
            connection.execute("COMMIT")
        except BaseException:
            self._rows.forget()
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        for fault in refused:
            self._refuse(fault)
        if self._rows.scrubbed:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._rows.scrubbed = bool(busy)
        return count

    def _made(self, n: int) -> Made:
        """The n-th held record."""
        entry = self._held[n]
        if isinstance(entry, CallRecord):
            return entry, ()
        if callable(entry):
            entry = self._held[n] = entry()
        return entry

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_log(self._path, create=True, timeout=_SLICE)
            self._inode = inode_of(self._path)
        elif self._inode != inode_of(self._path):
            raise LogError(
                f"{self._path} was moved or deleted while it was open; {len(self._held)} records are not "
                "written"
            )
        return self._connection

    def _disconnect(self) -> None:
        with self.io:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _explain(self, error: sqlite3.Error, busy: bool) -> LogError:
        if busy:
            why = f"another process held its lock for more than {self._busy_timeout:g} s"
        elif error_code(error) == sqlite3.SQLITE_FULL:
            why = "the disk is full"
        else:
            why = str(error)
        failure = LogError(f"{self._path}: {len(self._held)} records could not be written yet: {why}")
        failure.__cause__ = error
        return failure

    def _answer(self, mark: _Mark, failure: LogError | None) -> None:
        if failure is not None and mark.last:
            mark.error = LogError(f"closed with {len(self._held)} records not written: {failure}")
            mark.error.__cause__ = failure
        elif failure is not None:
            mark.error = failure
        elif mark.sync:
            try:
                with self.io:
                    sync_wal(self._path)
                    if mark.rest and self._connection is not None:
                        settle(self._connection)
            except (OSError, sqlite3.Error) as error:
                why = error.strerror if isinstance(error, OSError) else error
                mark.error = LogError(f"{self._path}: not certain to be on disk: {why}")
        if mark.next_file is not None and mark.error is None:
            self._disconnect()
            self._rows.forget()
            self._path = mark.next_file
        mark.done.set()

    # --- forks --------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """SQLite's locks do not survive a fork, and a copy of a connection would break the file."""
        self.io.acquire()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork_in_parent(self) -> None:
        self.io.release()

    def after_fork_in_child(self) -> None:
        """The child writes its own records; the parent writes those that waited at the fork."""
        self._begin()

    def is_current(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        return self._inode is not None and self._inode == inode_of(self._path)

    def begin_in(self, path: Path) -> None:
        """Set the file, before anything is written."""
        self._path = path


# Errors caused by the record itself, such as a text of a gigabyte.
_FAULT_OF_RECORD = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError)

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


def _flush_all() -> None:
    for writer in list(_writers):
        try:
            writer.flush()
        except LogError as error:
            _log.error("%s", error)


def _flush_when_process_ends(writer: Writer) -> None:
    """Children of multiprocessing end without `atexit`, with its own finalizers."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(writer, _flush_all, exitpriority=100)


_forking: list[Writer] = []


def _before_fork() -> None:
    _forking.extend(_writers)
    for writer in _forking:
        writer.before_fork()


def _after_fork_in_parent() -> None:
    for writer in _forking:
        writer.after_fork_in_parent()
    _forking.clear()


def _after_fork_in_child() -> None:
    for writer in _forking:
        writer.after_fork_in_child()
    _forking.clear()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
