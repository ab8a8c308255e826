"""A call log: one SQLite file that many processes may append to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from artis_sdk.errors import LogError
from artis_sdk.logs.call_store import Count, Late
from artis_sdk.logs.codec import dumps
from artis_sdk.logs.reader import Filter, Reader
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.schema import open_log
from artis_sdk.logs.writer import Writer
from artis_sdk.records import CallRecord, Provenance
from artis_sdk.sqlite import check_file


class CallLog:
    """Real calls with their state, history and outcome: the training data of simulators.

    `append` hands a record to a thread and returns; the thread redacts and writes. Records are in the
    file within a fraction of a second, at the latest after `flush`, which also forces them to the disk:
    what was flushed survives the end of the process and a power cut. A record is written whole or not
    at all. Any number of threads and processes may append to one file on one machine; each thread's
    records keep their order. In a forked child the log continues to work, with its own thread.

    When the file cannot be written (disk full, locked, moved), records wait in memory and are tried
    again every second; `flush` and `close` raise, and `append` refuses further records, until writing
    works again. `append` also refuses when `max_pending` records wait. Each refusal raises an error;
    nothing is dropped in silence.

    Args:
        path: the file; its name usually ends in `.db`.
        redact: redactor of the records; by default a `Redactor()`.
        create: whether to create a missing file.
        busy_timeout: seconds to wait for another process's lock.
        max_pending: maximum records that wait to be written.

    Raises:
        ConfigurationError: it is no path, such as `:memory:`.
        LogError: the file is missing (with `create=False`), is not a call log, or was written by a
            newer version.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        redact: Redactor | None = None,
        create: bool = True,
        busy_timeout: float = 10.0,
        max_pending: int = 100_000,
    ) -> None:
        check_file("log", path)
        self.path = Path(path)
        self.redactor = redact or Redactor()
        self._busy_timeout = busy_timeout
        self._writer = Writer(self.path, self.redactor, busy_timeout=busy_timeout, max_pending=max_pending)
        with self._reading(create=create):
            pass

    @property
    def address(self) -> str:
        """See `CallStore.address`: the file's absolute path."""
        return str(self.path.resolve())

    # --- writing ------------------------------------------------------------------------------

    def append(self, record: CallRecord) -> None:
        """Accept a record to be written. A record whose id is in the log already changes nothing.

        Raises:
            LogError: the record was not accepted.
        """
        self._writer.put(record)

    def append_late(self, make: Late) -> None:
        """See `CallStore.append_late`."""
        self._writer.put(make)

    def flush(self) -> None:
        """Return once everything appended so far is on disk. Blocks, so not for an event loop's thread.

        Raises:
            LogError: a record could not be written.
        """
        self._writer.flush()

    def keep(self) -> None:
        """See `CallStore.keep`; as `flush`."""
        self._writer.flush()

    def rest(self) -> None:
        """As `flush`, before a pause: the file is whole then, for those who copy it."""
        self._writer.flush(rest=True)

    def is_current(self) -> bool:
        """Whether the path still leads to the file that was written to."""
        return self._writer.is_current()

    def close(self) -> None:
        """Write waiting records and end the thread; raises as `flush`. Closing twice is fine."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------

    def records(
        self,
        *,
        tool: str | None = None,
        session: str | None = None,
        provenance: Provenance | Iterable[Provenance] | None = None,
    ) -> Iterator[CallRecord]:
        """The records, oldest first, in bounded memory; records appended meanwhile are left out.

        Args:
            tool, session: name of a tool, id of a session; None for all.
            provenance: provenances of outcomes; None for all.

        Raises:
            LogError: the file cannot be read, or a row is damaged.
        """
        wanted = Filter.of(tool, session, provenance)
        self._writer.drain()
        with self._reading() as connection:
            (top,) = connection.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()
        reader, after = Reader(str(self.path)), 0
        while after < top:
            with self._reading() as connection:
                page, after = reader.page(connection, wanted, after, top)
            yield from page

    def last(self, count: int, *, tool: str | None = None) -> list[CallRecord]:
        """The newest records, oldest first; found from the end of the file, whatever its size.

        Args:
            count: maximum number of records.
            tool: name of a tool; None for all.

        Raises:
            LogError: the file cannot be read, or a row is damaged.
        """
        where, values = Filter(tool=tool).where()
        self._writer.drain()
        with self._reading() as connection:
            newest = connection.execute(
                f"SELECT c.id FROM calls c WHERE {where} ORDER BY c.id DESC LIMIT ?", (*values, count)
            ).fetchall()
            rows = (number for (number,) in reversed(newest))
            return list(Reader(str(self.path)).rows(connection, rows))

    def counts(self) -> list[Count]:
        """Number of records by tool, outcome type and provenance."""
        self._writer.drain()
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT tool, type, provenance, count(*) FROM calls WHERE record IS NOT NULL"
                " GROUP BY tool, type, provenance ORDER BY tool, count(*) DESC, type"
            ).fetchall()
        return [Count(tool, type_, Provenance(provenance), n) for tool, type_, provenance, n in rows]

    def holding(self, ids: Iterable[str]) -> int:
        """Number of these records that are in the log.

        Args:
            ids: different ids of records.
        """
        self._writer.drain()
        with self._reading() as connection:
            query = "SELECT count(*) FROM calls WHERE record IN (SELECT value FROM json_each(?))"
            (found,) = connection.execute(query, (dumps(list(ids)),)).fetchone()
        return int(found)

    @contextmanager
    def _reading(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection for one read; no fork comes between."""
        with self._writer.io:
            try:
                with closing(open_log(self.path, create=create, timeout=self._busy_timeout)) as connection:
                    yield connection
            except sqlite3.Error as error:
                raise LogError(f"{self.path} cannot be read: {error}") from error
