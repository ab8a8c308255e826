"""The journals of commits that are killed: in a file, or in the database that `ARTIS_TEST_JOURNAL` names."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

from helpers.commit import Tick

from artis_sdk.commit.journal import CommitJournal, Intent, SQLiteJournal
from artis_sdk.commit.journal.sqlite_file import JournalFile
from artis_sdk.records import Outcome

URL = os.environ.get("ARTIS_TEST_JOURNAL")
if URL is not None:  # here, before the forks
    import psycopg

    from artis_sdk.commit.journal.postgres import PostgresJournal


class TracedJournal(SQLiteJournal):
    """A journal that tells of each statement that its writer executes."""

    def __init__(self, path: Path, trace: Callable[[str], object]) -> None:
        super().__init__(path)
        self._store = TracedFile(path, trace)


class TracedFile(JournalFile):
    """The file of a `TracedJournal`."""

    def __init__(self, path: Path, trace: Callable[[str], object]) -> None:
        super().__init__(path, timeout=10.0)
        self._trace = trace

    def _open(self) -> sqlite3.Connection:
        connection = super()._open()
        connection.set_trace_callback(self._trace)
        return connection


class TickingJournal(TracedJournal):
    """A journal that tells of each step that it takes, down to the statement."""

    def __init__(self, path: Path, tick: Tick) -> None:
        super().__init__(path, lambda statement: tick(f"before {statement.split()[0]}"))
        self._tick = tick

    async def begin(self, intent: Intent) -> str:
        return await ticked_begin(super().begin(intent), self._tick)

    def finish(self, intent: Intent, outcome: Outcome) -> asyncio.Future[None]:
        self._tick("before the outcome")
        return ticked_outcome(super().finish(intent, outcome), self._tick)


async def ticked_begin(begin: Coroutine[Any, Any, str], tick: Tick) -> str:
    tick("before the intent")
    begun = asyncio.ensure_future(begin)
    await asyncio.sleep(0)
    tick("intent queued")
    call = await begun
    tick("intent durable")
    return call


def ticked_outcome(written: asyncio.Future[None], tick: Tick) -> asyncio.Future[None]:
    tick("outcome queued")
    written.add_done_callback(lambda _: tick("outcome written"))
    return written


def ticking(folder: Path, trial: str, tick: Tick) -> CommitJournal:
    """The journal of a trial: `ARTIS_TEST_JOURNAL`, or a file in the folder."""
    if URL is None:
        return TickingJournal(folder / "journal.db", tick)

    class TickingPostgres(PostgresJournal):
        async def begin(self, intent: Intent) -> str:
            return await ticked_begin(super().begin(intent), tick)

        def finish(self, intent: Intent, outcome: Outcome) -> asyncio.Future[None]:
            tick("before the outcome")
            return ticked_outcome(super().finish(intent, outcome), tick)

    return TickingPostgres(f"{URL}&application_name={quote(trial)}")


def opened(folder: Path, trial: str) -> CommitJournal:
    """The journal of a trial after it ended; the server has noticed that."""
    if URL is None:
        return SQLiteJournal(folder / "journal.db")
    with psycopg.connect(URL, autocommit=True) as connection:
        query = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"
        while connection.execute(query, (trial,)).fetchone() is not None:
            time.sleep(0.005)
    return PostgresJournal(f"{URL}&application_name={quote(trial)}")
