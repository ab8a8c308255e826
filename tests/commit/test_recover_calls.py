"""What is known after a crash: hooks are asked, nothing is made again, nothing is settled twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, REDACT, intent
from helpers.journals import Store

from artis_sdk.commit.journal import CallState, CommitJournal, Intent, SQLiteJournal
from artis_sdk.commit.recover import NotExecuted, Recovered, recover, unknown_calls
from artis_sdk.errors import JournalError
from artis_sdk.records import Outcome, Provenance, Risk, ToolCall
from artis_sdk.tools import Toolset, guarded_tool


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[CommitJournal]:
    """A journal in which an owner that is gone left one open call of each tool below."""
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("dead")
        for seq, tool in enumerate(("paid", "unpaid", "lost", "plain", "broken", "wrong", "gone")):
            key = f"key-{seq}"
            await dead.begin(Intent("dead", seq, tool, {"to": "ann"}, Risk.IRREVERSIBLE, key, 1.0 + seq))
    journal = store.open()
    yield journal
    await journal.aclose()


class Desk:
    """Tools that must not run, and hooks that tell how their calls ended."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []

    def ask(self, call: ToolCall, key: str | None) -> Any:
        self.asked.append((call.tool, call.arguments, key))
        match call.tool:
            case "paid":
                return OK
            case "unpaid":
                return NotExecuted()
            case "lost":
                return None
            case "broken":
                raise ConnectionError("the bank is closed")
            case _:
                return {"paid": 5}

    async def ask_async(self, call: ToolCall, key: str | None) -> Any:
        await asyncio.sleep(0)
        return self.ask(call, key)

    def tools(self) -> Toolset:
        def run(to: str) -> None:
            raise AssertionError("a real function ran")

        hooks = {
            "paid": self.ask,
            "unpaid": self.ask_async,
            "lost": self.ask,
            "plain": None,
            "broken": self.ask_async,
            "wrong": self.ask,
        }
        return Toolset(
            *(guarded_tool(name=name, reconcile=hook)(copied(run)) for name, hook in hooks.items())
        )


def copied(function: Any) -> Any:
    def run(to: str) -> None:
        function(to)

    return run


def by_tool(found: list[Recovered]) -> dict[str, tuple[CallState, str | None]]:
    return {call.tool: (call.state, call.problem) for call in found}


async def test_each_call_is_settled_as_its_hook_says(journal: CommitJournal) -> None:
    desk = Desk()
    assert [call.tool for call in unknown_calls(journal)] == [
        "paid", "unpaid", "lost", "plain", "broken", "wrong", "gone",
    ]  # fmt: skip
    assert {call.state for call in unknown_calls(journal)} == {CallState.INTENT}, "looking changed something"

    found = await recover(journal, desk.tools(), redact=REDACT)
    settled = by_tool(found)
    assert settled["paid"] == (CallState.RECONCILED, None)
    assert settled["unpaid"] == (CallState.NOT_EXECUTED, None)
    for tool, problem in {
        "lost": "does not know the outcome",
        "plain": "no reconcile hook",
        "broken": "the bank is closed",
        "wrong": "must return an Outcome",
        "gone": "not among the given tools",
    }.items():
        state, reason = settled[tool]
        assert state is CallState.UNKNOWN
        assert reason is not None
        assert problem in reason
    assert found[0].outcome == OK
    assert ("paid", {"to": "ann"}, "key-0") in desk.asked
    assert datetime.fromisoformat(found[0].begun_at).timestamp() == 1.0
    assert Recovered.model_validate_json(found[0].model_dump_json()) == found[0]


async def test_recovering_again_asks_only_for_what_is_still_unknown(journal: CommitJournal) -> None:
    desk = Desk()
    first = await recover(journal, desk.tools(), redact=REDACT)
    before = journal.calls()
    desk.asked.clear()
    again = await recover(journal, desk.tools(), redact=REDACT)
    assert [call.tool for call in again] == ["lost", "plain", "broken", "wrong", "gone"]
    assert {tool for tool, _, _ in desk.asked} == {"lost", "broken", "wrong"}
    assert again == [call for call in first if call.state is CallState.UNKNOWN]
    assert journal.calls() == before


async def test_two_recoveries_at_once_agree(journal: CommitJournal, store: Store) -> None:
    other = store.open()
    desk = Desk()
    one, two = await asyncio.gather(
        recover(journal, desk.tools(), redact=REDACT), recover(other, desk.tools(), redact=REDACT)
    )
    await other.aclose()
    assert by_tool(one).items() >= by_tool(two).items()
    assert by_tool(one)["paid"] == (CallState.RECONCILED, None)


async def test_the_first_answer_stays(journal: CommitJournal, store: Store) -> None:
    """A second recovery whose hook has changed its mind meanwhile settles nothing anew."""
    (paid,) = [call for call in journal.calls() if call.tool == "paid"]
    other = store.open()
    for each in (journal, other):
        await each.abandon(paid)
    await journal.reconcile(paid, OK)
    await other.reconcile(paid, None)
    await other.aclose()
    (settled,) = [call for call in journal.calls() if call.tool == "paid"]
    assert (settled.state, settled.outcome) == (CallState.RECONCILED, OK)


async def test_the_calls_of_the_living_are_left_alone(journal: CommitJournal, store: Store) -> None:
    living = store.open()
    await living.begin_plan("p")
    await living.begin(intent(seq=0))
    await living.begin(intent(seq=1))
    living.close_unobserved(intent(seq=1), CallState.UNKNOWN)
    await living.end_plan("p", "stopped")
    found = [call.seq for call in await recover(journal, (), redact=REDACT) if call.plan == "p"]
    assert found == [1]
    await living.finish(intent(seq=0), OK)
    await living.aclose()


async def test_a_plan_is_free_again_when_none_of_its_calls_was_made(store: Store) -> None:
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
    journal = store.open()

    @guarded_tool(reconcile=lambda call, key: NotExecuted())
    def pay(to: str) -> None:
        raise AssertionError("a real function ran")

    await recover(journal, Toolset(pay), redact=REDACT)
    assert await journal.begin_plan("p") == 1
    await journal.aclose()


async def test_a_hook_written_as_a_method_gets_the_tools_object(store: Store) -> None:
    class Bank:
        def __init__(self) -> None:
            self.sent = {"key-1"}

        def _ask(self, call: ToolCall, key: str | None) -> Outcome | NotExecuted:
            return OK if key in self.sent else NotExecuted()

        @guarded_tool(reconcile=_ask)
        def pay(self, to: str) -> None:
            raise AssertionError("a real function ran")

    async with aclosing(store.open()) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
    journal = store.open()
    (call,) = await recover(journal, Toolset.from_object(Bank()), redact=REDACT)
    assert call.state is CallState.RECONCILED
    await journal.aclose()


async def test_only_what_happened_is_an_answer(store: Store) -> None:
    @guarded_tool(reconcile=lambda call, key: Outcome.success(1, Provenance.SIMULATED))
    def pay(to: str) -> None:
        raise AssertionError("a real function ran")

    async with aclosing(store.open()) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
    journal = store.open()
    (call,) = await recover(journal, Toolset(pay), redact=REDACT)
    assert call.state is CallState.UNKNOWN
    assert call.problem is not None
    assert "provenance" in call.problem
    await journal.aclose()


async def test_secrets_in_what_a_hook_tells_do_not_reach_the_file(tmp_path: Path) -> None:
    @guarded_tool(reconcile=lambda call, key: Outcome.success({"password": "hunter2222"}, Provenance.REAL))
    def pay(to: str) -> None:
        raise AssertionError("a real function ran")

    path = tmp_path / "journal.db"
    with closing(SQLiteJournal(path)) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
    journal = SQLiteJournal(path)
    (call,) = await recover(journal, Toolset(pay), redact=REDACT)
    assert call.state is CallState.RECONCILED
    await journal.aclose()
    assert b"hunter2222" not in path.read_bytes()


async def test_without_a_journal_nothing_is_unknown(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "none" / "journal.db")
    assert unknown_calls(journal) == []
    assert await recover(journal, (), redact=REDACT) == []
    assert not journal.path.exists()
    (tmp_path / "none").mkdir()
    journal.path.write_text("no database at all, but a text of some length" * 50)
    with pytest.raises(JournalError):
        await recover(journal, (), redact=REDACT)
