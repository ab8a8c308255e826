"""A journal's open file: a writer and a reader, which outlast a journal that is closed for a moment."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

from artis_sdk.commit.journal.reader import JournalReader
from artis_sdk.commit.journal.schema import open_database
from artis_sdk.commit.journal.sqlite_writer import SQLiteWriter
from artis_sdk.lease import sweep
from artis_sdk.lingering import Lingering


class JournalFile:
    """The connections of one process to a journal's file, opened when first used.

    Args:
        path: absolute path of the file.
        timeout: maximum wait for another process's lock, in seconds.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self.writer = SQLiteWriter(path, self._open)
        self.reader = JournalReader(path, partial(open_database, path, timeout=0, any_thread=True))
        self.identity: str | None = None
        """Name of the journal, once it was read (`CommitJournal.identity`)."""

    def is_current(self) -> bool:
        """See `LingeringStore`."""
        return self.writer.is_current()

    def close(self) -> None:
        """Write queued requests, and close the file. Closing twice is fine."""
        self.writer.close()
        self.reader.close()

    def _open(self) -> sqlite3.Connection:
        connection = open_database(self._path, timeout=self._timeout)
        try:
            sweep(self._path)
        except BaseException:
            connection.close()
            raise
        return connection


lingering: Lingering[JournalFile] = Lingering()
"""Files of shared journals that were closed a moment ago, by the journal's path and the file's real one."""
