"""A journal's connections to a PostgreSQL server, which outlast a journal that is closed for a moment."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg

from artis_sdk.commit.journal.postgres_owner import OwnerSession
from artis_sdk.commit.journal.postgres_schema import SELECT_VERSION, TABLES, other_version
from artis_sdk.commit.journal.postgres_writer import PostgresWriter
from artis_sdk.errors import JournalError
from artis_sdk.lingering import Lingering
from artis_sdk.postgresql import (
    PATIENCE,
    answering,
    not_ours,
    parameters,
    problem,
    store_name,
    tables_version,
)

_READERS = 4
"""Maximum number of connections that read."""


class PostgresConnections:
    """The session that writes, and connections that read, opened when first used.

    Args:
        url: address of the server.
        timeout: maximum wait for a connection, and for another session's lock, in seconds.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._parameters = parameters(url, timeout, "journal")
        self._timeout = timeout
        self.name = store_name(self._parameters)
        self.writer = PostgresWriter(self.name, partial(OwnerSession, self._parameters, timeout))
        self._free = threading.Semaphore(_READERS)
        self._guard = threading.Lock()
        self._waiting: list[psycopg.Connection] = []
        """Connections that read and have nothing to do."""
        self._closed = False

    def is_current(self) -> bool:
        """See `LingeringStore`: whoever writes or reads next looks whether server and tables are there."""
        return True

    def close(self) -> None:
        """Write queued requests, and end the sessions. Closing twice is fine."""
        self.writer.close()
        with self._guard:
            self._closed = True
            waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.close()

    def read(self, statement: str, given: Sequence[str]) -> list[Any]:
        """The rows of a query; none if the database has no journal yet.

        Raises:
            JournalError: the server refuses, or does not answer; its journal is of another version, or none.
        """
        with self._reading() as connection:
            try:
                with connection.pipeline():  # one round trip
                    version = connection.execute(SELECT_VERSION)
                    found = connection.execute(statement, given)
                    rows: list[Any] = found.fetchall()
                    versions = version.fetchall()
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                if self._version(connection) is None:
                    return []
                raise not_ours(TABLES) from None
            if versions != [(TABLES.version,)]:
                self._version(connection)
            return rows

    def exists(self) -> bool:
        """Whether the database has a journal; raises as `read`."""
        with self._reading() as connection:
            return self._version(connection) is not None

    def _version(self, connection: psycopg.Connection) -> int | None:
        version = tables_version(connection, TABLES)
        if version is not None and version not in (TABLES.version, *TABLES.migrations):
            raise other_version(self.name, version)
        return version

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection]:
        """A connection for one read. One that cannot be made is not tried again: whoever asks is told why."""
        self.writer.check_usable()
        if not self._free.acquire(timeout=self._timeout):
            raise JournalError(f"{self.name}: no connection to the server was free in {self._timeout:g} s")
        try:
            connection = self._taken() or self._connected()
            try:
                with answering(connection, PATIENCE * self._timeout):
                    yield connection
            finally:
                self._put_back(connection)
        except psycopg.Error as error:
            raise JournalError(f"{self.name}: {problem(error)}") from error
        finally:
            self._free.release()

    def _connected(self) -> psycopg.Connection:
        connection = psycopg.connect(**self._parameters, autocommit=True)
        try:
            with answering(connection, self._timeout):  # the server ends what this side has given up
                limit = f"{round(1000 * PATIENCE * self._timeout)}ms"
                connection.execute("SELECT set_config('statement_timeout', %s, false)", (limit,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _taken(self) -> psycopg.Connection | None:
        """One that waits and still works: the network may have gone without a word."""
        while True:
            with self._guard:
                if not self._waiting:
                    return None
                connection = self._waiting.pop()
            with suppress(psycopg.Error, OSError), answering(connection, self._timeout):
                connection.execute("SELECT 1")
                return connection
            connection.close()

    def _put_back(self, connection: psycopg.Connection) -> None:
        with self._guard:
            if not self._closed and not connection.closed and _is_idle(connection):
                self._waiting.append(connection)
                return
        connection.close()


def _is_idle(connection: psycopg.Connection) -> bool:
    return bool(connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE)


lingering: Lingering[PostgresConnections] = Lingering()
"""Connections of shared journals that were closed a moment ago, by `key_of` their URL."""


def key_of(url: str) -> Hashable:
    """A URL, and what libpq adds to it from the environment: another user's are other connections."""
    return url, *(option.val for option in psycopg.pq.Conninfo.get_defaults())
