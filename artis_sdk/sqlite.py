"""SQLite's write-ahead log, for the call log and for the journal."""

from __future__ import annotations

import os
import re
import sqlite3
import time

from artis_sdk.errors import ConfigurationError

_OWN_FORM = re.compile(r"""[\s"']*(:memory:|file:(?!/)|sqlite3?(?:\+\w+)?:)""", re.IGNORECASE)


def check_file(option: str, given: str | os.PathLike[str]) -> None:
    """Refuse SQLite's names of databases in memory, and other forms that would be the name of a file here.

    Args:
        option: `journal` or `log`.
        given: its address.

    Raises:
        ConfigurationError: says what to pass.
    """
    if os.fspath(given) in ("", "."):  # an empty Path is "."
        raise ConfigurationError(f"{option} is empty: pass the path of a file, such as '{option}.db'")
    form = _OWN_FORM.match(os.fspath(given))
    if form is None:
        return
    lost = "what is in memory is lost with the process; " if "memory" in os.fspath(given) else ""
    raise ConfigurationError(
        f"{option}={form[1]}...: {lost}pass the path of a file, such as {option}='{option}.db', in a test "
        f"tmp_path / '{option}.db'"
    )


def turn_on_wal(connection: sqlite3.Connection, timeout: float) -> bool:
    """Whether a file now has a write-ahead log; not every file system can hold one.

    Args:
        connection: to the file.
        timeout: seconds to wait while other processes make the same file: here SQLite itself does not
            wait for its own lock.

    Raises:
        sqlite3.OperationalError: it is still locked then.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return bool(mode == "wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def settle(connection: sqlite3.Connection) -> None:
    """Move the write-ahead log into the file and empty it, as far as no other connection is reading there:
    nobody is waited for.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout}")
