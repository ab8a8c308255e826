"""A service that holds a database's path, and attempts played over forks of such services."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from helpers.simulators import fork, play

from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()


async def played(tools: Toolset, *calls: Any, simulator: Any = SANDBOX) -> list[Any]:
    """Contents of the outcomes of one attempt, which has ended."""
    attempt = fork(simulator, tools)
    try:
        return [step.outcome.content() for step in await play(attempt, calls)]
    finally:
        await attempt.aclose()


class Store:
    """The most common shape of a service: it holds a path."""

    def __init__(self, path: Any) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("create table if not exists notes (text)")

    def add(self, text: str) -> int:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("insert into notes values (?)", (text,))
            count: int = db.execute("select count(*) from notes").fetchone()[0]
            return count


class Shop:
    """A service that holds a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def sell(self, what: str) -> int:
        return self.store.add(what)


def notes(path: Any) -> int:
    """Number of rows in the store's file."""
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute("select count(*) from notes").fetchone()[0]
    return found
