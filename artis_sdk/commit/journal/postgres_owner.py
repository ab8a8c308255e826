"""The session of a PostgreSQL journal that is its owner: alive as long as the server keeps it."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import psycopg

from artis_sdk.commit.journal.postgres_schema import TABLES, other_version
from artis_sdk.errors import JournalError
from artis_sdk.postgresql import PATIENCE, make_tables, store_name

_SESSION = """
SELECT set_config('lock_timeout', %(lock)s, false), set_config('statement_timeout', %(answer)s, false),
       set_config('idle_session_timeout', '0', false), set_config('tcp_keepalives_idle', %(idle)s, false),
       set_config('tcp_keepalives_interval', %(interval)s, false),
       set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', %(gone)s, false)
"""
"""A session is not ended because it is idle, and is within two and a half timeouts when its host is gone."""

_held: WeakSet[OwnerSession] = WeakSet()


class OwnerSession:
    """A connection that holds the advisory lock of a new owner, over tables that are made if missing.

    Args:
        given: connection parameters.
        timeout: maximum wait for another session's lock, in seconds; three times that for an answer.

    Raises:
        JournalError: a pooler stands between, or the tables are of another version.
        psycopg.Error: there is no connection.
    """

    def __init__(self, given: dict[str, Any], timeout: float) -> None:
        self.id = 0
        """Key of the owner's lock."""
        self.is_resting = True
        """Whether it holds no lock: its owner is dead, and `renew` makes another."""
        self._name = store_name(given)
        self.connection = psycopg.connect(**given, autocommit=True)
        self._socket = socket.socket(fileno=os.dup(self.connection.fileno()))
        """The connection's: a descriptor of its own is nobody else's when the connection has closed its."""
        self._patience = PATIENCE * timeout
        self._since: float | None = None
        """Time since which the server owes an answer, in seconds of the monotonic clock."""
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="artis-journal-watch", daemon=True).start()
        try:
            # A snapshot is taken after the wait for a lock, whatever the database's default is.
            self.connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            with self.answering():
                self._check_direct()
                self.connection.execute(_SESSION, _limits(timeout))
            self.renew()
        except BaseException:
            self._leave()
            raise
        _held.add(self)

    def renew(self) -> None:
        """Hold the lock of a new owner. The tables may be others than before a rest.

        Raises:
            JournalError: the tables are of another version.
            psycopg.Error: the server refuses, or is gone.
        """
        with self.answering():
            self._make_tables()
            self.id = secrets.randbits(62)
            self.connection.execute("SELECT pg_advisory_lock(%s)", (self.id,))
        self.is_resting = False

    def rest(self) -> None:
        """Give up the lock and keep the connection; a session that cannot is lost.

        The owner is dead on return, unless the server cannot be asked.
        """
        try:
            with self.answering():
                self.connection.execute("SELECT pg_advisory_unlock(%s)", (self.id,))
        except psycopg.Error:
            self.connection.close()
        self.is_resting = True

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Cut the session off if the server does not answer: a journal that waits for ever holds a commit."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _watch(self) -> None:
        while not self._over.wait(self._patience / 4):
            since = self._since
            if since is not None and time.monotonic() - since > self._patience:
                with suppress(OSError):  # it has ended meanwhile
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _check_direct(self) -> None:
        """A pooler invents the process id that it tells at the start, and may change servers at any time."""
        (real,) = self.connection.execute("SELECT pg_backend_pid()").fetchone()
        if real != self.connection.info.backend_pid:
            raise JournalError(
                f"{self._name}: a connection pooler stands between, and a journal needs a session of its "
                "own: who is alive could not be told. Give the address of the server itself"
            )

    def _make_tables(self) -> None:
        version = make_tables(self.connection, TABLES)
        if version != TABLES.version:
            raise other_version(self._name, version)

    @property
    def is_lost(self) -> bool:
        """Whether the session is of no more use, as far as is known without asking the server."""
        if self.connection.closed:
            return True
        try:
            for _ in range(2):  # the server's last words, and the end after them
                self.connection.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        if self.connection.pgconn.status != psycopg.pq.ConnStatus.OK:
            return True
        # In a transaction that was left open, the next one would be a part of it, and not be committed.
        return bool(self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE)

    def close(self) -> None:
        """End the session: the owner is dead on return, unless the server cannot be asked.

        Closing alone would not do: the server ends a session some time after its client has left.
        """
        _held.discard(self)
        if not self.is_resting and not self.is_lost:
            self.rest()
        self._leave()

    def _leave(self) -> None:
        self._over.set()
        self.connection.close()
        self._socket.close()


def _limits(timeout: float) -> dict[str, str]:
    """Values of `_SESSION`, as texts."""
    return {
        "lock": f"{round(1000 * timeout)}ms",
        "answer": f"{round(1000 * PATIENCE * timeout)}ms",
        "idle": str(max(1, round(timeout))),
        "interval": str(max(1, round(timeout / 2))),
        "gone": str(round(2500 * timeout)),
    }


def _forget_in_child() -> None:
    """Close the copied sockets: the parent alone keeps its sessions alive."""
    for session in list(_held):
        session._socket.close()
        with suppress(OSError, psycopg.OperationalError):  # it was lost, and nobody has asked since
            os.close(session.connection.fileno())
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
