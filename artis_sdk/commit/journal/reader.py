"""Reading from SQLite in any thread, on one connection: opening a file costs more than most queries."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from artis_sdk.errors import JournalError


class JournalReader:
    """Keeps a connection from its first read on. Not for a process that was forked meanwhile.

    Args:
        path: path of the database, which exists; a file put in its place is opened, too.
        connect: function that opens the database for use in any thread, and without waiting for locks.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._name = str(path)
        self._connect = connect
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def rows(self, statement: str, parameters: Sequence[str | None]) -> list[Any]:
        """The rows of a query.

        Raises:
            JournalError: the file is not a journal.
            sqlite3.Error: the file cannot be read, or not now.
            OSError: the file cannot be opened.
        """
        with self._lock:
            stat = os.stat(self._name)  # each query looks, and a Path takes twice as long
            if self._connection is None or self._file != (stat.st_dev, stat.st_ino):
                self._close()
                self._connection = self._connect()
                self._file = stat.st_dev, stat.st_ino
            try:
                return self._connection.execute(statement, parameters).fetchall()
            except sqlite3.Error:
                self._close()
                raise

    def is_free(self) -> bool:
        """Whether a read need not wait for another process now: none does in an open file, which has a
        write-ahead log."""
        if self._connection is not None:
            return True
        try:
            self.rows("PRAGMA data_version", ())
        except (sqlite3.Error, OSError, JournalError):
            return False
        return True

    def close(self) -> None:
        """Close the connection. The next read opens another one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
