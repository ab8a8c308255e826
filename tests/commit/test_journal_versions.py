"""Journals of other versions: an earlier one is brought to this one, a later one is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from helpers.commit import OK
from helpers.first_journal import write_first_version

from artis_sdk.commit.journal import CallState, Decided, Decision, SQLiteJournal
from artis_sdk.errors import CommitRefused, JournalError


def objects(path: Path) -> set[tuple[str, str]]:
    """Names of tables, indexes and triggers, and of the columns of tables."""
    with closing(sqlite3.connect(path)) as connection:
        found = set(connection.execute("SELECT type, name FROM sqlite_master").fetchall())
        for _, table in [one for one in found if one[0] == "table"]:
            found |= {(table, row[1]) for row in connection.execute(f"PRAGMA table_xinfo({table})")}
        return found


async def test_a_journal_of_the_first_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    write_first_version(path)
    journal = SQLiteJournal(path)
    over, old = journal.calls()
    assert (over.state, over.outcome, over.running) == (
        CallState.DONE,
        OK.model_copy(update={"value": None}),
        False,
    )
    assert (old.state, old.arguments, old.running) == (CallState.INTENT, {"to": "bob"}, False)
    for plan, why in (("over", "already made"), ("old", "not known")):
        with pytest.raises(CommitRefused, match=why):
            await journal.begin_plan(plan, resume=True)
    await journal.abandon(old)
    await journal.reconcile(old, OK, by="ann", why="seen at the bank")
    assert journal.calls(plan="old")[0].settled_by == "ann"  # which the first version did not have
    approved = Decision(plan="old", at=1.0, about="plan", verdict=Decided.APPROVED, by="ann", digest=None)
    await journal.decide(approved)
    assert journal.decisions() == [approved]
    with pytest.raises(CommitRefused, match="under an earlier version of artis_sdk; rehearse again"):
        await journal.begin_plan(
            "old", resume=True
        )  # which of its calls were made within others is not known
    await journal.aclose()
    new = SQLiteJournal(tmp_path / "new.db")
    await new.begin_plan("p")
    await new.aclose()
    assert objects(path) == objects(tmp_path / "new.db")


async def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first = SQLiteJournal(path)
    await first.begin_plan("p")
    await first.aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = objects(path)
    journal = SQLiteJournal(path)
    with pytest.raises(
        JournalError, match=r"version 99, and this artis_sdk knows up to \d+; update artis_sdk"
    ):
        await journal.begin_plan("q")
    with pytest.raises(JournalError, match="version 99"):
        journal.calls()
    await journal.aclose()
    assert objects(path) == before
