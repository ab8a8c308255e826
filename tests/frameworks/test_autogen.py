"""AutoGen: a sync `FunctionTool` runs in the event loop's executor, without the context."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import serving
from helpers.frameworks import (
    LOOK,
    PAY,
    FrameworkLaws,
    Function,
    Money,
    check_registered_before,
    check_told,
    model,
    plain,
    play,
    session,
    tool_results,
)

pytest.importorskip("autogen_agentchat", reason="`make frameworks` installs it and runs this")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.tools import AgentTool
from autogen_core.models import ModelFamily, ModelInfo
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

from artis_sdk import Toolset

INFO = ModelInfo(
    family=ModelFamily.UNKNOWN, function_calling=True, json_output=True, structured_output=True, vision=False
)


def registered(function: Function) -> FunctionTool:
    return FunctionTool(function, description=function.__doc__ or "")


def make(functions: Sequence[Function], url: str) -> Any:
    return agent_of([registered(function) for function in functions], url)


def agent_of(taken: list[FunctionTool], url: str, *, delegates: bool = False) -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        client = OpenAIChatCompletionClient(
            model="served-model", base_url=url, api_key="none", model_info=INFO
        )
        clerk = AssistantAgent("clerk", client, tools=list(taken), max_tool_iterations=5)
        if delegates:
            clerk = AssistantAgent("head", client, tools=[AgentTool(clerk)], max_tool_iterations=5)
        result = await clerk.run(task=task)
        await client.close()
        return str(result.messages[-1].to_text())

    return agent


class TestAutoGen(FrameworkLaws):
    distribution = "autogen-core"
    runs = "`run_in_executor`, without the context"
    make = staticmethod(make)


async def test_an_executor_that_was_warm(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, time.sleep, 0.05) for _ in range(8)))
    await play(make, plain(), tmp_path / "j.db", LOOK, [*PAY, *PAY])


async def test_a_sub_agent(tmp_path: Path) -> None:
    def make_with_sub_agent(functions: Sequence[Function], url: str) -> Any:
        return agent_of([registered(function) for function in functions], url, delegates=True)

    await play(make_with_sub_agent, plain(), tmp_path / "j.db", [("clerk", {"task": "pay"})], LOOK, PAY)


async def test_a_simulated_failure_is_the_tools_error(tmp_path: Path) -> None:
    await check_told(make, plain(), tmp_path / "j.db")


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    await check_registered_before(registered, agent_of, tmp_path / "j.db")


async def test_a_copy_that_is_made_from_the_source_is_another_function_and_is_noted(tmp_path: Path) -> None:
    """AutoGen's configurations hold a function's source; what they load shares nothing with the function."""

    def pay(target: str, amount: int) -> str:
        """Send money."""
        return "really sent"

    with pytest.warns(UserWarning, match="SECURITY WARNING"):
        copied = FunctionTool.load_component(registered(pay).dump_component())
    async with serving(model(PAY)) as server:
        agent = agent_of([copied], server.base_url)
        async with session(agent, Money([pay], Toolset(pay), []), tmp_path / "j.db") as s:
            plan = await s.rehearse("Send Bob five euros.")
    assert "really sent" in {text for request in server.requests for text in tool_results(request)}
    assert ["made no guarded call" in note for note in plan.notes] == [True] * 3
