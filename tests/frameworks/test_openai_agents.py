"""openai-agents: a sync function tool runs in a thread, with the context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import KINDS, LOOK, NO_FUNDS, PAY, Function, fail, late, plain, play

pytest.importorskip("agents", reason="`make frameworks` installs it and runs this")

from agents import Agent, FunctionTool, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI

from artis_sdk import guarded_tool
from artis_sdk.errors import ToolDefinitionError

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


@pytest.mark.parametrize("kind", KINDS)
async def test_sealed(kind: str, tmp_path: Path, row: Any) -> None:
    played = await play(make, KINDS[kind](), tmp_path / "j.db", LOOK, PAY)
    row("openai-agents", "`to_thread`, with the context", kind, played)


async def test_calls_at_once(tmp_path: Path) -> None:
    await play(make, plain(), tmp_path / "j.db", [*PAY, *LOOK, *PAY], PAY)


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

    failed = await fail(make_that_tells, plain(), tmp_path / "j.db")
    assert {attempt.ended for attempt in failed.plan.attempts} == {"answer"}
    assert failed.seen
    assert all(NO_FUNDS in text for text in failed.seen)


async def test_by_default_the_model_reads_only_that_there_was_one(tmp_path: Path) -> None:
    failed = await fail(make, plain(), tmp_path / "j.db")
    assert {attempt.ended for attempt in failed.plan.attempts} == {"answer"}
    assert failed.seen == {"An error occurred while running the tool. Please try again."}


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    taken: list[FunctionTool] = []
    money = late(lambda function: taken.append(function_tool(function, strict_mode=False)))
    await play(lambda _, url: agent_of(taken, url), money, tmp_path / "j.db", PAY)


def test_its_own_decorator_below_ours_is_an_error() -> None:
    with pytest.raises(ToolDefinitionError, match="wrap the call in a `def`"):

        @guarded_tool
        @function_tool
        def pay(target: str, amount: int) -> int:
            return amount
