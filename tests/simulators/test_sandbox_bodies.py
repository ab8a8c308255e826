"""Guarded calls inside a sandboxed body: they go to the same fork, and nowhere else."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from helpers.sandboxed import REAL, SANDBOX, STRANGER, TOUCHED, free, transfer
from helpers.simulators import Bank, call, fork, outcomes, play

from artis_sdk.errors import FirewallError, SimulationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, entered, guarded_tool, running_code

INSIDE = ("by_self", "by_part", "by_global", "by_await", "by_thread", "by_lost_context", "to_stranger",
          "to_function", "to_async_function", "swallows", "escapes", "wrong", "put")  # fmt: skip


def nested_tools(*more: Any) -> Toolset:
    return Toolset(*(getattr(REAL, name) for name in INSIDE), *more)


@pytest.fixture(autouse=True)
def untouched() -> Any:
    """The canaries: no real body has run, no real object has changed."""
    yield
    assert TOUCHED == []
    assert STRANGER.words == REAL.words == REAL.vault.words == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by_self", ["a"]),
        ("by_part", ["b"]),
        ("by_global", ["c"]),
        ("by_await", ["d", "e", "f", "g"]),
        ("by_thread", ["h"]),
    ],
)
@pytest.mark.parametrize("in_world", [False, True])
async def test_nested_calls_go_to_the_same_fork(name: str, value: Any, in_world: bool) -> None:
    attempt = fork(SANDBOX, nested_tools())
    tools = nested_tools()
    with running_code("rehearsal"):
        if in_world:
            world = SimulatedWorld(attempt, None)
            with entered(world):
                (reply,) = await world.handle_turn([tools[name].parse(call(name))])
            outcome = reply.outcome
        else:
            outcome = await attempt.predict(call(name), None, ())
    assert (outcome.type, outcome.content()) == ("success", value)


async def test_a_nested_call_that_lost_its_context_ends_the_attempt_though_the_body_swallows_it() -> None:
    tools = nested_tools()
    with running_code("rehearsal"):
        world = SimulatedWorld(fork(SANDBOX, tools), None)
        with entered(world), pytest.raises(FirewallError, match="copy_context"):
            await world.handle_turn([tools["by_lost_context"].parse(call("by_lost_context"))])
        with pytest.raises(FirewallError, match="copy_context"):
            world.check()


@pytest.mark.parametrize("name", ["to_stranger", "to_function", "to_async_function", "swallows"])
async def test_a_call_that_would_leave_the_sandbox_ends_the_attempt(name: str) -> None:
    attempt = fork(SANDBOX, nested_tools(free))
    with pytest.raises(SimulationError, match="not part of the sandbox"):
        await attempt.predict(call(name), None, ())
    with pytest.raises(SimulationError, match=f"{name} did not run to its end"):
        await attempt.predict(call("put", word="x"), None, ())


async def test_a_body_cannot_declare_itself_outside() -> None:
    with pytest.raises(FirewallError, match="outside"):
        await fork(SANDBOX, nested_tools()).predict(call("escapes"), None, ())


async def test_nested_calls_are_checked_as_in_every_world() -> None:
    outcome = await fork(SANDBOX, nested_tools()).predict(call("wrong"), None, ())
    assert outcome.type == "invalid_arguments"


async def test_a_call_left_behind_by_a_body_is_refused() -> None:
    late: list[asyncio.Task[Any]] = []

    class Leaves:
        def __init__(self) -> None:
            self.words: list[str] = []

        @guarded_tool
        async def put(self, word: str) -> None:
            self.words.append(word)

        @guarded_tool
        async def leave(self) -> None:
            async def later() -> None:
                await asyncio.sleep(0.01)
                await self.put("late")

            late.append(asyncio.create_task(later()))

    real = Leaves()
    sandbox = SandboxSimulator(share=[f"{Leaves.__qualname__}.leave.late"])
    await fork(sandbox, Toolset.from_object(real)).predict(call("leave"), None, ())
    with pytest.raises(FirewallError, match="that this call belongs to is over"):
        await late[0]
    assert real.words == []


async def test_many_attempts_run_at_once() -> None:
    async def one(amount: int) -> list[tuple[str, Any]]:
        history = await play(fork(SANDBOX, tools), [transfer(amount), call("interest", percent=amount)])
        return outcomes(history)

    bank = Bank()
    before, tools = pickle.dumps(bank), bank.toolset()
    together = await asyncio.gather(*(one(amount) for amount in range(40)))
    assert together == [await one(amount) for amount in range(40)]
    assert pickle.dumps(bank) == before
