"""Sessions whose attempts nobody judges or summarizes, and what their journals hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from artis_sdk import Session
from artis_sdk.commit.journal import CommitJournal


def unjudged(agent: Any, tools: Any, journal: Path | CommitJournal, **more: Any) -> Session:
    """A session without evaluator and summarizer, unless `more`, further options of `Session`, has one."""
    options: dict[str, Any] = {"evaluate": False, "summarize": False}
    return Session(agent=agent, tools=tools, journal=journal, **options | more)


def journaled(path: Path) -> list[tuple[str, str]]:
    """Tool and state of each call, in the order of the journal; empty where there is no journal yet."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT tool, state FROM call ORDER BY rowid").fetchall()
