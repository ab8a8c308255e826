"""A journal's connections to a PostgreSQL server, which outlast a journal that is closed for a moment."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from artis_sdk.commit.journal.postgres_owner import OwnerSession
from artis_sdk.commit.journal.postgres_writer import PostgresWriter
from artis_sdk.errors import JournalError
from artis_sdk.lingering import Lingering
from artis_sdk.postgresql import PATIENCE, answering, parameters, problem, store_name

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
        self._guard = threading.Lock()
        self._readers: ConnectionPool | None = None

    def is_current(self) -> bool:
        """See `LingeringStore`: whoever writes or reads next looks whether server and tables are there."""
        return True

    def close(self) -> None:
        """Write queued requests, and end the sessions. Closing twice is fine."""
        self.writer.close()
        with self._guard:
            if self._readers is not None:
                self._readers.close()

    def read(self, statement: str, given: Sequence[str]) -> list[Any]:
        """The rows of a query; none if the database has no journal yet.

        Raises:
            JournalError: the server refuses, or does not answer.
        """
        self.writer.check_usable()
        with self._guard:
            if self._readers is None:
                self._readers = ConnectionPool(
                    kwargs={**self._parameters, "autocommit": True},
                    min_size=0,
                    max_size=_READERS,
                    timeout=self._timeout,
                    configure=self._limit,
                    check=self._check,
                    open=True,
                )
        try:
            with self._readers.connection() as connection, answering(connection, PATIENCE * self._timeout):
                rows: list[Any] = connection.execute(statement, given).fetchall()
                return rows
        except psycopg.errors.UndefinedTable:
            return []
        except PoolTimeout:
            raise JournalError(f"{self.name}: no connection to the server in {self._timeout:g} s") from None
        except psycopg.Error as error:
            raise JournalError(f"{self.name}: {problem(error)}") from error

    def _limit(self, connection: psycopg.Connection) -> None:
        """The server ends what this side has given up."""
        with answering(connection, self._timeout):
            limit = f"{round(1000 * PATIENCE * self._timeout)}ms"
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (limit,))

    def _check(self, connection: psycopg.Connection) -> None:
        """Whether a waiting connection still works: the network may have gone without a word."""
        with answering(connection, self._timeout):
            ConnectionPool.check_connection(connection)


lingering: Lingering[PostgresConnections] = Lingering()
"""Connections of shared journals that were closed a moment ago, by `key_of` their URL."""


def key_of(url: str) -> Hashable:
    """A URL, and what libpq adds to it from the environment: another user's are other connections."""
    return url, *(option.val for option in psycopg.pq.Conninfo.get_defaults())
