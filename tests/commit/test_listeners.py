"""A call that was made is not made again because something beside it failed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.loop import call
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, Sequential, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit import Approve, EditPlan
from artis_sdk.contracts import Simulator
from artis_sdk.logs.store import CallLog
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall
from artis_sdk.records.events import AttemptFinished, CallBegun, CallCommitted, CallSimulated, Event

PAID: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


@guarded_tool
async def pay(who: str) -> str:
    """Pay."""
    PAID.append(who)
    return "paid"


@guarded_tool
def pay_at_once(who: str) -> str:
    """Pay."""
    PAID.append(who)
    return "paid"


@guarded_tool
async def pay_and_leave(who: str) -> str:
    """Pay, and cancel the task that this runs in."""
    PAID.append(who)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "paid"


async def stubborn(task: str, *, tools: Any, guidance: str | None) -> str:
    """Tries again whatever happens."""
    (tool,) = tools
    for _ in range(3):
        try:
            paid = tool(who="bob")
            return str(await paid if asyncio.iscoroutine(paid) else paid)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            continue
    return "failed"


def committing(tool: Any, path: Path, **more: Any) -> Session:
    return Session(agent=stubborn, tools=[tool], journal=path / "j.db", strategy=Direct(), **more)


TOOLS = [pay, pay_at_once]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("kind", "made"), [(CallBegun, 0), (CallCommitted, 1)])
async def test_what_a_listener_raises_ends_the_commit(
    tmp_path: Path, tool: Any, kind: type[Event], made: int
) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, kind):
            raise LookupError("no screen")

    async with committing(tool, tmp_path, on_event=listen) as session:
        with pytest.raises(LookupError, match="no screen"):
            await session.run("Pay bob.")
    assert len(PAID) == made
    states = [state for _, state in journaled(tmp_path / "j.db")]
    assert states == (["done"] if made else ["not_executed"])


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_call_log_that_cannot_be_written_ends_the_commit(
    tmp_path: Path, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    async with committing(tool, tmp_path, log=tmp_path / "calls.db") as session:
        monkeypatch.setattr(CallLog, "append", full)
        with pytest.raises(OSError, match="no space left"):
            await session.run("Pay bob.")
    assert PAID == ["bob"]


async def test_a_tool_that_cancels_its_own_task_is_not_taken_for_failed(tmp_path: Path) -> None:
    async with committing(pay_and_leave, tmp_path) as session:
        result = await session.run("Pay bob.")
    assert (PAID, result.ended, len(result.calls)) == (["bob"], "stopped", 1)
    assert "cancelled the task that it ran in" in result.notes[-1]
    assert journaled(tmp_path / "j.db") == [("pay_and_leave", "done")]


# --- what others do to what they are shown ----------------------------------------------------


class Paid(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("paid", Provenance.SIMULATED)


def rehearsing(path: Path, *calls: str, **more: Any) -> Session:
    """A session whose model makes these payments in its rehearsal, and the first of them in its commit."""
    first, *_ = calls
    model = ScriptedBackend(
        [[call("pay", who=who) for who in calls], "Paid.", [call("pay", who=first)], "Paid."]
    )
    return unjudged(model, [pay], path / "j.db", simulator=Paid(), strategy=Sequential(1), **more)


@pytest.mark.parametrize("mode", ["bound", "replay"])
async def test_a_listener_that_shortens_a_text_changes_no_plan_and_no_result(
    tmp_path: Path, mode: Any
) -> None:
    seen: list[type[Event]] = []

    def shorten(event: Event) -> None:
        seen.append(type(event))
        if isinstance(event, CallSimulated | CallBegun):
            event.call.arguments["who"] = "b…"
        elif isinstance(event, CallCommitted):
            event.committed.call.arguments["who"] = "b…"
        elif isinstance(event, AttemptFinished):
            for step in event.attempt.steps:
                step.call.arguments["who"] = "b…"

    async with rehearsing(tmp_path, "bob", on_event=shorten) as session:
        plan = await session.rehearse("Pay bob.")
        assert plan.foreseen[0].call.arguments == {"who": "bob"}
        result = await session.commit(plan, mode=mode)
    assert PAID == ["bob"]
    assert [(one.kind, one.call.arguments) for one in result.calls] == [("foreseen", {"who": "bob"})]
    assert {CallSimulated, CallBegun, CallCommitted, AttemptFinished} <= set(seen)


async def test_what_becomes_of_a_plan_while_its_question_stands_makes_no_call_of_it(tmp_path: Path) -> None:
    stands, go_on = asyncio.Event(), asyncio.Event()

    async def ann(request: Any) -> Approve:
        stands.set()
        await go_on.wait()
        return Approve()

    async with rehearsing(tmp_path, "bob", "ann", approve=ann) as session:
        plan = await session.edit(await session.rehearse("Pay."), EditPlan(removed=(0,), by="ann"))
        running = asyncio.create_task(session.commit(plan, mode="guided"))
        await stands.wait()
        plan.edits[0].gone[0].call.arguments["who"] = "nobody"
        go_on.set()
        result = await running
    assert (PAID, len(result.not_made)) == ([], 1)
