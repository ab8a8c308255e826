"""A bound commit that asks: an approver sees a call or an outcome that was not foreseen, and decides."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.bound_commits import RAN, TOOLS, Makes, answering, commits, plan_of, step
from helpers.commit import REDACT
from helpers.loop import call

from artis_sdk.commit.approver import Approve, Asking, CallRequest, Edit, Reject, Request
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.guard import Terms
from artis_sdk.commit.journal import CommitJournal, Decided
from artis_sdk.records import (
    Provenance,
    Risk,
)


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


async def test_an_approver_sees_the_call_beside_what_was_foreseen_and_lets_it_pass(
    journal: CommitJournal,
) -> None:
    plan = plan_of(step("pay", who="bob", amount=8))
    approve, asked = answering(Approve(by="ann"))
    calls = call("pay", who="bob", amount=9), call("pay", who="bob", amount=8)
    result = await commits(journal, plan, *calls, on_unforeseen="ask", approve=approve)
    (request, after) = asked[0], asked[1:]
    assert isinstance(request, CallRequest)
    assert (request.call.arguments, request.kind, request.risk) == (
        {"who": "bob", "amount": 9},
        "changed",
        Risk.IRREVERSIBLE,
    )
    assert request.foreseen == plan.foreseen[0]
    # The one that it was approved in place of is used up: the second payment is asked about, too.
    assert len(after) == 1
    assert result.calls[0].approved_by == "ann"
    assert (len(result.calls), result.ended) == (1, "stopped")
    assert [(one.verdict, one.by) for one in journal.decisions()] == [
        (Decided.APPROVED, "ann"),
        (Decided.STOPPED, "nobody"),
    ]


async def test_a_rejection_reaches_the_agent_with_its_reason_and_the_commit_goes_on(
    journal: CommitJournal,
) -> None:
    plan = plan_of(step("pay", who="bob"))
    approve, _ = answering(Reject(reason="eve is nobody we know", by="ann"))
    agent = Makes(call("pay", who="eve"), call("pay", who="bob"))
    result = await commits(journal, plan, agent=agent, on_unforeseen="ask", approve=approve)
    assert (agent.got[0].type, agent.got[0].provenance) == ("rejected", Provenance.FORCED)
    assert agent.got[0].message == "ann rejected this call: eve is nobody we know"
    assert (RAN, result.ended) == ([("pay", "bob")], "answer")
    assert 'asked for and not made: pay(who="eve")' in result.notes


async def test_an_edited_call_is_made_instead(journal: CommitJournal) -> None:
    plan = plan_of(step("pay", who="bob", amount=8))
    approve, _ = answering(Edit(arguments={"who": "bob", "amount": 80}, by="ann"))
    agent = Makes(call("pay", who="bob", amount=8000))
    result = await commits(journal, plan, agent=agent, on_unforeseen="ask", approve=approve)
    (made,) = result.calls
    assert (made.call.arguments, made.approved_by) == ({"who": "bob", "amount": 80}, "ann")
    assert result.not_made[0].call.arguments["amount"] == 8000
    assert journal.calls()[0].arguments["amount"] == 80
    assert journal.decisions()[0].verdict is Decided.EDITED


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (None, "there is no approver"),
        ([Edit(arguments={"who": 3})], "edited it, and"),
        (["yes"], "answered str to a CallRequest"),
        ([], "the approver failed: IndexError"),
    ],
)
async def test_no_answer_is_no(journal: CommitJournal, answers: list[Any] | None, why: str) -> None:
    approve = None if answers is None else answering(*answers)[0]
    plan = plan_of(step("look", who="bob"))
    result = await commits(journal, plan, call("pay", who="eve"), on_unforeseen="ask", approve=approve)
    assert (RAN, result.ended) == ([], "stopped")
    assert why in result.not_made[0].reason


async def test_an_approver_that_does_not_answer_in_time_says_no(journal: CommitJournal) -> None:
    async def sleeps(request: Request) -> Approve:
        await asyncio.sleep(30)
        return Approve()

    plan = plan_of(step("look", who="bob"))
    result = await commits(
        journal, plan, call("pay", who="eve"), on_unforeseen="ask", approve=sleeps, seconds=0.02
    )
    assert (RAN, result.ended) == ([], "stopped")
    assert "nobody answered within 0.02 s" in result.not_made[0].reason


async def test_an_approver_is_asked_one_question_at_a_time(journal: CommitJournal) -> None:
    at_once, most = 0, 0

    async def slow(request: Request) -> Approve:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return Approve()

    terms = Terms(mode="bound", asking=Asking(slow))
    world = RealWorld(journal, plan_of(step("look", who="x")), redact=REDACT, terms=terms)
    async with world.open():
        await asyncio.gather(*(world.handle(TOOLS["pay"].bind(str(n))) for n in range(5)))
    assert (most, len(RAN)) == (1, 5)
