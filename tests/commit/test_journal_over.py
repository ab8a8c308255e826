"""Laws of every journal for plans that ended or were interrupted, and calls settled by hand."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.commit import OK, intent
from helpers.journals import Store

from artis_sdk.commit.journal import FINISHED, REFUSED, CallState, CommitJournal, JournaledCall, SQLiteJournal
from artis_sdk.errors import CommitRefused, JournalError
from artis_sdk.records import Risk

LATER = 4e9
"""Seconds since the epoch: after everything that these tests do."""


def only(journal: CommitJournal) -> JournaledCall:
    (call,) = journal.calls()
    return call


async def broken_off(store: Store, plan: str = "p", *, parent: str | None = None, last: bool = False) -> None:
    """One call of a plan is done, and its owner is gone; with `last`, another was begun."""
    async with aclosing(store.open()) as dead:
        await dead.begin_plan(plan, parent=parent)
        await dead.begin(intent(plan=plan))
        await dead.finish(intent(plan=plan), OK)
        if last:
            await dead.begin(intent(1, plan=plan))


# --- the store's name -------------------------------------------------------------------------


async def test_journals_of_one_store_have_its_name_and_others_another(store: Store, tmp_path: Path) -> None:
    other = type(store)(tmp_path / "other")  # type: ignore[call-arg]
    journals = [store.open(), store.open(), other.open()]
    names = [await journal.identity() for journal in journals]
    assert names[0] == names[1] != names[2]
    assert names == [await journal.identity() for journal in journals]
    for journal in journals:
        await journal.aclose()


async def name_of(path: str | Path) -> str:
    async with aclosing(SQLiteJournal(path)) as journal:
        return await journal.identity()


async def test_a_files_name_depends_on_no_working_directory_and_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = await name_of("journal.db")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "journal.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert await name_of("../journal.db") == await name_of("../link.db") == name
    assert await name_of("journal.db") != name


@pytest.mark.parametrize("way", [shutil.copy, shutil.move])
async def test_a_copy_a_moved_file_and_a_new_one_in_its_place_have_other_names(
    tmp_path: Path, way: Callable[[Path, Path], object]
) -> None:
    path = tmp_path / "journal.db"
    name = await name_of(path)
    way(path, tmp_path / "other.db")
    assert await name_of(tmp_path / "other.db") != name
    path.unlink(missing_ok=True)
    assert await name_of(path) != name
    path.unlink()
    shutil.move(tmp_path / "other.db", path)
    assert await name_of(path) == name


# --- going on with a commit -------------------------------------------------------------------


async def test_a_commit_that_broke_off_goes_on_only_where_that_is_asked_for(
    journal: CommitJournal, store: Store
) -> None:
    await broken_off(store)
    with pytest.raises(CommitRefused, match="1 real call"):
        await journal.begin_plan("p")
    assert await journal.begin_plan("p", resume=True) == 1
    with pytest.raises(CommitRefused, match="1 real call"):
        await journal.begin_plan("p", resume=True)
    await journal.begin(intent(1))
    await journal.finish(intent(1), OK)
    await journal.end_plan("p", FINISHED)
    for resume in (False, True):
        with pytest.raises(CommitRefused, match="2 real call"):
            await journal.begin_plan("p", resume=resume)


@pytest.mark.parametrize("ending", ["stopped", "cancelled"])
async def test_a_commit_that_was_stopped_goes_on_as_often_as_it_breaks_off(
    journal: CommitJournal, ending: str
) -> None:
    for n in range(3):
        assert await journal.begin_plan("p", resume=n > 0) == n
        await journal.begin(intent(n))
        await journal.finish(intent(n), OK)
        await journal.end_plan("p", ending)


async def test_no_commit_goes_on_over_a_call_that_is_open_or_unknown(
    journal: CommitJournal, store: Store
) -> None:
    await broken_off(store, last=True)
    for _ in range(2):
        with pytest.raises(CommitRefused, match=r"outcome of pay \(p:1\) is not known: run `artis recover`"):
            await journal.begin_plan("p", resume=True)
        with pytest.raises(CommitRefused, match="artis recover"):
            await journal.begin_plan("p")
        await journal.abandon(journal.calls()[1])
    await journal.reconcile(journal.calls()[1], None)
    assert await journal.begin_plan("p", resume=True) == 2


async def test_no_commit_goes_on_that_a_refused_call_ended_or_that_is_going_on(
    journal: CommitJournal, store: Store
) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    await journal.finish(intent(), OK)
    async with aclosing(store.open()) as other:
        with pytest.raises(CommitRefused, match="1 real call"):
            await other.begin_plan("p", resume=True)
        await journal.end_plan("p", REFUSED)
        with pytest.raises(CommitRefused, match="refused call"):
            await other.begin_plan("p", resume=True)


async def test_no_commit_goes_on_within_which_another_changed_something(
    journal: CommitJournal, store: Store
) -> None:
    await broken_off(store)
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("p", resume=True)
        await dead.begin_plan("q", parent="p")
        await dead.begin(intent(plan="q"))
        await dead.finish(intent(plan="q"), OK)
    with pytest.raises(CommitRefused, match="2 real call"):
        await journal.begin_plan("p", resume=True)


async def test_a_plan_that_was_never_begun_or_changed_nothing_is_committed_as_any_other(
    journal: CommitJournal,
) -> None:
    assert await journal.begin_plan("p", resume=True) == 0
    await journal.end_plan("p", FINISHED)
    assert await journal.begin_plan("p", resume=True) == 0


async def test_the_database_lets_nobody_else_go_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with aclosing(SQLiteJournal(path)) as journal:
        for plan, ending in (("done", FINISHED), ("off", "stopped"), ("unknown", "stopped")):
            await journal.begin_plan(plan)
            await journal.begin(intent(plan=plan))
            if plan == "unknown":
                journal.close_unobserved(intent(plan=plan), CallState.UNKNOWN)
            else:
                await journal.finish(intent(plan=plan), OK)
            await journal.end_plan(plan, ending)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for plan in ("done", "unknown"):
            with pytest.raises(sqlite3.IntegrityError, match="not committed again"):
                connection.execute(
                    "UPDATE plan SET ended = NULL, ending = NULL, resumed = 1 WHERE id = ?", (plan,)
                )
        again = "UPDATE plan SET ended = NULL, ending = NULL, resumed = {} WHERE id = 'off'"
        for resumed in ("0", "2", "NULL", "resumed"):
            with pytest.raises(sqlite3.IntegrityError, match="not committed again"):
                connection.execute(again.format(resumed))
        connection.execute(again.format("resumed + 1"))


async def test_a_call_says_within_which_other_it_was_made(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    inner = replace(intent(1), within=0)
    await journal.begin(inner)
    await journal.finish(inner, OK)
    reading = replace(intent(2, risk=Risk.READ_ONLY), within=0)
    await journal.finish(reading, OK)
    await journal.end_plan("p", FINISHED)
    assert [call.within for call in journal.calls()] == [None, 0, 0]


# --- settled by hand --------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [OK, None])
async def test_who_settled_a_call_and_why_stands_beside_it(
    journal: CommitJournal, store: Store, outcome: object
) -> None:
    await broken_off(store, last=True)
    call = journal.calls()[1]
    assert (call.left_behind, call.settled_by, call.settled_why) == (True, None, None)
    await journal.abandon(call)
    await journal.reconcile(call, outcome, by="ann", why="the statement lists it")  # type: ignore[arg-type]
    await journal.reconcile(call, None if outcome else OK, by="bob", why="I think so")
    settled = journal.calls()[1]
    assert (settled.settled_by, settled.settled_why) == ("ann", "the statement lists it")
    assert settled.outcome == outcome
    assert not settled.left_behind


# --- pruning ----------------------------------------------------------------------------------


async def test_what_is_over_is_pruned_and_stays_committed(journal: CommitJournal, store: Store) -> None:
    await broken_off(store)
    await broken_off(store, "q")
    await journal.begin_plan("free")
    await journal.end_plan("free", FINISHED)
    now = time.time()
    assert await journal.prune(now - 3600) == 0
    assert len(journal.calls()) == 2
    assert await journal.prune(LATER) == 3
    assert await journal.prune(LATER) == 0
    assert journal.calls() == []
    for plan in ("p", "q", "free"):
        for resume in (False, True):
            with pytest.raises(CommitRefused, match="pruned"):
                await journal.begin_plan(plan, resume=resume)
    assert await journal.begin_plan("r") == 0


async def test_what_is_open_unknown_or_going_on_is_never_pruned(journal: CommitJournal, store: Store) -> None:
    await broken_off(store, "open", last=True)
    await journal.begin_plan("going on")
    await journal.begin(intent(plan="going on"))
    await journal.finish(intent(plan="going on"), OK)
    await journal.begin_plan("unknown")
    await journal.begin(intent(plan="unknown"))
    journal.close_unobserved(intent(plan="unknown"), CallState.UNKNOWN)
    await journal.end_plan("unknown", "stopped")
    before = journal.calls()
    assert await journal.prune(LATER) == 0
    assert journal.calls() == before
    await journal.begin(intent(1, plan="going on"))
    await journal.finish(intent(1, plan="going on"), OK)


async def test_a_plan_is_pruned_with_those_within_it_or_not_at_all(
    journal: CommitJournal, store: Store
) -> None:
    async with aclosing(store.open()) as dead:
        for plan, parent in (("p", None), ("q", "p"), ("r", "q"), ("s", None), ("t", "s")):
            await dead.begin_plan(plan, parent=parent)
            await dead.begin(intent(plan=plan))
            if plan != "t":
                await dead.finish(intent(plan=plan), OK)
    assert await journal.prune(LATER) == 3
    assert {call.plan for call in journal.calls()} == {"s", "t"}
    (left,) = [call for call in journal.calls() if call.plan == "t"]
    await journal.abandon(left)
    await journal.reconcile(left, OK, by="ann", why="seen")
    assert await journal.prune(LATER) == 2


async def test_the_last_event_of_a_plan_counts(journal: CommitJournal, store: Store) -> None:
    await broken_off(store, last=True)
    old = time.time()
    await journal.abandon(journal.calls()[1])
    await journal.reconcile(journal.calls()[1], None)
    assert await journal.prune(old) == 0
    assert await journal.prune(time.time() + 1) == 1


async def test_the_database_deletes_only_what_was_pruned(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with aclosing(SQLiteJournal(path)) as journal:
        await journal.begin_plan("p")
        await journal.begin(intent())
        await journal.finish(intent(), OK)
        await journal.begin(intent(1))
        await journal.end_plan("p", "stopped")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in ("DELETE FROM call", "DELETE FROM plan", "INSERT INTO pruned VALUES ('p', 1)"):
                with pytest.raises(sqlite3.IntegrityError):
                    connection.execute(statement)
            connection.execute("INSERT INTO pruned VALUES ('q', 1)")
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("DELETE FROM pruned")
        with pytest.raises(CommitRefused, match="pruned"):
            await journal.begin_plan("q")


async def test_many_plans_are_pruned_in_steps(tmp_path: Path) -> None:
    async with aclosing(SQLiteJournal(tmp_path / "journal.db")) as journal:
        for n in range(450):
            await journal.begin_plan(f"p{n}")
            await journal.end_plan(f"p{n}", FINISHED)
        assert await journal.prune(LATER) == 450


# --- files of earlier versions ----------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_file_of_an_earlier_version_is_brought_to_this_one(tmp_path: Path, version: int) -> None:
    path = tmp_path / "journal.db"
    script = Path(__file__).parent / "data" / f"journal-v{version}.dump"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text())
    async with aclosing(SQLiteJournal(path)) as journal:
        done, unknown = journal.calls()
        assert (done.state, unknown.state) == (CallState.DONE, CallState.UNKNOWN)
        assert [one.change for one in journal.decisions()] == ([None] if version == 4 else [])
        await journal.reconcile(unknown, None, by="ann", why="asked the bank")
        assert journal.calls()[1].settled_by == "ann"
        with pytest.raises(CommitRefused, match="earlier version"):
            await journal.begin_plan("p", resume=True)
        assert str(path.resolve()) in await journal.identity()
        assert await journal.prune(LATER) == 1
        with pytest.raises(CommitRefused, match="pruned"):
            await journal.begin_plan("p")
        with pytest.raises(JournalError):
            await journal.begin(intent(5))
