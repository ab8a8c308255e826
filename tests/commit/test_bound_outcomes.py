"""A bound commit whose outcomes differ from the predicted ones, and commits around or inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.bound_commits import RAN, TOOLS, answering, commits, pay, plan_of, step
from helpers.loop import call

from artis_sdk import Direct, Sequential, Session
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approver import Approve, OutcomeRequest, Reject
from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.records import (
    Outcome,
    Provenance,
    Step,
)
from artis_sdk.tools import Toolset, guarded_tool


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


# --- outcomes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "more", "ended"),
    [
        ("paid bob", (), "answer"),
        ("owed bob", (), "answer"),  # nothing is left that could depend on it
        ("owed bob", (step("look", who="x"),), "answer"),
        ("owed bob", (step("pay", who="ann"),), "stopped"),
        ("owed bob", (step("hold", who="ann"),), "stopped"),
        (None, (), "stopped"),  # a failure was foreseen, and it was a success
    ],
)
async def test_a_diverged_outcome_stops_what_depends_on_it(
    journal: CommitJournal, predicted: str | None, more: tuple[Step, ...], ended: str
) -> None:
    first = step("pay", predicted or "x", who="bob")
    if predicted is None:
        failure = Outcome.failure("NoCover", "no cover", Provenance.SIMULATED, raised=True)
        first = Step(call=first.call, outcome=failure)
    plan = plan_of(first, *more)
    calls = [call("pay", who="bob"), *(one.call for one in more)]
    result = await commits(journal, plan, *calls, on_divergence="stop")
    assert result.ended == ended
    assert RAN[0] == ("pay", "bob")
    assert len(RAN) == (len(calls) if ended == "answer" else 1)
    assert result.calls[0].diverged is (predicted != "paid bob")
    assert [one.about for one in journal.decisions()] == (["outcome"] if ended == "stopped" else [])


async def test_a_diverged_outcome_that_the_approver_accepts_is_not_asked_about_again(
    journal: CommitJournal,
) -> None:
    plan = plan_of(step("pay", "owed bob", who="bob"), step("hold", who="ann"))
    approve, asked = answering(Approve(by="ann"), Reject(reason="not eve", by="ann"))
    unforeseen = [call("pay", who="bob"), call("bundle", who="eve")]
    again: dict[str, Any] = {"on_divergence": "ask", "on_unforeseen": "stop", "approve": approve}
    first = await commits(journal, plan, *unforeseen, **again)
    assert first.ended == "stopped"
    assert isinstance(asked[0], OutcomeRequest)
    assert asked[0].made.diverged
    assert journal.decisions()[0].call == first.calls[0].journal_id
    second = await commits(journal, plan, call("hold", who="ann"), resume=True, **again)
    assert (second.ended, len(asked)) == ("answer", 1)
    assert RAN == [("pay", "bob"), ("hold", "ann")]
    assert [one.kind for one in second.calls] == ["foreseen", "foreseen"]


async def test_a_commit_that_goes_on_does_not_allow_what_was_made_a_second_time(
    journal: CommitJournal,
) -> None:
    plan = plan_of(step("bundle", who="ann"), step("pay", who="bob"), nested=(step("pay", who="ann"),))
    calls = call("bundle", who="ann"), call("hold", who="x")
    assert (await commits(journal, plan, *calls)).ended == "stopped"
    RAN.clear()
    again = await commits(journal, plan, call("bundle", who="ann"), resume=True)
    assert (RAN, again.ended) == ([], "stopped")
    assert (await commits(journal, plan, call("pay", who="bob"), resume=True)).ended == "answer"
    assert RAN == [("pay", "bob")]


# --- sessions inside sessions, and sandboxed bodies -------------------------------------------


async def test_a_session_inside_a_bound_commit_is_held_to_the_plan_around_it(tmp_path: Path) -> None:
    """Its calls are real, under a plan of their own, and the approver knows the outer plan only."""

    async def inner(task: str, *, tools: Any, guidance: str | None) -> str:
        await pay("ann")
        await pay("eve")
        return "Paid both."

    async def outer(task: str, *, tools: Any, guidance: str | None) -> str:
        async with Session(agent=inner, tools=TOOLS, strategy=Direct()) as session:
            result = await session.run("Pay them.")
        return result.answer or "stopped"

    plan = plan_of(step("pay", who="ann"), journal=None)
    journal = tmp_path / "journal.db"
    async with Session(
        agent=outer, tools=TOOLS, strategy=Direct(), journal=journal, mode="bound", on_unforeseen="stop"
    ) as session:
        result = await session.commit(plan)
    assert RAN == [("pay", "ann")]
    assert result.ended == "stopped"
    (decision,) = SQLiteJournal(journal).decisions()
    assert (decision.plan, decision.arguments) == (plan.id, {"who": "eve"})


async def test_calls_that_a_sandboxed_body_made_are_foreseen_in_the_real_body(tmp_path: Path) -> None:
    class Account:
        def __init__(self) -> None:
            self.sums = {"a": 5, "b": 0}

        @guarded_tool
        def book(self, name: str, amount: int) -> int:
            self.sums[name] += amount
            return self.sums[name]

        @guarded_tool
        def move(self, amount: int) -> int:
            self.book("a", -amount)
            return self.book("b", amount)

    account = Account()
    tools = Toolset.from_object(account)
    model = ScriptedBackend([[call("move", amount=2)], "Moved."] * 2)
    journal = tmp_path / "journal.db"
    options: dict[str, Any] = {"strategy": Sequential(1), "evaluate": False, "summarize": False}
    async with Session(
        agent=model, tools=tools, simulator="sandbox", journal=journal, mode="bound", **options
    ) as session:
        plan = await session.rehearse("Move 2.")
        assert [(one.call.tool, one.nested) for one in plan.foreseen] == [
            ("move", False),
            ("book", True),
            ("book", True),
        ]
        result = await session.commit(plan)
    assert (result.ended, account.sums) == ("answer", {"a": 3, "b": 2})
    assert [one.kind for one in result.calls] == ["foreseen"] * 3
