"""A whole commit: an actor, a budget, the real world, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.commit import REDACT, make_world, steps
from helpers.loop import call

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.commit.plan import commit
from artis_sdk.errors import AgentError, CommitRefused, LimitReached, UnknownOutcome
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.records import Attempt, Completion, Plan, Recommendation, Risk, Role, Task, Usage
from artis_sdk.records.events import (
    CallBegun,
    CallCommitted,
    CommitFinished,
    CommitStarted,
    Event,
    ModelAnswered,
)
from artis_sdk.tools import Toolset, guarded_tool

SPENT = {Role.ACTION: Usage(requests=3, prompt_tokens=30), Role.EVALUATION: Usage(requests=1)}


class Till:
    """Real tools with a balance."""

    def __init__(self) -> None:
        self.balance = 10

        @guarded_tool
        def pay(amount: int) -> int:
            """Pay.

            Args:
                amount: how much.
            """
            self.balance -= amount
            return self.balance

        @guarded_tool(risk=Risk.READ_ONLY)
        async def look() -> int:
            """Read the balance."""
            return self.balance

        @guarded_tool(timeout=0.02)
        async def hang() -> None:
            """Never ends."""
            await asyncio.sleep(30)

        self.pay, self.look, self.hang = pay, look, hang
        self.tools = Toolset(pay, look, hang)

    def plan(self, **more: Any) -> Plan:
        task = Task(query="Pay 3.", tools=self.tools.specs)
        advice = Recommendation(recommendation="Look first.")
        return Plan(task=task, strategy="sequential", recommendation=advice, guidance="Look first.", **more)


@pytest.fixture
def till() -> Till:
    return Till()


async def test_a_model_carries_the_plan_out_once(journal: CommitJournal, till: Till) -> None:
    script = ScriptedBackend(
        [
            Completion(tool_calls=(call("look"),), finish_reason="tool_calls", usage=Usage(requests=1)),
            Completion(
                tool_calls=(call("pay", amount=1), call("pay", amount="x"), call("pay", amount=2)),
                finish_reason="tool_calls",
                usage=Usage(requests=1),
            ),
            Completion(text="Paid.", usage=Usage(requests=1, completion_tokens=4)),
        ]
    )
    predicted = (*steps(look={}), *steps(pay={"amount": 1}), *steps(pay={"amount": 2}))
    plan = till.plan(usage=SPENT, attempts=(Attempt(index=0, steps=predicted),))
    events: list[Event] = []
    world = RealWorld(journal, plan, redact=REDACT, emit=events.append)
    budget = Budget(spent=SPENT, emit=events.append)
    result = await commit(plan, ModelActor(script, till.tools), world, budget)

    assert (result.answer, result.ended, result.plan) == ("Paid.", "answer", plan)
    assert [(each.call.tool, each.outcome.value) for each in result.calls] == [
        ("look", 10),
        ("pay", 9),
        ("pay", 7),
    ]
    assert all(each.predicted is not None and each.diverged for each in result.calls)
    assert len(result.messages) == 7
    assert [message.failed for message in result.messages if message.role == "tool"] == [
        False,
        False,
        True,
        False,
    ]
    assert result.usage[Role.ACTION] == Usage(requests=6, prompt_tokens=30, completion_tokens=4)
    assert result.usage[Role.EVALUATION] == SPENT[Role.EVALUATION]
    assert "Look first." in script.requests[0].messages[-1].content
    kinds = [type(event) for event in events]
    assert kinds == [
        CommitStarted,
        ModelAnswered,
        CallBegun,
        CallCommitted,
        ModelAnswered,
        CallBegun,
        CallCommitted,
        CallBegun,
        CallCommitted,
        ModelAnswered,
        CommitFinished,
    ]

    with pytest.raises(CommitRefused):
        await commit(plan, ModelActor(script, till.tools), make_world(journal, plan.id), Budget())
    assert till.balance == 7


async def test_a_callers_own_agent_carries_the_plan_out(journal: CommitJournal, till: Till) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        assert guidance == "Look first."
        before = await till.look()
        return f"{before} - 3 = {till.pay(3)}"

    plan = till.plan()
    budget = Budget(Limits(steps=10, reserve=0))
    result = await commit(plan, CallableActor(agent, till.tools), make_world(journal, plan.id), budget)
    assert result.answer == "10 - 3 = 7"
    assert [each.call.tool for each in result.calls] == ["look", "pay"]
    assert [each.call.arguments for each in result.calls] == [{}, {"amount": 3}]
    assert budget.steps == 2


async def test_an_agent_cannot_go_on_past_an_unknown_call(journal: CommitJournal, till: Till) -> None:
    async def stubborn(task: str, *, tools: Any, guidance: str | None) -> str:
        for attempt in (till.hang, till.hang, till.look):
            try:
                await attempt()
            except UnknownOutcome:
                continue
        till.pay(3)
        return "all fine"

    async def wrapping(task: str, *, tools: Any, guidance: str | None) -> str:
        try:
            await till.hang()
        except UnknownOutcome as error:
            raise RuntimeError("something went wrong") from error
        return "all fine"

    for agent in (stubborn, wrapping):
        plan = till.plan()
        world = make_world(journal, plan.id, on_unknown="note")
        with pytest.raises(UnknownOutcome, match="hang"):
            await commit(plan, CallableActor(agent, till.tools), world, Budget())
    assert till.balance == 10
    assert [each.tool for each in journal.calls()] == ["hang", "hang"]


async def test_an_agent_that_fails_leaves_what_it_did_in_the_journal(
    journal: CommitJournal, till: Till
) -> None:
    async def failing(task: str, *, tools: Any, guidance: str | None) -> str:
        till.pay(3)
        raise KeyError("oops")

    plan = till.plan()
    with pytest.raises(AgentError) as raised:
        await commit(plan, CallableActor(failing, till.tools), make_world(journal, plan.id), Budget())
    assert any(plan.id in note for note in raised.value.__notes__)
    assert [each.tool for each in journal.calls()] == ["pay"]


async def test_a_limit_before_anything_changed_leaves_the_plan_free(
    journal: CommitJournal, till: Till
) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await till.look()
        await till.look()
        return str(till.pay(3))

    plan = till.plan()
    with pytest.raises(LimitReached):
        await commit(
            plan,
            CallableActor(agent, till.tools),
            make_world(journal, plan.id),
            Budget(Limits(steps=1, reserve=0)),
        )
    assert till.balance == 10
    result = await commit(plan, CallableActor(agent, till.tools), make_world(journal, plan.id), Budget())
    assert result.answer == "7"
    assert [each.seq for each in journal.calls()] == [0, 1, 2, 3]


async def test_a_limit_never_ends_a_commit_half_way(journal: CommitJournal, till: Till) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        for _ in range(5):
            till.pay(1)
        return "paid"

    plan = till.plan()
    budget = Budget(Limits(steps=2, reserve=0))
    result = await commit(plan, CallableActor(agent, till.tools), make_world(journal, plan.id), budget)
    assert result.answer == "paid"
    assert till.balance == 5
    assert budget.notes
