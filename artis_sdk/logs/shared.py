"""A call log that hosts share: records are written to a file of this machine first, and sent in batches."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self

from artis_sdk.errors import LogError
from artis_sdk.logs.call_store import Count, Late
from artis_sdk.logs.reader import Filter
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.refused import RefusedRecord, keep_aside
from artis_sdk.logs.segments import Segments, batch_of, remove, waiting_folder
from artis_sdk.logs.store import CallLog
from artis_sdk.logs.writer import Writer
from artis_sdk.records import CallRecord, Provenance

_log = logging.getLogger("artis_sdk.logs")


class SharedRows(Protocol):
    """The records that hosts share: a table, or a folder of files. It has no state in this process."""

    address: str
    """Where they are, for people, without a password."""
    linger: float
    """Seconds that records may wait for others to share their batch."""

    def send(self, batch: str, records: Iterable[CallRecord]) -> list[RefusedRecord]:
        """Add a batch; on return it survives the end of every process and a power cut.

        A batch of a name that is there changes nothing, nor does a record whose id is there. `records` has
        nothing that is secret.

        Returns:
            Records that are refused for themselves; all others are there.

        Raises:
            LogError: it is not certain to be there; a part of it may be.
        """

    def exist(self) -> bool:
        """Whether there are any; raises LogError if that cannot be told."""

    def records(self, wanted: Filter) -> Iterator[CallRecord]:
        """See `CallStore.records`."""

    def last(self, count: int, tool: str | None) -> list[CallRecord]:
        """See `CallStore.last`."""

    def counts(self) -> list[Count]:
        """See `CallStore.counts`."""

    def holding(self, ids: Iterable[str]) -> int:
        """See `CallStore.holding`."""


class SharedCallLog:
    """A `CallStore` that processes of many hosts append to.

    `append` returns at once: a thread redacts and writes to a file of this machine, another sends the
    file's records when they have waited `rows.linger` seconds, and removes it. `flush` and `close` return
    once everything has been sent. While the others cannot be reached, records wait in their files, across
    the end of the process: the next log of the same address and user sends them, those of killed processes
    included. A batch that had arrived before its sender died arrives as the same batch, so that each record
    is there once.

    Secrets are hidden before a record is in a file. What turns out to be secret only after a record was
    sent stays in that one.

    Args:
        rows: where records are sent.
        redact: redactor of the records; by default a `Redactor()`.
        create: whether there need not be any records yet.
        waiting: folder of what waits, on a local disk; by default one of the user's for each address.

    Raises:
        LogError: there are no records (with `create=False`).
    """

    def __init__(
        self,
        rows: SharedRows,
        *,
        redact: Redactor | None = None,
        create: bool = True,
        waiting: Path | None = None,
    ) -> None:
        if not create and not rows.exist():
            raise LogError(f"{rows.address}: no such call log")
        self.redactor = redact or Redactor()
        self._rows = rows
        self._waiting = waiting or waiting_folder(rows.address)
        self._writer = Writer(self._waiting, self.redactor, busy_timeout=10.0, max_pending=100_000)
        self._closed = False
        self._begin()
        _logs.add(self)

    def _begin(self) -> None:
        """As new: no file, no thread, nothing to send."""
        self._segments: Segments | None = None
        self._starting = threading.Lock()
        self._sending = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused: list[str] = []
        """What is to be told of refused records."""

    @property
    def address(self) -> str:
        """See `CallStore.address`."""
        return self._rows.address

    # --- writing ------------------------------------------------------------------------------

    def append(self, record: CallRecord) -> None:
        """Accept a record to be written. A record whose id is in the log already changes nothing.

        Raises:
            LogError: the record was not accepted.
        """
        self._start()
        self._writer.put(record)

    def append_late(self, make: Late) -> None:
        """See `CallStore.append_late`."""
        self._start()
        self._writer.put(make)

    def keep(self) -> None:
        """See `CallStore.keep`: everything is in a file of this machine, from which it is sent."""
        self._writer.flush()

    def flush(self) -> None:
        """Return once everything appended so far has been sent. Blocks, so not for an event loop's thread.

        Raises:
            LogError: a record could not be written, or not be sent yet; or since the last time records were
                refused, which are kept in the file that it names.
        """
        try:
            self._writer.flush()
        finally:
            self._send()
        self._raise_refused()

    def close(self) -> None:
        """Send everything, and end the threads; raises as `flush`. Closing twice is fine.

        What could not be sent waits for the next log of this address.
        """
        if self._closed:
            return
        self._closed = True
        _logs.discard(self)
        self._over.set()
        try:
            with self._sending:  # the other thread may be about to turn to the next segment
                self._writer.close()
        finally:
            try:
                self._send()
            finally:
                self._end()
        self._raise_refused()

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._segments is not None:
            self._segments.release()
            self._segments = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._segments is not None or self._closed:
            return
        with self._starting:
            if self._segments is None:
                segments = Segments(self._waiting)
                self._writer.begin_in(segments.current)
                self._segments = segments
                self._thread = threading.Thread(target=self._send_in_turn, name="artis-log-send", daemon=True)
                self._thread.start()

    # --- sending ------------------------------------------------------------------------------

    def _send_in_turn(self) -> None:
        """Send what has waited, in a thread of its own; told once when it fails, and tried again."""
        failed = False
        while not self._over.wait(self._rows.linger):
            try:
                self._send()
                failed = False
            except LogError as error:
                if not failed:
                    _log.warning("%s; it is tried again", error)
                failed = True

    def _send(self) -> None:
        """Send all records of this process, and those of processes that died."""
        segments = self._segments
        if segments is None:
            return
        with self._sending:
            self._send_all(segments.closed())  # first: where that fails, all goes on in one file
            self._turn(segments)
            self._send_all(segments.closed())
            with segments.left() as left:
                self._send_all(left)

    def _turn(self, segments: Segments) -> None:
        """Close the current segment, if anything is in it."""
        self._writer.drain()
        if segments.current.exists():
            new = segments.new()
            self._writer.drain(next_file=new)  # at once, if the writer has ended
            segments.current = new

    def _send_all(self, paths: list[Path]) -> None:
        for path in paths:
            try:
                with CallLog(path, redact=self.redactor, create=False) as segment:
                    refused = self._rows.send(batch_of(path), segment.records())
                if refused:
                    told = keep_aside(refused, self.address, path.with_name(f"{batch_of(path)}.jsonl"))
                    _log.error("%s", told)
                    self._refused.append(told)
            except (LogError, OSError) as error:
                raise LogError(f"{error}; what was not sent waits in {path.parent}") from error
            remove(path)

    def _raise_refused(self) -> None:
        """Raise what nobody was told but the log."""
        refused, self._refused = self._refused, []
        if refused:
            raise LogError("; ".join(refused))

    # --- reading ------------------------------------------------------------------------------

    def records(
        self,
        *,
        tool: str | None = None,
        session: str | None = None,
        provenance: Provenance | Iterable[Provenance] | None = None,
    ) -> Iterator[CallRecord]:
        """See `CallStore.records`; what this process has appended is sent first."""
        self._send()
        return self._rows.records(Filter.of(tool, session, provenance))

    def last(self, count: int, *, tool: str | None = None) -> list[CallRecord]:
        """See `CallStore.last`."""
        self._send()
        return self._rows.last(count, tool)

    def counts(self) -> list[Count]:
        """See `CallStore.counts`."""
        self._send()
        return self._rows.counts()

    def holding(self, ids: Iterable[str]) -> int:
        """See `CallStore.holding`."""
        self._send()
        return self._rows.holding(ids)


# --- the end of a process, and forks ------------------------------------------------------------

_logs: weakref.WeakSet[SharedCallLog] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """A child has segments of its own; the parent sends what waited at the fork."""
    for log in list(_logs):
        log._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
