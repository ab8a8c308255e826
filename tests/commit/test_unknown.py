"""Real calls that are interrupted: awaited and journaled where that can be, and else `unknown`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import make_world, until
from helpers.crash_journal import TracedJournal

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CallState, CommitJournal, Intent, SQLiteJournal
from artis_sdk.errors import CommitRefused, FirewallError, UnknownOutcome
from artis_sdk.records import Outcome, Risk
from artis_sdk.tools import GuardedTool, Toolset, guarded_tool
from artis_sdk.tools.world import entered

Tool = GuardedTool[..., Any]


def the(function: Callable[..., Any]) -> Tool:
    """The tool behind a guarded function."""
    (tool,) = Toolset(function)
    return tool


async def swallowing(world: RealWorld, *tools: Tool) -> list[BaseException | None]:
    """An agent that calls the tools in turn, and lets no error stop it."""
    errors: list[BaseException | None] = []
    async with world.open():
        for tool in tools:
            results = await asyncio.gather(world.handle(tool.bind()), return_exceptions=True)
            errors.append(results[0] if isinstance(results[0], BaseException) else None)
    return errors


def outcome(journal: CommitJournal) -> Outcome:
    """The outcome of the only call."""
    (call,) = journal.calls()
    assert call.outcome is not None
    return call.outcome


def states(journal: CommitJournal) -> list[CallState]:
    return [call.state for call in journal.calls()]


@pytest.mark.parametrize("risk", [Risk.IRREVERSIBLE, Risk.REVERSIBLE])
async def test_a_call_that_times_out_is_unknown_and_ends_the_commit(
    journal: CommitJournal, risk: Risk
) -> None:
    ran = []

    @guarded_tool(risk=risk, timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(30)

    @guarded_tool
    async def after() -> None:
        ran.append("after")

    world = make_world(journal)
    with pytest.raises(UnknownOutcome, match=r"slow: did not end within its timeout of 0\.05 s") as raised:
        await swallowing(world, the(slow), the(after))
    assert raised.value.journal_id == "p:0"
    assert ran == []
    assert states(journal) == [CallState.UNKNOWN]


async def test_a_read_only_call_that_times_out_is_a_failure_like_others(journal: CommitJournal) -> None:
    @guarded_tool(risk=Risk.READ_ONLY, timeout=0.05)
    async def look() -> None:
        await asyncio.sleep(30)

    assert await swallowing(make_world(journal), the(look)) == [None]
    assert outcome(journal).type == "timeout"


async def test_a_thread_that_outlives_its_timeout_runs_until_it_has_ended(journal: CommitJournal) -> None:
    gate = threading.Event()

    @guarded_tool(timeout=0.05)
    def slow() -> str:
        gate.wait(30)
        return "after all"

    with pytest.raises(UnknownOutcome, match="timeout"):
        await swallowing(make_world(journal), the(slow))
    (call,) = journal.calls()
    assert (call.state, call.running) == (CallState.INTENT, True)
    gate.set()
    await until(lambda: states(journal) == [CallState.DONE])
    assert outcome(journal).value == "after all"


async def test_a_running_call_is_awaited_when_its_caller_is_cancelled(journal: CommitJournal) -> None:
    begun, gate, ran = asyncio.Event(), asyncio.Event(), []

    @guarded_tool
    async def pay() -> str:
        begun.set()
        await gate.wait()
        ran.append("pay")
        return "paid"

    async def agent() -> None:
        async with world.open():
            await world.handle(the(pay).bind())
            ran.append("more")

    world = make_world(journal)
    running = asyncio.create_task(agent())
    await begun.wait()
    running.cancel()
    await asyncio.sleep(0.02)
    assert not running.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ran == ["pay"]
    assert states(journal) == [CallState.DONE]
    assert [call.outcome.value for call in world.calls] == ["paid"]


async def in_a_long_call(journal: CommitJournal, risk: Risk) -> asyncio.Task[None]:
    """An agent whose call, of half a minute, has begun."""
    begun = asyncio.Event()

    @guarded_tool(risk=risk)
    async def wait() -> None:
        begun.set()
        await asyncio.sleep(30)

    async def agent() -> None:
        async with world.open():
            await world.handle(the(wait).bind())

    world = make_world(journal)
    running = asyncio.create_task(agent())
    await begun.wait()
    return running


async def test_a_second_cancellation_interrupts_the_call(journal: CommitJournal) -> None:
    before = asyncio.all_tasks()
    running = await in_a_long_call(journal, Risk.IRREVERSIBLE)
    running.cancel()
    await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert states(journal) == [CallState.UNKNOWN]
    assert asyncio.all_tasks() <= before


async def test_a_thread_goes_on_when_its_call_is_cancelled_twice(journal: CommitJournal) -> None:
    begun, gate = threading.Event(), threading.Event()

    @guarded_tool
    def pay() -> str:
        begun.set()
        gate.wait(30)
        return "paid"

    async def agent() -> None:
        async with world.open():
            await world.handle(the(pay).bind())

    world = make_world(journal)
    running = asyncio.create_task(agent())
    await until(begun.is_set)
    for _ in range(2):
        running.cancel()
        await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert journal.calls()[0].running
    gate.set()
    await until(lambda: states(journal) == [CallState.DONE])


async def test_a_call_is_not_started_once_its_caller_is_cancelled(tmp_path: Path) -> None:
    held, ran = asyncio.Event(), []

    class Slow(SQLiteJournal):
        async def begin(self, intent: Intent) -> str:
            name = await super().begin(intent)
            held.set()
            await asyncio.sleep(0.05)
            return name

    @guarded_tool
    async def pay() -> None:
        ran.append("pay")

    async def agent() -> None:
        async with world.open():
            await world.handle(the(pay).bind())

    for times in (1, 2):
        journal = Slow(tmp_path / f"{times}.db")
        world = make_world(journal)
        held.clear()
        running = asyncio.create_task(agent())
        await held.wait()
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
        assert states(journal) == [CallState.NOT_EXECUTED]
        await journal.begin_plan("p")  # nothing was done, so the plan is free
        await journal.aclose()
    assert ran == []


async def test_an_agent_may_give_a_call_up_and_go_on(journal: CommitJournal) -> None:
    begun = asyncio.Event()

    @guarded_tool
    async def pay() -> str:
        begun.set()
        await asyncio.sleep(0.1)
        return "paid"

    @guarded_tool
    async def after() -> str:
        return "after"

    world = make_world(journal)
    async with world.open():
        running = asyncio.create_task(world.handle(the(pay).bind()))
        await begun.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running, 0.01)
        assert states(journal) == [CallState.DONE]
        await world.handle(the(after).bind())
    assert states(journal) == [CallState.DONE, CallState.DONE]


@pytest.mark.parametrize("risk", list(Risk))
async def test_a_call_that_cancels_itself_is_unknown(journal: CommitJournal, risk: Risk) -> None:
    @guarded_tool(risk=risk)
    async def odd() -> None:
        raise asyncio.CancelledError

    with pytest.raises(UnknownOutcome, match="CancelledError"):
        await swallowing(make_world(journal), the(odd))
    assert states(journal) == ([] if risk is Risk.READ_ONLY else [CallState.UNKNOWN])


async def test_a_read_only_call_is_interrupted_at_once(journal: CommitJournal) -> None:
    running = await in_a_long_call(journal, Risk.READ_ONLY)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert states(journal) == []


async def test_calls_at_the_same_time_end_when_one_is_unknown_and_none_is_started(
    journal: CommitJournal,
) -> None:
    ran = []

    @guarded_tool(timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(30)

    @guarded_tool
    async def beside() -> str:
        await asyncio.sleep(0.1)
        ran.append("beside")
        return "done"

    @guarded_tool
    async def after() -> None:
        ran.append("after")

    async def agent() -> None:
        async with world.open():
            results = await asyncio.gather(
                world.handle(the(slow).bind()), world.handle(the(beside).bind()), return_exceptions=True
            )
            assert isinstance(results[0], UnknownOutcome)
            await world.handle(the(after).bind())

    world = make_world(journal)
    with pytest.raises(UnknownOutcome):
        await agent()
    assert ran == ["beside"]
    assert states(journal) == [CallState.UNKNOWN, CallState.DONE]


async def test_an_unknown_call_within_a_call_makes_both_unknown(journal: CommitJournal) -> None:
    @guarded_tool(timeout=0.05)
    async def inner() -> None:
        await asyncio.sleep(30)

    @guarded_tool
    async def outer() -> None:
        await inner()

    @guarded_tool
    async def careless() -> str:
        await asyncio.gather(inner(), return_exceptions=True)
        return "fine"

    async def commit(world: RealWorld, tool: Tool) -> None:
        async with world.open():
            with entered(world):
                await asyncio.gather(world.handle(tool.bind()), return_exceptions=True)

    with pytest.raises(UnknownOutcome, match="inner: did not end"):
        await commit(make_world(journal, "p"), the(outer))
    with pytest.raises(UnknownOutcome, match="inner: did not end"):
        await commit(make_world(journal, "q", on_unknown="note"), the(careless))
    assert states(journal) == [CallState.UNKNOWN, CallState.UNKNOWN, CallState.DONE, CallState.UNKNOWN]


async def test_a_late_call_of_a_thread_left_behind_is_refused(journal: CommitJournal) -> None:
    gate, errors, ran = threading.Event(), [], []

    @guarded_tool
    def pay() -> None:
        ran.append("pay")

    def later() -> None:
        gate.wait(30)
        try:
            pay()
        except (FirewallError, CommitRefused) as error:
            errors.append(error)

    @guarded_tool
    async def start() -> None:
        left.append(asyncio.create_task(asyncio.to_thread(later)))

    left: list[asyncio.Task[None]] = []
    world = make_world(journal)
    async with world.open():
        with entered(world):
            await world.handle(the(start).bind())
    gate.set()
    await asyncio.wait_for(left[0], 10)
    assert ran == []
    assert len(errors) == 1
    assert [call.tool for call in journal.calls()] == ["start"]


async def test_the_event_loop_is_free_while_the_disk_is_awaited(tmp_path: Path) -> None:
    """The disk waits until the loop has come round ten times; a loop that it holds up never does."""
    turns, stop = 0, False
    seen: list[int] = []

    def wait(sql: str) -> None:
        if sql == "COMMIT":
            begun, until = turns, time.monotonic() + 10
            while turns < begun + 10 and time.monotonic() < until:
                time.sleep(0.001)
            seen.append(turns - begun)

    journal = TracedJournal(tmp_path / "journal.db", wait)

    async def watch() -> None:
        nonlocal turns
        while not stop:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.create_task(watch())

    @guarded_tool
    async def pay() -> str:
        return "paid"

    world = make_world(journal)
    async with world.open():
        await world.handle(the(pay).bind())
    await journal.aclose()
    stop = True
    await watching
    assert seen
    assert min(seen) >= 10
