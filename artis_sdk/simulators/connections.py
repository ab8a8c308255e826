"""Open connections out of the process, whose data a fork cannot hold back."""

from __future__ import annotations

import io
import re
import socket
import sqlite3
import sys
from dataclasses import dataclass

IMPORT_FORKS = "(from artis_sdk.simulators import forks)"
_MEMORY = "a stand-in that answers from memory: a __fork__ method, or Toolset.from_object(..., fork=...)"


@dataclass(frozen=True, slots=True)
class Reach:
    """A kind of object that reaches out of the process."""

    what: str
    fork: str
    """The replacement that makes it harmless."""
    seen: bool = False
    """Whether the seal sees what goes through it, once a body sends something."""


# By module and name of the class; subclasses count, too.
_CLIENTS: dict[tuple[str, str], Reach] = {
    ("requests.sessions", "Session"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("httpx", "Client"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("httpx", "AsyncClient"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("aiohttp.client", "ClientSession"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("urllib3.poolmanager", "PoolManager"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("urllib3.connectionpool", "ConnectionPool"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("http.client", "HTTPConnection"): Reach("a client that sends requests", _MEMORY, seen=True),
    ("smtplib", "SMTP"): Reach("a connection to a mail server", _MEMORY, seen=True),
    ("imaplib", "IMAP4"): Reach("a connection to a mail server", _MEMORY, seen=True),
    ("ftplib", "FTP"): Reach("a connection to a file server", _MEMORY, seen=True),
    ("redis.client", "Redis"): Reach("a client of a database", _MEMORY, seen=True),
    ("redis.asyncio.client", "Redis"): Reach("a client of a database", _MEMORY, seen=True),
    ("pymongo.mongo_client", "MongoClient"): Reach("a client of a database", _MEMORY, seen=True),
    ("botocore.client", "BaseClient"): Reach("a client of a cloud service", _MEMORY, seen=True),
    ("sqlalchemy.engine.base", "Engine"): Reach("a connection pool", "forks.engine"),
    ("sqlalchemy.engine.base", "Connection"): Reach("a database connection", "forks.engine for its engine"),
    ("sqlalchemy.ext.asyncio.engine", "AsyncEngine"): Reach("a connection pool", "forks.engine"),
    ("psycopg", "Connection"): Reach("a database connection", "forks.engine for an SQLAlchemy engine"),
    ("psycopg", "AsyncConnection"): Reach("a database connection", _MEMORY),
    ("psycopg2.extensions", "connection"): Reach("a database connection", "forks.engine for an engine"),
    ("psycopg_pool", "ConnectionPool"): Reach("a connection pool", _MEMORY),
    ("psycopg_pool", "AsyncConnectionPool"): Reach("a connection pool", _MEMORY),
    ("sqlalchemy.ext.asyncio.engine", "AsyncConnection"): Reach(
        "a database connection", "forks.engine for its engine"
    ),
    ("diskcache", "Cache"): Reach("a cache on disk", _MEMORY),
    ("asyncpg.connection", "Connection"): Reach("a database connection", _MEMORY),
    ("asyncpg.pool", "Pool"): Reach("a connection pool", _MEMORY),
    ("duckdb", "DuckDBPyConnection"): Reach("a database connection", _MEMORY),
    ("subprocess", "Popen"): Reach("a running process", _MEMORY),
}

_FILE = io.IOBase.__mro__[1]
"""The plain class under it: an abstract one compares classes of the application, whose metaclass it asks."""

_MAKER, _SESSION = "a maker of database sessions", "a database session"
_SESSIONS: dict[tuple[str, str], Reach] = {
    ("sqlalchemy.orm.session", "sessionmaker"): Reach(_MAKER, "forks.engine"),
    ("sqlalchemy.orm.scoping", "scoped_session"): Reach(_MAKER, "forks.engine"),
    ("sqlalchemy.orm.session", "Session"): Reach(_SESSION, "forks.engine for its engine"),
    ("sqlalchemy.ext.asyncio.session", "async_sessionmaker"): Reach(_MAKER, "forks.engine"),
    ("sqlalchemy.ext.asyncio.scoping", "async_scoped_session"): Reach(_MAKER, "forks.engine"),
    ("sqlalchemy.ext.asyncio.session", "AsyncSession"): Reach(_SESSION, "forks.engine for its engine"),
}
"""What uses connections of the engine that it is bound to: harmless in an object whose engine has a fork."""
_CURSOR = Reach("a cursor of a database connection", "forks of their own for its connection")


def reach_outside(kind: type) -> Reach | None:
    """As `reach_of`, for objects that no fork holds: database sessions, their makers and cursors, too."""
    for (module, name), reach in _SESSIONS.items():
        if _is_subclass(kind, module, name):
            return reach
    if all(callable(getattr(kind, name, None)) for name in ("execute", "executemany", "fetchone", "close")):
        return _CURSOR  # by PEP 249, for any driver
    return reach_of(kind)


def fork_line(path: str, reach: Reach) -> str | None:
    """The code that gives a fork to what a path leads to; None where there is no such line.

    Args:
        path: path from the object, such as `Shop.rows.db`.
    """
    name, _, attribute = path.partition(".")
    if reach.fork not in ("forks.engine", "forks.sqlite") or not re.fullmatch(r"\w+(\.\w+)*", attribute):
        return None
    given = f"**{{{attribute!r}: {reach.fork}}}" if "." in attribute else f"{attribute}={reach.fork}"
    return f"Toolset.from_object({name.lower()}, fork=forks.of({given})) {IMPORT_FORKS}"


def reach_of(kind: type) -> Reach | None:
    """How objects of a class reach out of the process; None if they do not."""
    if issubclass(kind, sqlite3.Connection):
        return Reach("a database connection", "forks.sqlite")
    if issubclass(kind, socket.socket):
        return Reach("a socket", _MEMORY, seen=True)
    if issubclass(kind, _FILE) and not issubclass(kind, io.BytesIO | io.StringIO):
        return Reach("an open file", "forks.folder for the folder that it lies in, where the file is opened")
    for (module, name), reach in _CLIENTS.items():
        if _is_subclass(kind, module, name):
            return reach
    if all(callable(getattr(kind, name, None)) for name in ("cursor", "commit", "rollback", "close")):
        return Reach("a database connection", _MEMORY)  # by PEP 249, for any driver
    return None


def _is_subclass(kind: type, module: str, name: str) -> bool:
    """Whether it derives from a class of a module that may not be loaded."""
    loaded = sys.modules.get(module)
    known = getattr(loaded, name, None) if loaded is not None else None
    return isinstance(known, type) and issubclass(kind, known)


# Drivers whose C code connects by itself, without an audit event.
_UNSEEN = ("psycopg", "psycopg2", "MySQLdb", "oracledb", "cx_Oracle", "pyodbc", "pymssql", "duckdb")
_ADDRESS = re.compile(
    r"(postgres(ql)?|mysql|mariadb|mssql|oracle|duckdb)(\+\w+)?://|.*\bdbname\s*=|.*\bDriver\s*=\s*{", re.I
)


def unseen_database(owner: object) -> tuple[str, str] | None:
    """An object's own attribute that addresses a database, and a driver in this process that would
    connect to it unseen; None without such an attribute or driver."""
    driver = next((name for name in _UNSEEN if name in sys.modules), None)
    if driver is None:
        return None
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, str) and _ADDRESS.match(value):
            return f"{type(owner).__name__}.{name}", driver
    return None
