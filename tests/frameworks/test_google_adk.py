"""google-adk: a sync tool runs on the event loop, in a task of its own, or in a pool's thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import (
    LOOK,
    PAY,
    FrameworkLaws,
    Function,
    check_ended_by_it,
    check_registered_before,
    check_told,
    plain,
    play,
)

pytest.importorskip("google.adk", reason="`make frameworks` installs it and runs this")

from google.adk.agents import LlmAgent, RunConfig
from google.adk.agents.run_config import ToolThreadPoolConfig
from google.adk.integrations.openai import OpenAILlm
from google.adk.runners import InMemoryRunner
from google.adk.tools import FunctionTool
from google.genai.types import Content, Part
from openai import AsyncOpenAI

IN_POOL = RunConfig(tool_thread_pool_config=ToolThreadPoolConfig(max_workers=2))


def make(functions: Sequence[Function], url: str) -> Any:
    return agent_of([FunctionTool(function) for function in functions], url)


def agent_of(
    taken: list[FunctionTool],
    url: str,
    *,
    config: RunConfig | None = None,
    delegates: bool = False,
    **more: Any,
) -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            model = OpenAILlm(model="gpt-scripted", client=client)
            clerk = LlmAgent(name="clerk", model=model, tools=taken, **more)
            if delegates:
                clerk = LlmAgent(name="head", model=model, sub_agents=[clerk])
            runner = InMemoryRunner(clerk)
            session = await runner.session_service.create_session(app_name=runner.app_name, user_id="ann")
            said = ""
            async for event in runner.run_async(
                user_id="ann",
                session_id=session.id,
                new_message=Content(role="user", parts=[Part(text=task)]),
                run_config=config,
            ):
                for part in (event.content and event.content.parts) or ():
                    said = part.text or said
            await runner.close()
        return said

    return agent


class TestGoogleADK(FrameworkLaws):
    distribution = "google-adk"
    runs = "on the event loop, in a task of its own"
    make = staticmethod(make)


async def test_in_a_thread_pool(tmp_path: Path, row: Any) -> None:
    def make_in_pool(functions: Sequence[Function], url: str) -> Any:
        return agent_of([FunctionTool(function) for function in functions], url, config=IN_POOL)

    await play(make_in_pool, plain(), tmp_path / "cold.db", LOOK, PAY)
    played = await play(make_in_pool, plain(), tmp_path / "warm.db", LOOK, [*PAY, *PAY])
    row("google-adk", "its pool of threads, warm", "plain functions", played)


async def test_a_hand_off(tmp_path: Path) -> None:
    def make_with_sub_agent(functions: Sequence[Function], url: str) -> Any:
        taken = [FunctionTool(function) for function in functions]
        return agent_of(
            taken, url, delegates=True, disallow_transfer_to_parent=True, disallow_transfer_to_peers=True
        )

    hand_off = [("transfer_to_agent", {"agent_name": "clerk"})]
    await play(make_with_sub_agent, plain(), tmp_path / "j.db", hand_off, LOOK, PAY)


async def test_a_simulated_failure_is_the_tools_error(tmp_path: Path) -> None:
    def as_text(tool: Any, args: Any, tool_context: Any, error: Exception) -> dict[str, str]:
        return {"error": str(error)}

    def make_that_tells(functions: Sequence[Function], url: str) -> Any:
        taken = [FunctionTool(function) for function in functions]
        return agent_of(taken, url, on_tool_error_callback=as_text)

    await check_told(make_that_tells, plain(), tmp_path / "j.db")


async def test_without_a_callback_for_errors_the_run_fails_of_it(tmp_path: Path) -> None:
    await check_ended_by_it(make, tmp_path / "j.db")


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    await check_registered_before(FunctionTool, agent_of, tmp_path / "j.db")
