"""openai-agents: a sync function tool runs in a thread, with the context."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import (
    LOOK,
    PAY,
    FrameworkLaws,
    Function,
    check_decorator_below_is_refused,
    check_registered_before,
    check_told,
    fail,
    plain,
    play,
)

pytest.importorskip("agents", reason="`make frameworks` installs it and runs this")

from agents import Agent, FunctionTool, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI

QUIET = RunConfig(tracing_disabled=True)


def make(functions: Sequence[Function], url: str) -> Any:
    return agent_of([function_tool(function) for function in functions], url)


def agent_of(taken: list[FunctionTool], url: str, *, delegates: str = "") -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            model = OpenAIChatCompletionsModel("served-model", client)
            clerk = Agent("clerk", tools=list(taken), model=model)
            if delegates == "hand-off":
                clerk = Agent("head", handoffs=[clerk], model=model)
            elif delegates == "tool":
                tool = clerk.as_tool("ask_clerk", "Asks the clerk.", run_config=QUIET)
                clerk = Agent("head", tools=[tool], model=model)
            result = await Runner.run(clerk, task, run_config=QUIET)
        return str(result.final_output)

    return agent


class TestOpenAIAgents(FrameworkLaws):
    distribution = "openai-agents"
    runs = "`to_thread`, with the context"
    make = staticmethod(make)


@pytest.mark.parametrize(
    ("how", "call"), [("hand-off", ("transfer_to_clerk", {})), ("tool", ("ask_clerk", {"input": "pay"}))]
)
async def test_a_sub_agent(how: str, call: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    def make_with_sub_agent(functions: Sequence[Function], url: str) -> Any:
        return agent_of([function_tool(function) for function in functions], url, delegates=how)

    await play(make_with_sub_agent, plain(), tmp_path / "j.db", [call], LOOK, PAY)


async def test_a_simulated_failure_is_the_tools_error(tmp_path: Path) -> None:
    def make_that_tells(functions: Sequence[Function], url: str) -> Any:
        return agent_of([function_tool(f, failure_error_function=as_text) for f in functions], url)

    def as_text(context: Any, error: Exception) -> str:
        return str(error)

    await check_told(make_that_tells, plain(), tmp_path / "j.db")


async def test_by_default_the_model_reads_only_that_there_was_one(tmp_path: Path) -> None:
    failed = await fail(make, plain(), tmp_path / "j.db")
    assert {attempt.ended for attempt in failed.plan.attempts} == {"answer"}
    assert failed.seen == {"An error occurred while running the tool. Please try again."}


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    await check_registered_before(partial(function_tool, strict_mode=False), agent_of, tmp_path / "j.db")


def test_its_own_decorator_below_ours_is_an_error() -> None:
    check_decorator_below_is_refused(function_tool)
