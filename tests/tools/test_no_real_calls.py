"""`no_real_calls`: every real guarded call of the process is refused, rehearsals go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, FirewallError, Parallel, Risk, Toolset, guarded_tool
from artis_sdk.commit import Approve
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.commit.plan import commit
from artis_sdk.logs import Redactor
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.tools import no_real_calls, outside


class Till:
    def __init__(self) -> None:
        self.paid: list[int] = []

    @guarded_tool
    def pay(self, amount: int) -> int:
        """Pay."""
        self.paid.append(amount)
        return amount

    @guarded_tool(risk=Risk.READ_ONLY)
    async def look(self) -> int:
        """Look."""
        self.paid.append(-1)
        return len(self.paid)


def in_thread(function: Callable[[], Any]) -> Any:
    caught: list[FirewallError] = []

    def run() -> None:
        try:
            function()
        except FirewallError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def declared_outside(function: Callable[[], Any]) -> Any:
    with outside():
        return function()


@pytest.mark.parametrize("way", [lambda function: function(), in_thread, declared_outside])
def test_a_plain_call_is_refused_until_the_last_block_ends(way: Callable[..., Any]) -> None:
    till = Till()
    with no_real_calls():
        with no_real_calls():
            pass
        with pytest.raises(FirewallError, match="pay: refused: real calls are forbidden here"):
            way(lambda: till.pay(1))
        with pytest.raises(FirewallError):
            way(lambda: asyncio.run(till.look()))
    assert till.paid == []
    way(lambda: till.pay(2))
    assert till.paid == [2]


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    return str(tools["pay"](3))


async def test_a_rehearsal_goes_on_and_its_commit_is_refused(tmp_path: Path) -> None:
    till, asked = Till(), []

    async def approve(request: Any) -> Any:
        asked.append(request)
        return Approve(by="ann")

    journal = tmp_path / "j.db"
    more: dict[str, Any] = {"simulator": "sandbox", "strategy": Parallel(2), "approve": approve}
    with no_real_calls():
        async with unjudged(agent, Toolset.from_object(till), journal, **more) as session:
            plan = await session.rehearse("Pay 3.")
            assert [attempt.answer for attempt in plan.attempts] == ["3", "3"]
            with pytest.raises(FirewallError, match="real calls are forbidden here"):
                await session.commit(plan)
    assert (till.paid, asked, journaled(journal)) == ([], [], [])
    async with unjudged(agent, Toolset.from_object(till), journal, **more) as session:
        await session.commit(plan)  # it was not committed before
    assert till.paid == [3]


async def test_no_way_to_a_real_function_passes(tmp_path: Path) -> None:
    """A real world without a session is refused by the last wall, in front of the function."""
    till = Till()
    tools = Toolset.from_object(till)
    async with unjudged(agent, tools, tmp_path / "j.db", strategy=Direct()) as session:
        plan = await session.rehearse("Pay 3.")
    journal = SQLiteJournal(tmp_path / "j.db")
    world = RealWorld(journal, plan, redact=Redactor())
    with no_real_calls(), pytest.raises(Exception, match="real calls are forbidden here"):
        await commit(plan, CallableActor(agent, tools), world, Budget())
    journal.close()
    assert till.paid == []
