"""What a session's next task is shown of earlier ones, where tasks and sessions overlap."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged

from artis_sdk import Direct, Event, Sequential, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, ConfigurationError
from artis_sdk.records import History, Outcome, Plan, Provenance, Request, Result, State, ToolCall

PAID = list[int]()


@guarded_tool
async def pay(n: int) -> str:
    """Pay."""
    PAID.append(n)
    return "paid"


class Pays(Simulator):
    """Predicts that it was paid; `histories` has what it was shown."""

    def __init__(self) -> None:
        self.histories = list[History]()

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.histories.append(history)
        return Outcome.success("paid", Provenance.SIMULATED)


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    await tools["pay"](n=len(task))
    return f"did {task}"


def session(one: Any, journal: Path, **more: Any) -> Session:
    options: dict[str, Any] = {"simulator": Pays(), "strategy": Sequential(2)}
    return unjudged(one, [pay], journal, **options | more)


def said(of: Session) -> list[str]:
    return [message.content for message in of.conversation]


async def test_plans_that_were_rehearsed_side_by_side_are_turns_one_after_the_other(tmp_path: Path) -> None:
    async with session(agent, tmp_path / "j.db") as one:
        plans = [plan async for plan in one.rehearse_many(["first", "second", "third"], at_once=3)]
        await asyncio.gather(*map(one.commit, plans))
        tasks = [plan.task.query for plan in plans]
        assert said(one) == [words for task in tasks for words in (task, f"did {task}")]
        await one.run("fourth")
        assert said(one)[-2:] == ["fourth", "did fourth"]
        assert len(said(one)) == 8


async def test_a_conversation_goes_on_with_a_plan_of_another_one(tmp_path: Path) -> None:
    async with session(agent, tmp_path / "j.db") as one:
        await one.run("first")
        plan = await one.rehearse("second")
    async with session(agent, tmp_path / "j.db") as other:
        await other.commit(plan)
        assert said(other) == ["first", "did first", "second", "did second"]


async def test_what_an_attempt_plays_is_no_turn_of_another_attempt_nor_of_a_commit(tmp_path: Path) -> None:
    """A sub-agent's session that all attempts and the commit share."""

    def model(request: Request) -> Any:
        last = request.messages[-1]
        return "paid it" if last.role == "tool" else ToolCall(tool="pay", arguments={"n": len(last.content)})

    backend = ScriptedBackend(model)
    simulator = Pays()
    sub = session(backend, tmp_path / "j.db", simulator=simulator, strategy=Sequential(1))
    conversations = list[list[str]]()

    async def asks_twice(task: str, *, tools: Any, guidance: str | None) -> str:
        for words in ("a", "b"):
            await sub.run(words)
            conversations.append(said(sub))
        return "done"

    async with sub, session(asks_twice, tmp_path / "j.db") as one:
        plan = await one.rehearse("Ask.")
        assert said(sub) == []
        assert PAID == []
        assert {len(history) for history in simulator.histories} == {0, 1}, "each call once"
        await one.commit(plan)
        real = said(sub)
    assert len(PAID) == 2
    assert conversations[0:2] == conversations[2:4] == conversations[4:6]
    assert conversations[5] == real
    assert [words for words in real if words in ("a", "b")] == ["a", "b"]


async def test_the_calls_of_a_commit_that_failed_were_made(tmp_path: Path) -> None:
    simulator = Pays()

    async def breaks_off(task: str, *, tools: Any, guidance: str | None) -> str:
        await tools["pay"](n=len(task))
        if task == "breaks":
            raise asyncio.CancelledError
        return "done"

    async with session(breaks_off, tmp_path / "j.db", simulator=simulator) as one:
        plan = await one.rehearse("breaks")
        with suppress(Exception):
            await one.commit(plan)
        assert PAID == [6]
        simulator.histories.clear()
        await one.rehearse("next")
    assert [[step.call.arguments for step in history] for history in simulator.histories] == [[{"n": 6}]] * 2


async def test_a_commit_that_is_refused_does_not_forget_the_calls_of_the_first(tmp_path: Path) -> None:
    simulator = Pays()
    async with session(agent, tmp_path / "j.db", simulator=simulator) as one:
        plan = await one.rehearse("first")
        await one.commit(plan)
        with pytest.raises(CommitRefused):
            await one.commit(plan)
        simulator.histories.clear()
        await one.rehearse("next")
    assert [[step.call.arguments for step in history] for history in simulator.histories] == [[{"n": 5}]] * 2


async def test_a_resumed_commit_adds_to_the_calls_of_the_first(tmp_path: Path) -> None:
    simulator = Pays()
    breaks = [True]

    async def in_two(task: str, *, tools: Any, guidance: str | None) -> str:
        await tools["pay"](n=1)
        if PAID and breaks.pop():
            raise asyncio.CancelledError
        await tools["pay"](n=2)
        return "done"

    async with session(in_two, tmp_path / "j.db", simulator=simulator) as one:
        plan = await one.rehearse("both")
        with suppress(BaseException):
            await one.commit(plan)
        assert PAID == [1]
        breaks.append(False)
        await one.commit(plan, resume=True)
        assert PAID == [1, 2]
        simulator.histories.clear()
        breaks[:] = [False] * 2
        await one.rehearse("next")
    assert [step.call.arguments for step in simulator.histories[0]] == [{"n": 1}, {"n": 2}]


async def test_a_task_that_a_commit_leaves_behind_may_commit_after_it(tmp_path: Path) -> None:
    later = list[asyncio.Task[Result]]()
    go_on = asyncio.Event()

    async def commits_later(plan: Plan) -> Result:
        await go_on.wait()
        return await one.commit(plan)

    def listen(event: Event) -> None:
        if event.kind == "commit_finished" and not later:
            later.append(asyncio.create_task(commits_later(second)))

    async with session(agent, tmp_path / "j.db", on_event=listen, strategy=Direct()) as one:
        first, second = await one.rehearse("first"), await one.rehearse("second")
        await one.commit(first)
        go_on.set()
        assert (await later[0]).answer == "did second"


async def test_a_session_that_is_opened_here_is_not_taken_by_another_event_loop(tmp_path: Path) -> None:
    async with session(agent, tmp_path / "j.db", strategy=Direct()) as one:

        def elsewhere() -> None:
            with pytest.raises(ConfigurationError, match="another event loop"):
                asyncio.run(one.run("first"))

        await asyncio.to_thread(elsewhere)
        assert (await one.run("second")).answer == "did second"
    assert PAID == [6]


async def test_a_session_whose_journal_cannot_be_closed_is_over_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = session(agent, tmp_path / "j.db", strategy=Direct())
    events = one.events()

    async def broken(self: SQLiteJournal) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(SQLiteJournal, "aclose", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            async with one:
                await one.rehearse("first")
    async with asyncio.timeout(60):
        assert [event.kind async for event in events][-1] == "rehearsal_finished"
    async with one.renewed():
        assert (await one.run("second")).answer == "did second"
