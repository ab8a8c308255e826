"""An own agent gets what the code gave, and arguments stay as they were passed."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers.sessions import unjudged
from helpers.simulators import fork

from artis_sdk import Direct, Parallel, Session
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Provenance
from artis_sdk.simulators import Ladder, SandboxSimulator
from artis_sdk.simulators.trust import Trust, TrustGate
from artis_sdk.tools import Toolset, entered, guarded_tool

SANDBOX = SandboxSimulator()


# --- the very value, the very exception, and arguments that stay -----------------------------------


class Odd(Exception):
    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Point(NamedTuple):
    x: int
    y: int


class Gives:
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def answers(self) -> bool:
        return "yes"  # type: ignore[return-value]

    def lists(self) -> dict[str, list[str]]:
        return {"error": "no such"}  # type: ignore[dict-item]

    def day(self) -> Any:
        return datetime.date(2026, 1, 2)

    def pair(self) -> tuple[int, Point]:
        return 1, Point(2, 3)

    async def thing(self) -> Any:
        return self

    def fails(self) -> None:
        raise Odd(7, why="odd")

    def keeps(self, tweet: dict[str, Any]) -> int:
        tweet["tags"].append("#x")
        self.kept.append(tweet)
        return len(self.kept)

    async def changes(self, items: list[Any], options: Any) -> list[Any]:
        items.append(options)
        options["seen"] = True
        return items


VALUES: dict[str, Any] = {
    "answers": "yes",
    "lists": {"error": "no such"},
    "day": datetime.date(2026, 1, 2),
    "pair": (1, Point(2, 3)),
}


async def values(tools: Toolset) -> dict[str, Any]:
    found = {name: await asyncio.to_thread(tools[name]) for name in VALUES}
    assert isinstance(found["pair"][1], Point)
    assert isinstance(await tools["thing"](), Gives)
    with pytest.raises(Odd) as caught:
        await asyncio.to_thread(tools["fails"])
    assert caught.value.code == 7
    return found


@pytest.mark.parametrize("wrap", ["plain", "ladder", "gate"])
async def test_an_own_agent_gets_what_the_code_gave(wrap: str) -> None:
    real = Gives()
    tools = Toolset.from_object(real)
    trusted = Trust.model_validate(
        {"simulator": "x", "tools": {n: {"verdict": "trusted"} for n in tools.names}}
    )
    simulator = {
        "plain": SANDBOX,
        "ladder": Ladder([SANDBOX, SANDBOX]),
        "gate": TrustGate(SANDBOX, trusted),
    }[wrap]
    world = SimulatedWorld(fork(simulator, tools), None)
    with entered(world):
        assert await values(tools) == VALUES
        given = await tools["thing"]()
        assert given is not real
    await world.aclose()
    assert await values(tools) == VALUES
    assert world.history[0].outcome.provenance is Provenance.SANDBOXED


async def test_a_plan_and_its_result_show_the_arguments_that_were_passed(tmp_path: Path) -> None:
    from artis_sdk.backends import ScriptedBackend
    from artis_sdk.records import ToolCall

    real = Gives()
    tools = Toolset.from_object(real, include=["keeps", "changes"])
    arguments: dict[str, dict[str, Any]] = {
        "keeps": {"tweet": {"text": "hi", "tags": []}},
        "changes": {"items": [], "options": {"a": [1]}},
    }
    turn: Any = [ToolCall(tool=name, arguments=given) for name, given in arguments.items()]
    script = ScriptedBackend([turn, "done", turn, "done"])
    async with unjudged(
        script,
        tools,
        tmp_path / "journal.db",
        simulator=SANDBOX,
        strategy=Parallel(1),
        log=tmp_path / "log.db",
    ) as session:
        plan = await session.rehearse("Post.")
        assert real.kept == []
        assert [s.call.arguments for s in plan.attempts[0].steps] == list(arguments.values())
        result = await session.commit(plan)
    assert [c.call.arguments for c in result.calls] == list(arguments.values())
    assert all(c.predicted is not None and not c.diverged for c in result.calls)
    assert real.kept == [{"text": "hi", "tags": ["#x"]}]
    for request in script.requests:  # what the model was shown
        for message in request.messages:
            assert [c.arguments for c in message.tool_calls] in ([], list(arguments.values()))


async def test_an_own_agent_s_objects_reach_the_commit_and_the_record_is_from_before(tmp_path: Path) -> None:
    real = Gives()
    tools = Toolset.from_object(real, include=["keeps"])
    passed: list[dict[str, Any]] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        tweet: dict[str, Any] = {"tags": []}
        passed.append(tweet)
        await asyncio.to_thread(tools["keeps"], tweet)
        return "done"

    async with unjudged(
        agent, tools, tmp_path / "journal.db", simulator=SANDBOX, strategy=Parallel(1)
    ) as session:
        result = await session.run("Post.")
    (made,) = result.calls
    assert made.call.arguments == {"tweet": {"tags": []}}
    assert made.predicted is not None
    assert real.kept[0] is passed[1]  # the caller's own object, as without a session
    assert passed == [{"tags": []}, {"tags": ["#x"]}]


class Till:
    def __init__(self) -> None:
        self.balance = 100

    @guarded_tool
    def pay(self, amount: int) -> int:
        self.balance -= amount
        return self.balance


@pytest.mark.parametrize("wrap", ["plain", "ladder"])
@pytest.mark.parametrize("state", [{"balance": 100}, None, lambda: {"balance": 0}])
async def test_a_given_state_and_a_sandbox_agree_in_the_second_turn(
    tmp_path: Path, state: Any, wrap: str
) -> None:
    till = Till()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(await asyncio.to_thread(tools["pay"], 30))

    simulator = SANDBOX if wrap == "plain" else Ladder([SANDBOX])
    async with unjudged(
        agent, [till.pay], tmp_path / "journal.db", simulator=simulator, strategy=Parallel(2), state=state
    ) as session:
        for expected in (70, 40, 10):
            plan = await session.rehearse("Pay.")
            assert [attempt.answer for attempt in plan.attempts] == [str(expected)] * 2
            result = await session.commit(plan)
            assert result.answer == str(expected)
            assert not result.calls[0].diverged


async def test_direct_needs_no_sandbox(tmp_path: Path) -> None:
    till = Till()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(await asyncio.to_thread(tools["pay"], 30))

    async with Session(
        agent=agent, tools=[till.pay], strategy=Direct(), journal=tmp_path / "journal.db"
    ) as session:
        assert (await session.run("Pay.")).answer == "70"
