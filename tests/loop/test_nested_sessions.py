"""Sessions inside sessions: in an attempt nothing is real, in a commit every call is the outer one's."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.charges import CHANGES, REAL, Till, charge, refund, session
from helpers.loop import call
from helpers.sessions import journaled

from artis_sdk import Direct, Parallel, Risk, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit import Approve, EditPlan, NotExecuted
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import CommitRefused, FirewallError, UnknownOutcome
from artis_sdk.loop.nested import NOTE


@pytest.fixture(autouse=True)
def nothing_charged() -> None:
    REAL.clear()


def with_sub_agent(journal: Path, calls: Sequence[int] = (1,), *, plans: list[str] | None = None) -> Any:
    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        for amount in calls:
            charge(amount)
            await refund(amount)
        return "sub done"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with session(sub_agent, journal, charge, refund) as inner:
            result = await inner.run("do it")
        if plans is not None:
            plans.append(result.plan.id)
        return result.answer or ""

    return agent


async def test_a_sub_agent_is_rehearsed_in_the_attempt_around_it(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.db", tmp_path / "inner.db"
    async with session(with_sub_agent(inner), outer, charge, refund, strategy=Parallel(5)) as s:
        plan = await s.rehearse("go")
    assert REAL == []
    assert journaled(inner) == journaled(outer) == []
    assert [[step.call.tool for step in attempt.steps] for attempt in plan.attempts] == [
        ["charge", "refund"]
    ] * 5
    assert {attempt.ended for attempt in plan.attempts} == {"answer"}


async def test_its_calls_of_tools_that_the_attempt_does_not_know_end_the_attempt(tmp_path: Path) -> None:
    agent = with_sub_agent(tmp_path / "inner.db")
    async with session(
        agent, tmp_path / "outer.db", charge, simulator=SandboxSimulator(pure=["charge"])
    ) as s:
        plan = await s.rehearse("go")
    assert {attempt.ended for attempt in plan.attempts} == {"simulation_error"}
    assert -1 not in REAL


async def test_inside_a_commit_it_commits_for_real_under_a_plan_that_names_its_parent(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.db", tmp_path / "inner.db"
    plans: list[str] = []
    async with session(with_sub_agent(inner, plans=plans), outer, charge, refund, strategy=Direct()) as s:
        plan = await s.rehearse("go")
        await s.commit(plan)
        with pytest.raises(CommitRefused):
            await s.commit(plan)
    assert REAL == [1, -1]
    assert journaled(outer) == [("charge", "done"), ("refund", "done")]
    assert journaled(inner) == []
    with contextlib.closing(sqlite3.connect(outer)) as file:
        parents = dict(file.execute("SELECT id, parent FROM plan").fetchall())
    assert parents == {plan.id: None, plans[0]: plan.id}


@guarded_tool(risk=Risk.REVERSIBLE)
async def delegate(amount: int, journal: str) -> str:
    """A tool whose body runs a sub-agent in a session of its own."""

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        charge(amount)
        return "done"

    async with session(agent, Path(journal)) as inner:
        result = await inner.run("charge")
    assert result.calls[0].outcome.ok
    return ",".join(result.notes)


async def test_a_session_in_a_sandboxed_body_acts_in_the_sandbox(tmp_path: Path) -> None:
    inner = tmp_path / "inner.db"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(await delegate(3, str(inner)))

    sandbox = SandboxSimulator(pure=["delegate"])
    async with session(agent, tmp_path / "j.db", delegate, charge, simulator=sandbox) as s:
        refused = await s.rehearse("go")
    assert {attempt.ended for attempt in refused.attempts} == {"simulation_error"}, (
        "charge is not the sandbox's"
    )
    assert REAL == []
    changes = [CHANGES, f"{__name__}.REAL"]  # the same list, as a global of each tool's module
    sandbox = SandboxSimulator(pure=["delegate", "charge"], share=changes)
    async with session(agent, tmp_path / "j.db", delegate, charge, simulator=sandbox) as s:
        plan = await s.rehearse("go")
    assert [attempt.answer for attempt in plan.attempts] == [NOTE, NOTE]
    assert journaled(tmp_path / "j.db") == []
    assert not inner.exists()


async def test_a_commit_within_the_same_sessions_commit_is_an_error_and_no_wait(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        inner = await s.rehearse("again")
        await s.commit(inner)
        return "never"

    async with session(agent, tmp_path / "j.db", strategy=Direct()) as s:
        async with asyncio.timeout(10):
            with pytest.raises(CommitRefused, match="committing already"):
                await s.run("go")


async def test_a_session_left_behind_by_an_attempt_commits_nothing(tmp_path: Path) -> None:
    left: list[asyncio.Task[Any]] = []
    over = asyncio.Event()

    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(charge(1))

    async def late() -> None:
        async with session(sub_agent, tmp_path / "inner.db", strategy=Direct()) as inner:
            plan = await inner.rehearse("later")
            await over.wait()
            await inner.commit(plan)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        left.append(asyncio.create_task(late()))
        return "started"

    async with session(agent, tmp_path / "outer.db", strategy=Sequential(1)) as s:
        await s.rehearse("go")
    over.set()
    with pytest.raises(FirewallError, match="over"):
        await left[0]
    assert REAL == []


async def test_a_nested_rehearsal_knows_the_calls_of_the_attempt_around_it(tmp_path: Path) -> None:
    till = Till()
    tools = Toolset.from_object(till)
    seen: list[int] = []

    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        seen.append(await asyncio.to_thread(tools["take"], 5))
        return "sub"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await asyncio.to_thread(tools["take"], 10)
        inner = session(
            sub_agent,
            tmp_path / "i.db",
            *tools,
            simulator=SandboxSimulator(share=[CHANGES]),
            strategy=Sequential(1),
        )
        async with inner:
            await inner.run("take 5")
        return str(await asyncio.to_thread(tools["take"], 1))

    outer = session(
        agent, tmp_path / "o.db", *tools, simulator=SandboxSimulator(share=[CHANGES]), strategy=Sequential(1)
    )
    async with outer as s:
        plan = await s.rehearse("go")
    assert seen == [15, 15], "once in the nested rehearsal, once in the attempt itself"
    assert plan.attempts[0].answer == "16"
    assert till.sum == 0


# --- what changes a journal -------------------------------------------------------------------


@pytest.mark.parametrize("settling", ["recover", "settle"])
async def test_no_attempt_settles_a_real_call(tmp_path: Path, settling: str) -> None:
    looked: list[str] = []

    def look(call: Any, key: str | None) -> NotExecuted:
        looked.append(call.id)
        return NotExecuted()

    @guarded_tool(timeout=0.02, reconcile=look)
    async def send(to: str) -> None:
        """Send."""
        await asyncio.sleep(60)

    def sending() -> Session:
        model = ScriptedBackend([[call("send", to="ann")], "Sent."])
        return Session(agent=model, tools=[send], journal=tmp_path / "inner.db", strategy=Direct())

    async with sending() as first:
        with pytest.raises(UnknownOutcome):
            await first.run("Send.")
    (unknown,) = SQLiteJournal(tmp_path / "inner.db").calls()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with sending() as inner:
            if settling == "recover":
                await inner.recover()
            else:
                await inner.settle(unknown.id, done=False, by="the agent", why="so that I may go on")
        return "settled"

    async with session(agent, tmp_path / "outer.db", charge, strategy=Sequential(1)) as outer:
        plan = await outer.rehearse("go")
    assert plan.attempts[0].ended == "refused"
    assert looked == []
    assert SQLiteJournal(tmp_path / "inner.db").calls() == [unknown]


async def test_a_plan_is_edited_in_an_attempt_without_a_journal_and_in_a_commit_in_its_journal(
    tmp_path: Path,
) -> None:
    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        if guidance is None:
            charge(1)
        charge(2)
        return "done"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async def ann(request: Any) -> Approve:
            return Approve()

        more = {"strategy": Sequential(1), "approve": ann}
        async with session(sub_agent, tmp_path / "inner.db", **more) as inner:
            plan = await inner.edit(await inner.rehearse("Charge."), EditPlan(removed=(0,), by="ann"))
            return (await inner.commit(plan)).answer or ""

    def decided() -> list[tuple[str, str]]:
        files = [SQLiteJournal(tmp_path / name) for name in ("outer.db", "inner.db")]
        return [(file.path.name, one.verdict.value) for file in files for one in file.decisions()]

    async with session(agent, tmp_path / "outer.db", strategy=Sequential(1)) as outer:
        plan = await outer.rehearse("go")
        assert [step.call.arguments["amount"] for step in plan.attempts[0].steps] == [2]
        assert (decided(), REAL) == ([], [])
        assert (await outer.commit(plan)).answer == "done"
    assert REAL == [2]
    assert decided() == [("outer.db", "edited"), ("outer.db", "approved")]
