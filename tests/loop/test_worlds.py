"""The simulated world: one turn at a time, nested calls inside their turn, closed means closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.loop import TOOLS, Ledger, call, look, pay

from artis_sdk.errors import FirewallError, LimitReached, SimulationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.execute import execute
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.world import entered


def invocation(tool: str = "look", **arguments: Any) -> Invocation:
    return TOOLS[tool].parse(call(tool, **({"account": "a"} | arguments)))


async def test_each_call_knows_all_before_it_also_when_they_come_at_once() -> None:
    async def pause() -> None:
        await asyncio.sleep(0.001)

    ledger = Ledger(before=pause)
    world = SimulatedWorld(ledger, None)
    with entered(world):
        await asyncio.gather(*[look(account=str(n)) for n in range(5)])
    assert [len(history) for history in ledger.seen] == [0, 1, 2, 3, 4]
    assert [step.call.arguments["account"] for step in world.history] == list("01234")
    assert ledger.seen[4] == world.history[:4]


async def test_calls_of_one_turn_are_one_step_of_the_simulator() -> None:
    events: list[Any] = []
    world = SimulatedWorld(Ledger(), None, attempt=3, emit=events.append)
    first, second = await world.handle_turn([invocation("pay", amount=8), invocation("pay", amount=8)])
    assert (first.outcome.type, second.outcome.type) == ("success", "NoCover")
    assert [event.outcome for event in events] == [first.outcome, second.outcome]
    assert {event.attempt for event in events} == {3}
    assert len(world.history) == 2


async def test_a_caller_s_own_code_sees_values_and_exceptions() -> None:
    with entered(SimulatedWorld(Ledger(), None)):
        assert await look(account="a") == {"balance": 10}
        with pytest.raises(Exception, match="no cover"):
            await asyncio.to_thread(pay, account="a", amount=99)


async def test_a_closed_world_refuses() -> None:
    world = SimulatedWorld(Ledger(), None)
    world.close()
    with pytest.raises(FirewallError, match="that this call belongs to is over"):
        await world.handle(invocation())
    with pytest.raises(FirewallError, match="that this call belongs to is over"):
        await world.handle_turn([invocation()])


async def test_what_is_under_way_or_waiting_when_it_closes_is_refused_and_forgotten() -> None:
    go = asyncio.Event()
    ledger = Ledger(before=go.wait)
    world = SimulatedWorld(ledger, None)
    calls = [asyncio.create_task(world.handle(invocation())) for _ in range(2)]
    await asyncio.sleep(0)
    world.close()
    go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [FirewallError, FirewallError]
    assert len(ledger.seen) == 1  # the waiting one was not even predicted
    assert world.history == ()


@pytest.mark.parametrize("error", [SimulationError("look", "no idea"), LimitReached("tokens", 2, 1)])
async def test_what_breaks_a_prediction_breaks_the_world(error: Exception) -> None:
    ledger = Ledger(error)
    world = SimulatedWorld(ledger, None)
    world.check()
    for _ in range(2):
        with pytest.raises(type(error)):
            await world.handle(invocation())
    assert len(ledger.seen) == 1
    with pytest.raises(type(error)):
        world.check()


async def test_a_predicted_value_that_the_caller_cannot_be_given_breaks_the_world() -> None:
    class Wrong(Ledger):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            return Outcome.success("not a dictionary", Provenance.SIMULATED)

    world = SimulatedWorld(Wrong(), None)
    with pytest.raises(SimulationError):
        await world.handle(invocation())
    with pytest.raises(SimulationError):
        world.check()


async def test_a_cancelled_call_leaves_the_world_usable() -> None:
    go = asyncio.Event()
    world = SimulatedWorld(Ledger(before=go.wait), None)
    first = asyncio.create_task(world.handle(invocation()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    go.set()
    await world.handle(invocation())
    assert len(world.history) == 1


# --- calls inside calls -----------------------------------------------------------------------


@guarded_tool
async def inner(n: int) -> int:
    return n + 1


@guarded_tool
async def outer(n: int) -> int:
    """Calls another guarded tool, twice at once."""
    first, second = await asyncio.gather(inner(n), inner(n + 1))
    return first + second


@guarded_tool
def outer_sync(n: int) -> int:
    """Calls an async tool's sync neighbour from a thread."""
    return inner_sync(n) * 2


@guarded_tool
def inner_sync(n: int) -> int:
    return n + 1


leftovers: list[asyncio.Task[int]] = []


@guarded_tool
async def leaves_behind(n: int) -> int:
    """Leaves a task behind that calls when this call is over."""

    async def later() -> int:
        await asyncio.sleep(0.01)
        return await inner(n)

    leftovers.append(asyncio.create_task(later()))
    return n


NESTED = Toolset(inner, outer, outer_sync, inner_sync, leaves_behind)


class Sandbox(Ledger):
    """Runs the tools' own code, as a sandbox does."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.seen.append(history)
        made = NESTED[call.tool].parse(call)
        reply = await execute(made.tool, made.tool.function, made.args, made.kwargs, Provenance.SANDBOXED)
        return reply.outcome


@pytest.mark.parametrize(("tool", "value", "inside"), [("outer", 5, 2), ("outer_sync", 4, 1)])
async def test_nested_calls_neither_deadlock_nor_get_lost(tool: str, value: int, inside: int) -> None:
    events: list[Any] = []
    world = SimulatedWorld(Sandbox(), None, emit=events.append)
    async with asyncio.timeout(5):
        with entered(world):
            reply = await world.handle(NESTED[tool].parse(call(tool, n=1)))
    assert reply.value == value
    assert [event.call.tool for event in events][-1] == tool
    assert len(events) == inside + 1
    assert [step.call.tool for step in world.history] == [tool]  # what the agent did


async def test_a_task_left_behind_by_a_call_waits_its_turn_and_is_refused_in_the_end() -> None:
    sandbox = Sandbox()
    world = SimulatedWorld(sandbox, None)
    with entered(world):
        await world.handle(NESTED["leaves_behind"].parse(call("leaves_behind", n=1)))
        assert await leftovers[-1] == 2
        # It came after the call that left it: a call of its own, which knows that one.
        assert len(sandbox.seen[-1]) == 1
        assert [step.call.tool for step in world.history] == ["leaves_behind", "inner"]
        await world.handle(NESTED["leaves_behind"].parse(call("leaves_behind", n=1)))
    world.close()
    with pytest.raises(FirewallError):
        await leftovers[-1]


async def test_the_count_is_of_the_agent_s_calls_and_can_end_it() -> None:
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1
        if counted > 1:
            raise LimitReached("steps", 1, 1)

    world = SimulatedWorld(Sandbox(), None, count=count)
    with entered(world):
        await world.handle(NESTED["outer"].parse(call("outer", n=1)))
        assert counted == 1
        for _ in range(2):
            with pytest.raises(LimitReached):
                await world.handle(NESTED["inner"].parse(call("inner", n=1)))
