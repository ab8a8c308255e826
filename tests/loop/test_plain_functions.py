"""A function by its own name is the tool while a session of the caller's agent has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.charges import CHANGES, REAL, Till, session
from helpers.sessions import journaled

from artis_sdk import SandboxSimulator, Toolset
from artis_sdk.backends import ScriptedBackend


@pytest.fixture(autouse=True)
def nothing_charged() -> None:
    REAL.clear()


def plain(amount: int) -> dict[str, int]:
    REAL.append(amount)
    return {"charged": amount}


HELD: list[Callable[..., Any]] = [plain]


async def calls_plain(task: str, *, tools: Any, guidance: str | None) -> str:
    HELD[0](7)
    return str(await asyncio.to_thread(plain, 8))


@pytest.mark.parametrize("tools", [[plain], [Toolset(plain)], [*Toolset.from_functions(plain)]])
async def test_the_plain_function_is_the_tool_while_a_session_has_it(tools: Any, tmp_path: Path) -> None:
    given = tools[0] if isinstance(tools[0], Toolset) else Toolset(*tools)
    async with session(calls_plain, tmp_path / "j.db", *given) as s:
        plan = await s.rehearse("go")
        assert REAL == []
        assert [len(attempt.steps) for attempt in plan.attempts] == [2, 2]
        result = await s.commit(plan)
    assert REAL == [7, 8]
    assert [call.call.arguments["amount"] for call in result.calls] == [7, 8]
    assert journaled(tmp_path / "j.db") == [("plain", "done")] * 2
    assert plain(1) == {"charged": 1}


async def test_a_method_by_its_own_name_is_the_tool(tmp_path: Path) -> None:
    till = Till()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(till.take(5) + Till.take(till, 6))

    tools = Toolset.from_object(till)
    async with session(agent, tmp_path / "j.db", *tools, simulator=SandboxSimulator(share=[CHANGES])) as s:
        plan = await s.rehearse("go")
        assert till.sum == 0
        assert [attempt.answer for attempt in plan.attempts] == ["16", "16"]
        result = await s.commit(plan)
    assert till.sum == 11
    assert len(result.calls) == len(journaled(tmp_path / "j.db")) == 2
    assert not any(call.diverged for call in result.calls)


async def test_an_agent_that_makes_no_guarded_call_is_noted(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return "nothing to do"

    async with session(agent, tmp_path / "j.db") as s:
        plan = await s.rehearse("go")
        result = await s.commit(plan)
    assert [note.partition(":")[0] for note in plan.notes] == [
        "attempt 1 made no guarded call", "attempt 2 made no guarded call",
    ]  # fmt: skip
    assert [note.partition(":")[0] for note in result.notes] == ["the agent made no guarded call"]


async def test_a_model_that_makes_no_call_is_not(tmp_path: Path) -> None:
    async with session(ScriptedBackend(lambda _: "hello"), tmp_path / "j.db") as s:
        result = await s.run("say hello")
    assert result.notes == result.plan.notes == ()
