"""Queries of a journal from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from artis_sdk.commit.journal.protocol import CommitJournal
from artis_sdk.commit.journal.sqlite import SQLiteJournal

T = TypeVar("T")


async def read(journal: CommitJournal, query: Callable[[], T]) -> T:
    """The result of a query, `calls` or `decisions`: in a thread, if it may have to wait.

    An open file answers by an index in microseconds, and a thread costs ten times as much.

    Raises:
        JournalError: the journal cannot be read.
    """
    if isinstance(journal, SQLiteJournal) and journal.answers_at_once:
        return query()
    return await asyncio.to_thread(query)
