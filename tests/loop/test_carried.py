"""Work put off by an agent of the application's or a tool, in rehearsals and commits of whole sessions."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, Sequential, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, FirewallError
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall

REAL: list[int] = []
"""What the real bodies charged."""

REFUSED: list[int] = []

POOL = ThreadPoolExecutor(2)


@pytest.fixture(autouse=True)
def _nothing_charged() -> None:
    REAL.clear()
    REFUSED.clear()
    POOL.submit(int).result()  # it is warm


@guarded_tool
def charge(amount: int) -> int:
    REAL.append(amount)
    return amount


@guarded_tool
def settle(amount: int) -> int:
    """A tool whose body calls another one in a pool."""
    return POOL.submit(charge, amount).result()


def charge_or_refused(amount: int) -> None:
    try:
        charge(amount)
    except FirewallError:
        REFUSED.append(amount)


class Says(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(call.arguments["amount"], Provenance.SIMULATED)


def session(agent: Any, journal: Path, *tools: Any, **more: Any) -> Session:
    settings: dict[str, Any] = {"simulator": Says(), "strategy": Sequential(2)}
    return unjudged(agent, tools or [charge], journal, **settings | more)


# --- in a commit ------------------------------------------------------------------------------


async def by_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, charge, 80)


async def by_warm_pool() -> None:
    await asyncio.wrap_future(POOL.submit(charge, 80))


async def by_timer() -> None:
    timer = threading.Timer(0.01, charge, (80,))
    timer.start()
    await asyncio.to_thread(timer.join)


async def by_thread() -> None:
    thread = threading.Thread(target=charge, args=(80,))
    thread.start()
    await asyncio.to_thread(thread.join)


async def by_own_loop() -> None:
    async def main() -> None:
        await asyncio.to_thread(charge, 80)

    await asyncio.get_running_loop().run_in_executor(None, asyncio.run, main())


@pytest.mark.parametrize("way", [by_executor, by_warm_pool, by_timer, by_thread, by_own_loop])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_call_in_another_thread_is_paid_once_and_journaled(
    way: Callable[[], Any], loop: str, tmp_path: Path
) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await way()
        return "paid"

    async def main() -> None:
        async with session(agent, tmp_path / "j.db", strategy=Sequential(2)) as s:
            plan = await s.rehearse("go")
            assert REAL == []
            assert [[step.outcome.value for step in attempt.steps] for attempt in plan.attempts] == [
                [80],
                [80],
            ]
            result = await s.commit(plan)
            with pytest.raises(CommitRefused):
                await s.commit(plan)
        assert [made.call.arguments for made in result.calls] == [{"amount": 80}]

    with asyncio.Runner(loop_factory=pytest.importorskip(loop).new_event_loop) as runner:
        runner.run(main())
    assert REAL == [80]
    assert journaled(tmp_path / "j.db") == [("charge", "done")]


async def test_a_call_in_a_pool_in_a_tools_body_is_a_part_of_that_tools_call(tmp_path: Path) -> None:
    model = ScriptedBackend([ToolCall(tool="settle", arguments={"amount": 80}), "done"])
    async with session(model, tmp_path / "j.db", charge, settle, strategy=Direct()) as s:
        result = await s.run("go")
    assert REAL == [80]
    assert [(made.call.tool, made.nested) for made in result.calls] == [("settle", False), ("charge", True)]
    assert journaled(tmp_path / "j.db") == [("settle", "done"), ("charge", "done")]


def charge_into(path: str) -> None:
    @guarded_tool
    def charge(amount: int) -> None:
        Path(path).write_text("charged")

    charge(80)


async def test_a_call_in_a_spawned_process_is_refused(tmp_path: Path) -> None:
    ended: list[int | None] = []

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        child = multiprocessing.get_context("spawn").Process(
            target=charge_into, args=(str(tmp_path / "real"),)
        )
        child.start()
        await asyncio.to_thread(child.join)
        ended.append(child.exitcode)
        return "done"

    async with session(agent, tmp_path / "j.db", strategy=Direct()) as s:
        await s.run("go")
    assert ended == [1]
    assert not await asyncio.to_thread((tmp_path / "real").exists)


# --- put off until the rehearsal is over --------------------------------------------------------


def to_a_warm_pool() -> None:
    for n in range(20):
        POOL.submit(charge_or_refused, n)


def to_a_timer() -> None:
    threading.Timer(0.1, charge_or_refused, (80,)).start()


def to_a_long_default_executor() -> None:
    def slowly(n: int) -> None:
        time.sleep(0.01)
        charge_or_refused(n)

    loop = asyncio.get_running_loop()
    for n in range(40):
        loop.run_in_executor(None, slowly, n)


@pytest.mark.parametrize(
    ("way", "count"), [(to_a_warm_pool, 20), (to_a_timer, 1), (to_a_long_default_executor, 40)]
)
async def test_what_is_put_off_until_the_rehearsal_is_over_is_refused(
    way: Callable[[], None], count: int, tmp_path: Path
) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        way()
        return "done"

    async with session(agent, tmp_path / "j.db", strategy=Sequential(1)) as s:
        plan = await s.rehearse("go")
        predicted = sum(len(attempt.steps) for attempt in plan.attempts)
        for _ in range(500):
            if len(REFUSED) + predicted >= count:
                break
            await asyncio.sleep(0.01)
    assert REAL == []
    assert len(REFUSED) + predicted == count
    await asyncio.to_thread(POOL.submit(charge, 1).result)
    assert REAL == [1]
