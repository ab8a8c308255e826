"""What journal and call log share in PostgreSQL: connections, limits on waiting, tables with versions."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from artis_sdk.errors import ConfigurationError

PATIENCE = 3
"""Maximum wait for an answer, as a multiple of the wait for a connection."""
_CLEAR = re.compile(r"postgres(?:ql)?://(?:[^@/]*@)?[^@/]*(?:/[^@]*)?")
"""A URL in which no @ or / of a password has moved the borders of the other parts."""


def parameters(url: str, timeout: float, what: str) -> dict[str, Any]:
    """Connection parameters of a URL, with limits on the waiting.

    Args:
        timeout: maximum wait for a connection, in seconds; a connection whose other end is gone breaks
            within two and a half times as long.
        what: name of what is stored there, for the error.

    Raises:
        ConfigurationError: the URL cannot be read; it is not repeated, since it may hold a password.
    """
    try:
        given = conninfo_to_dict(url) if _CLEAR.fullmatch(url) else None
    except psycopg.Error:
        given = None
    if given is None or "@" in given.get("host", "")[1:] or not _are_ports(given.get("port", "")):
        raise ConfigurationError(
            f"the {what}'s URL is not one of PostgreSQL: postgresql://user@host:port/database, with the "
            "special characters of user and password percent-encoded (@ is %40, / is %2F, : is %3A)"
        ) from None
    ours = {
        "connect_timeout": max(2, round(timeout)),
        "keepalives_idle": max(1, round(timeout)),
        "keepalives_interval": max(1, round(timeout / 2)),
        "keepalives_count": 3,
        "tcp_user_timeout": round(2500 * timeout),  # ms
        "application_name": "artis_sdk",
    }
    return {**ours, **given, "client_encoding": "UTF8"}


def _are_ports(given: Any) -> bool:
    return all(re.fullmatch(r"\d{0,5}", port) for port in str(given).split(","))


def store_name(given: Mapping[str, Any]) -> str:
    """Name of the store for messages, without a password."""
    server = f"{given.get('host', '')}:{given.get('port', '')}".rstrip(":")
    return f"postgresql://{server}/{given.get('dbname', '')}"


def problem(error: psycopg.Error) -> str:
    """What happened, without the rows that the server quotes."""
    return error.diag.message_primary or str(error).strip() or type(error).__name__


@contextmanager
def answering(connection: psycopg.Connection, seconds: float) -> Iterator[Callable[[], None]]:
    """Cut a connection off whose server, or what stands between, does not answer for so long.

    A network that swallows everything tells nobody: without a limit the statement would wait for ever. Gives
    a function that starts the time anew, for work that goes on.
    """
    # A descriptor of its own is nobody else's when the connection has closed its.
    own = socket.socket(fileno=os.dup(connection.fileno()))
    timer: list[threading.Timer] = []

    def start() -> None:
        stop()
        timer.append(threading.Timer(seconds, _cut_off, (own,)))
        timer[0].daemon = True
        timer[0].start()

    def stop() -> None:
        while timer:
            timer.pop().cancel()

    start()
    try:
        yield start
    finally:
        stop()
        own.close()


def _cut_off(own: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        own.shutdown(socket.SHUT_RDWR)


# --- tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tables:
    """The tables of one kind of store, in a schema of their own, and how older ones become them."""

    holds: str
    """What they are, for messages."""
    schema: str
    about: str
    """Name of the table with one row, whose column `version` holds the version."""
    version: int
    statements: str
    migrations: Mapping[int, str]
    """Statements that bring the tables to the next version, by their version."""
    making: int
    """Key of the advisory lock of whoever makes or migrates them."""
    writing: int | None = None
    """Key of the advisory lock that whoever writes shares, and that a migration holds alone."""


def make_tables(connection: psycopg.Connection, tables: Tables) -> int:
    """Make or migrate the tables, unless they are there; only one of several processes does.

    Returns:
        Their version, which is a later one if a later artis_sdk made them.

    Raises:
        psycopg.Error: the server refuses, or the schema holds something else, or what is left of them.
    """
    found = tables_version(connection, tables)
    if found is not None and found not in tables.migrations:
        return found
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (tables.making,))
        version = tables_version(connection, tables)
        if version is None:
            if not _has_schema(connection, tables.schema):  # IF NOT EXISTS would need the right to make it
                connection.execute(f"CREATE SCHEMA {tables.schema}")
            connection.execute(tables.statements)
            version = tables.version
        if version in tables.migrations and tables.writing is not None:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (tables.writing,))  # older sessions end
        while version in tables.migrations:
            connection.execute(tables.migrations[version])
            version += 1
            connection.execute(f"UPDATE {tables.schema}.{tables.about} SET version = %s", (version,))
    return version


def tables_version(connection: psycopg.Connection, tables: Tables) -> int | None:
    """Version of the tables; None if there are none.

    Asks the catalog's tables: `to_regclass` answers from a cache, which does not know what another session
    has committed while this one waited for its lock.

    Raises:
        psycopg.Error: the server refuses, or the schema holds something else, or what is left of them.
    """
    found = connection.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname = %s",
        (tables.schema,),
    ).fetchall()
    if not found:
        return None
    try:
        if (tables.about,) not in found:
            raise not_ours(tables)
        rows = connection.execute(f"SELECT version FROM {tables.schema}.{tables.about}").fetchall()
    except psycopg.errors.UndefinedColumn:
        raise not_ours(tables) from None
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise not_ours(tables)
    return rows[0][0]


def not_ours(tables: Tables) -> psycopg.Error:
    """The refusal of tables that this package did not make so."""
    return psycopg.DataError(
        f"schema {tables.schema} is not a {tables.holds} of version {tables.version}: something else is in "
        "it, or a part is missing; give another database, or restore it"
    )


def _has_schema(connection: psycopg.Connection, schema: str) -> bool:
    query = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
    return connection.execute(query, (schema,)).fetchone() is not None
