"""The tables of a call log, and opening its file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from artis_sdk.errors import LogError
from artis_sdk.sqlite import turn_on_wal

# "ALOG" in ASCII; `file` and other readers recognize the type by it.
_APPLICATION = 0x414C4F47
_VERSION = 1
_CANNOT_WRITE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)

# A row of `calls` is one call. Its history is the chain of `previous`, so a row costs the same however
# long the history is. Rows without `record` are calls known from a history only, such as those that
# were never made because their arguments were invalid; readers get them in histories and nowhere else.
_TABLES = (
    """
    CREATE TABLE tools (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        spec TEXT NOT NULL,
        source_hash TEXT
    )
    """,
    """
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        session TEXT,
        task TEXT,
        state TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        record TEXT UNIQUE,
        task INTEGER NOT NULL REFERENCES tasks (id),
        previous INTEGER REFERENCES calls (id),
        seq INTEGER NOT NULL,
        tool TEXT NOT NULL,
        type TEXT NOT NULL,
        provenance TEXT NOT NULL,
        call TEXT NOT NULL,
        outcome TEXT NOT NULL,
        predicted TEXT,
        described INTEGER REFERENCES tools (id),
        at REAL,
        risk TEXT,
        process INTEGER,
        CHECK ((record IS NULL) = (described IS NULL)),
        CHECK ((record IS NULL) = (at IS NULL)),
        CHECK ((previous IS NULL) = (seq = 0))
    )
    """,
    "CREATE INDEX calls_of_task ON calls (task, previous)",
    "CREATE INDEX tasks_of_session ON tasks (session)",
)

# For the newest calls of a tool. A file of an earlier artis_sdk has none; it gets one where it is opened,
# and needs no version of its own, as every artis_sdk keeps an index that it does not know.
_OF_TOOL = "CREATE INDEX calls_of_tool ON calls (tool) WHERE record IS NOT NULL"


def open_log(path: Path, *, create: bool, timeout: float) -> sqlite3.Connection:
    """Open a call log in autocommit mode.

    Args:
        path: the file.
        create: whether to create a missing file, readable by its owner only.
        timeout: seconds to wait for another process's lock.

    Raises:
        LogError: the file is missing, is not a call log, or was written by a newer version.
        sqlite3.Error: the file cannot be read or written now.
    """
    try:
        if create:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif not path.is_file():
            raise LogError(f"{path}: no such call log")
    except OSError as error:
        raise LogError(f"{path} cannot be opened: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _check(connection, path, timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    try:
        known = _is_log(connection, path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            said = "artis logs import FILE --log calls.db reads an export or another tool's log into one"
            raise LogError(f"{path} is not a call log: {error}; {said}") from error
        raise
    if not known:
        if not turn_on_wal(connection, timeout):
            raise LogError(f"{path}: its file system cannot hold a write-ahead log")
        connection.execute("BEGIN IMMEDIATE")
        if not _is_log(connection, path):
            for statement in (*_TABLES, _OF_TOOL):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    else:
        _add_index(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    # Data that is redacted later is overwritten, not only unlinked.
    connection.execute("PRAGMA secure_delete = ON")


def _add_index(connection: sqlite3.Connection) -> None:
    """Make the index of tools where it is missing. Nothing needs it: another one may be writing, and a file
    may be one that nobody can write."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'calls_of_tool'"
    if connection.execute(query).fetchone() is not None:
        return
    try:
        connection.execute(_OF_TOOL.replace("INDEX", "INDEX IF NOT EXISTS"))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE:
            raise


def _is_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether it is a call log; False for an empty file, which may become one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION:
        if version > _VERSION:
            raise LogError(
                f"{path} was written by a newer artis_sdk (schema {version}, this one knows {_VERSION}): "
                "update artis-sdk to read it"
            )
        return True
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application or version or tables:
        raise LogError(f"{path} is an SQLite file, but not a call log; pass another path")
    return False
