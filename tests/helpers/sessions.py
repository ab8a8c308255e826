"""Sessions that several tests open, and what their journals hold."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from helpers.fault_server import Handler, serving

from artis_sdk import Session
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.commit.journal import CommitJournal


def unjudged(agent: Any, tools: Any, journal: Path | CommitJournal, **more: Any) -> Session:
    """A session without evaluator and summarizer, unless `more`, further options of `Session`, has one."""
    options: dict[str, Any] = {"evaluate": False, "summarize": False}
    return Session(agent=agent, tools=tools, journal=journal, **options | more)


@asynccontextmanager
async def served(model: Handler, tools: Any, journal: Path, **more: Any) -> AsyncIterator[Session]:
    """A session whose agent is a model behind a scripted server; `more` is further options of `Session`."""
    async with serving(model) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, api_key="x")
        async with (
            aclosing(backend),
            Session(agent=backend, tools=tools, journal=journal, **more) as session,
        ):
            yield session


def journaled(path: Path) -> list[tuple[str, str]]:
    """Tool and state of each call, in the order of the journal; empty where there is no journal yet."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT tool, state FROM call ORDER BY rowid").fetchall()
