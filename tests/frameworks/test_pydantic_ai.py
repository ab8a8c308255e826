"""pydantic-ai: a sync tool runs in a thread of anyio's, with the context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import (
    LOOK,
    NO_FUNDS,
    PAY,
    FrameworkLaws,
    Function,
    Money,
    check_ended_by_it,
    check_told,
    entries,
    late,
    methods,
    plain,
    play,
)

pytest.importorskip("pydantic_ai", reason="`make frameworks` installs it and runs this")

import anyio.to_thread
from openai import AsyncOpenAI
from pydantic_ai import Agent, FunctionToolset, ModelRetry, RunContext, Tool
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from artis_sdk import Toolset, guarded_tool


def make(functions: Sequence[Function], url: str) -> Any:
    return agent_of(FunctionToolset([Tool(function) for function in functions]), url)


def agent_of(taken: FunctionToolset[Any], url: str, *, delegates: bool = False) -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            model = OpenAIChatModel("served-model", provider=OpenAIProvider(openai_client=client))
            clerk = Agent(model, toolsets=[taken])
            if not delegates:
                return str((await clerk.run(task)).output)
            head = Agent(model)

            @head.tool
            async def ask_clerk(ctx: RunContext[None], question: str) -> str:
                return str((await clerk.run(question, usage=ctx.usage)).output)

            return str((await head.run(task)).output)

    return agent


class TestPydanticAI(FrameworkLaws):
    distribution = "pydantic-ai-slim"
    runs = "a thread of anyio's, with the context"
    make = staticmethod(make)


async def test_calls_at_once_in_threads_that_were_warm(tmp_path: Path) -> None:
    for _ in range(3):
        await anyio.to_thread.run_sync(len, "")
    await play(make, plain(), tmp_path / "j.db", [*PAY, *LOOK, *PAY], PAY)


@pytest.mark.parametrize("kind", [plain, methods])
async def test_entries_of_the_sessions_tools(kind: Callable[[], Money], tmp_path: Path) -> None:
    await play(make, entries(kind()), tmp_path / "j.db", LOOK, PAY)


async def test_a_sub_agent(tmp_path: Path) -> None:
    def make_with_sub_agent(functions: Sequence[Function], url: str) -> Any:
        return agent_of(FunctionToolset([Tool(function) for function in functions]), url, delegates=True)

    await play(make_with_sub_agent, plain(), tmp_path / "j.db", [("ask_clerk", {"question": "?"})], LOOK, PAY)


async def test_a_simulated_failure_is_the_tools_error(tmp_path: Path) -> None:
    @guarded_tool(failures=[ModelRetry])
    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        raise AssertionError

    await check_told(make, Money([pay], Toolset(pay), []), tmp_path / "j.db", "ModelRetry")


async def test_any_other_simulated_failure_ends_the_run_as_the_real_exception_would(tmp_path: Path) -> None:
    failed = await check_ended_by_it(make, tmp_path / "j.db")
    assert all(NO_FUNDS in note for note in failed.plan.notes)


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    taken: FunctionToolset[Any] = FunctionToolset()
    money = late(taken.tool_plain)
    await play(lambda _, url: agent_of(taken, url), money, tmp_path / "j.db", PAY)
