"""Writing to an SQLite file in group commits."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from artis_sdk.commit.journal.writer import GroupWriter, LaterRequest, RestRequest, Work, WriteRequest
from artis_sdk.errors import ArtisError, JournalError
from artis_sdk.sqlite import settle


class SQLiteWriter(GroupWriter):
    """Writes to a file.

    Args:
        path: path of the database; each write first checks that it is still the file that was opened.
        connect: function that opens the database, in the thread; after a failure the next request retries.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(str(path))
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._full: bool | None = None
        """Whether the connection makes its transactions durable."""
        self._file: tuple[int, int] | None = None

    def is_current(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        try:
            stat = os.stat(self._name)
        except OSError:
            return False
        return self._file == (stat.st_dev, stat.st_ino)

    # --- in the thread ------------------------------------------------------------------------

    def _write(self, batch: Sequence[WriteRequest | LaterRequest]) -> list[Any]:
        """Write a batch in one transaction. Returns each request's result or its ArtisError."""
        connection = None
        try:
            connection = self._open()
            full = any(request.durable for request in batch)
            if full is not self._full:
                connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
                self._full = full
            connection.execute("BEGIN IMMEDIATE")
            results = [self._apply(connection, request.work) for request in batch]
            connection.execute("COMMIT")
            if any(isinstance(request, RestRequest) for request in batch):  # and others may copy the file
                with suppress(sqlite3.Error):  # all of it is written, and closing tries again
                    settle(connection)
        except (sqlite3.Error, OSError, ArtisError) as error:
            if connection is not None and connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            return [JournalError(f"{self._path}: {error}") for _ in batch]
        return results

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        stat = os.stat(self._name)
        if self._file is None:
            self._file = stat.st_dev, stat.st_ino
        if self._file != (stat.st_dev, stat.st_ino):
            raise JournalError("the file was replaced by another while it was open")
        return self._connection

    def _apply(self, connection: sqlite3.Connection, work: Work) -> Any:
        try:
            return work(connection)
        except ArtisError as error:
            return error
        except sqlite3.IntegrityError as error:  # undoes this one statement
            return JournalError(f"{self._path}: {error}")

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
