"""A whole session: rehearsed, judged, recommended, committed once."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from helpers.lingering_threads import end_of_threads
from helpers.sessions import unjudged

from artis_sdk import (
    Direct,
    Hybrid,
    Limits,
    LLMSimulator,
    Parallel,
    Plan,
    SandboxSimulator,
    Sequential,
    SequentialRevision,
    Session,
    Toolset,
    WeightedBestOfN,
    guarded_tool,
)
from artis_sdk.backends import ScriptedBackend
from artis_sdk.backends.scripted import Reply
from artis_sdk.errors import CommitRefused, ConfigurationError
from artis_sdk.logs import CallLog
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.pocket.bank import Account, InsufficientFunds
from artis_sdk.records import Capabilities, Provenance, Request, Role, ToolCall
from artis_sdk.records.events import Event

GOOD = "<Evaluation>fine</Evaluation><Result>1</Result><Suggestion></Suggestion>"
BAD = "<Evaluation>refused</Evaluation><Result>0</Result><Suggestion>send 50</Suggestion>"
ADVICE = json.dumps({"recommendation": "Send 50, not 500.", "rationale": "500 is refused."})


def bank() -> Bank:
    accounts = [Account("A101", "Ann", "EUR", 100), Account("A102", "Bob", "EUR", 0)]
    return Bank(accounts={account.id: account for account in accounts})


def transfer(amount: int) -> ToolCall:
    return ToolCall(tool="transfer", arguments={"source": "A101", "target": "A102", "amount": amount})


def role_of(request: Request) -> Role:
    """Which role a request plays, told by its system prompt."""
    if request.tools:
        return Role.ACTION
    return Role.SUMMARY if "recommendation" in str(request.schema) else Role.EVALUATION


def learns_from_attempts(request: Request) -> Any:
    """Sends 500 first; 50 once a recommendation or an earlier attempt is shown."""
    match role_of(request):
        case Role.ACTION:
            if request.messages[-1].role == "tool":
                return "done" if not request.messages[-1].failed else "it was refused"
            told = "Send 50" in request.messages[-1].content or "send 50" in request.messages[-1].content
            return transfer(50 if told else 500)
        case Role.EVALUATION:
            return BAD if "InsufficientFunds" in request.messages[-1].content else GOOD
        case _:
            return ADVICE


@pytest.mark.parametrize("strategy", [Sequential(3), Parallel(3), Hybrid(width=2, rounds=2)])
async def test_a_task_is_rehearsed_and_carried_out_once(strategy: Any, tmp_path: Path) -> None:
    books, events = bank(), list[Event]()
    backend = ScriptedBackend(learns_from_attempts)
    async with Session(
        style="paper",
        agent=backend,
        tools=pocket_tools(books),
        simulator=SandboxSimulator(),
        strategy=strategy,
        journal=tmp_path / "journal.db",
        log=tmp_path / "calls.db",
        on_event=events.append,
    ) as session:
        before = pickle.dumps(books)
        plan = await session.rehearse("Send Bob 500 of Ann's money, or what is possible.")
        assert pickle.dumps(books) == before, "a rehearsal touched the real bank"
        result = await session.commit(plan)
    assert books.accounts["A101"].balance == 50
    assert books.accounts["A102"].balance == 50
    assert len(books.transfers) == 1
    assert plan.recommendation is not None
    assert plan.recommendation.recommendation == "Send 50, not 500."
    assert [step.outcome.provenance for a in plan.attempts for step in a.steps] == [
        Provenance.SANDBOXED
    ] * len(plan.attempts)
    assert [call.outcome.provenance for call in result.calls] == [Provenance.REAL]
    requests = dict.fromkeys(Role, 0)
    for request in backend.requests:
        requests[role_of(request)] += 1
    assert {role: usage.requests for role, usage in result.usage.items()} == {
        role: count for role, count in requests.items() if count
    }
    assert result.usage[Role.EVALUATION].requests == len(plan.attempts)  # table 4: one an attempt
    kinds = [event.kind for event in events]
    assert kinds[0] == "rehearsal_started"
    assert kinds[-1] == "commit_finished"
    with CallLog(tmp_path / "calls.db") as log:
        (record,) = log.records()
    assert record.outcome.provenance is Provenance.REAL
    assert record.call.arguments == {"source": "A101", "target": "A102", "amount": 50}


async def test_the_prediction_stands_beside_the_real_outcome(tmp_path: Path) -> None:
    books = bank()
    script: list[Reply] = [transfer(30), "sent", GOOD, ADVICE, transfer(30), "sent"]
    async with Session(
        style="paper",
        agent=ScriptedBackend(script),
        tools=pocket_tools(books),
        simulator=SandboxSimulator(),
        strategy=Sequential(1),
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Send Bob 30.")
        books.accounts["A101"].status = "frozen"  # the world changes behind the rehearsal's back
        result = await session.commit(plan)
    (call,) = result.calls
    assert call.predicted is not None
    assert call.predicted.ok
    assert call.outcome.failure_type == "Frozen"
    assert result.divergences == (call,)


@pytest.mark.parametrize("strategy", [WeightedBestOfN(2), SequentialRevision(2), Direct()])
async def test_baselines_need_no_simulator_and_commit_once(strategy: Any, tmp_path: Path) -> None:
    books = bank()

    def reply(request: Request) -> Any:
        if not request.tools:
            return json.dumps({"evaluation": "good", "suggestion": "", "score": 7})
        return "done" if request.messages[-1].role == "tool" else transfer(10)

    async with Session(
        style="paper",
        agent=ScriptedBackend(reply),
        tools=pocket_tools(books),
        strategy=strategy,
        journal=tmp_path / "j.db",
    ) as session:
        result = await session.run("Send Bob 10.")
    assert len(books.transfers) == 1
    assert result.answer == "done"


async def test_a_plan_is_committed_once_and_survives_being_saved(tmp_path: Path) -> None:
    books = bank()
    script: list[Reply] = [transfer(10), "ok", GOOD, ADVICE, transfer(10), "ok"]
    journal = tmp_path / "journal.db"
    tools = pocket_tools(books)
    async with Session(
        style="paper",
        agent=ScriptedBackend(script),
        tools=tools,
        simulator="sandbox",
        strategy=Sequential(1),
        journal=journal,
    ) as session:
        plan = await session.rehearse("Send Bob 10.")
        saved = Plan.model_validate_json(plan.model_dump_json())
        assert saved == plan
        await session.commit(saved)
    async with Session(
        style="paper",
        agent=ScriptedBackend(lambda _: transfer(10)),
        tools=tools,
        strategy=Direct(),
        journal=journal,
    ) as other:
        with pytest.raises(CommitRefused):
            await other.commit(plan)
    assert len(books.transfers) == 1


async def test_several_turns_keep_the_conversation(tmp_path: Path) -> None:
    books = bank()
    script: list[Reply] = ["Hello, what may I do?", transfer(5), "sent 5"]
    backend = ScriptedBackend(script)
    async with Session(
        style="paper", agent=backend, tools=pocket_tools(books), strategy=Direct(), journal=tmp_path / "j.db"
    ) as session:
        await session.run("Hello.")
        await session.run("Send Bob 5.")
        said = [(message.role, message.content) for message in session.conversation]
    assert said[0] == ("user", "Hello.")
    assert said[1] == ("assistant", "Hello, what may I do?")
    assert said[2] == ("user", "Send Bob 5.")
    assert said[-1] == ("assistant", "sent 5")
    assert "Hello." in [message.content for message in backend.requests[1].messages]


async def test_an_agent_of_the_callers_own_is_rehearsed_unchanged(tmp_path: Path) -> None:
    sent: list[int] = []

    @guarded_tool
    def send(amount: int) -> str:
        """Send money."""
        sent.append(amount)
        return f"sent {amount}"

    seen: list[str] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        seen.append(send(7))  # a sync tool, on the event loop, as the function itself
        seen.append(await asyncio.to_thread(tools["send"], amount=8))
        return "done"

    simulator = LLMSimulator(ScriptedBackend(lambda _: '<Output>["predicted"]</Output>', capabilities=PLAIN))
    async with unjudged(
        agent, [send], tmp_path / "j.db", simulator=simulator, strategy=Parallel(3)
    ) as session:
        plan = await session.rehearse("Send something.")
        assert sent == [], "a real function ran during a rehearsal"
        assert seen == ["predicted"] * 6
        result = await session.commit(plan)
    assert sent == [7, 8]
    assert [call.outcome.value for call in result.calls] == ["sent 7", "sent 8"]


PLAIN = Capabilities(structured_output=False)


async def test_a_simulated_failure_is_raised_as_the_tools_own_exception(tmp_path: Path) -> None:
    caught: list[str] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        try:
            tools["transfer"](source="A101", target="A102", amount=900)
        except InsufficientFunds as error:
            caught.append(str(error))
        return "refused"

    async with unjudged(
        agent, pocket_tools(bank()), tmp_path / "j.db", simulator="sandbox", strategy=Sequential(2)
    ) as session:
        await session.rehearse("Send Bob 900.")
    assert caught == ["account A101 does not cover 900"] * 2


async def test_cancelling_leaves_nothing_behind(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    started = asyncio.Event()

    async def hang(request: Request) -> str:
        started.set()
        await asyncio.sleep(3600)
        return "never"

    async def use() -> None:
        async with Session(
            style="paper",
            agent=ScriptedBackend(hang),
            tools=pocket_tools(bank()),
            simulator="sandbox",
            strategy=Parallel(4),
            journal=tmp_path / "j.db",
        ) as session:
            await session.run("Hang.")

    running = asyncio.create_task(use())
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == tasks
    await end_of_threads(threads)


async def test_leaving_the_session_ends_what_still_runs(tmp_path: Path) -> None:
    async def hang(request: Request) -> str:
        await asyncio.sleep(3600)
        return "never"

    async with Session(
        style="paper",
        agent=ScriptedBackend(hang),
        tools=pocket_tools(bank()),
        strategy=Direct(),
        journal=tmp_path / "j.db",
    ) as session:
        left = asyncio.create_task(session.run("Hang."))
        await asyncio.sleep(0.01)
    assert left.cancelled()


async def test_a_limit_ends_the_rehearsal_and_leaves_the_commit_its_share(tmp_path: Path) -> None:
    books = bank()
    backend = ScriptedBackend(learns_from_attempts)
    async with Session(
        style="paper",
        agent=backend,
        tools=pocket_tools(books),
        simulator="sandbox",
        strategy=Sequential(50),
        limits=Limits(steps=10, reserve=0.3),
        journal=tmp_path / "j.db",
    ) as session:
        result = await session.run("Send Bob 500 of Ann's money, or what is possible.")
    assert result.plan.stopped_by == "steps"
    assert 0 < len(result.plan.attempts) < 50
    assert len(books.transfers) == 1


async def test_a_session_is_used_inside_async_with() -> None:
    session = Session(style="paper", agent=ScriptedBackend([]), tools=pocket_tools(bank()), strategy=Direct())
    with pytest.raises(ConfigurationError, match="async with"):
        await session.run("x")
