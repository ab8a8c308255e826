"""LangChain and LangGraph: a sync tool runs in an executor, with the context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import (
    KINDS,
    LOOK,
    PAY,
    Function,
    Money,
    check_decorator_below_is_refused,
    check_ended_by_it,
    check_registered_before,
    check_told,
    entries,
    methods,
    plain,
    play,
)

pytest.importorskip("langchain", reason="`make frameworks` installs it and runs this")

from langchain.agents import create_agent
from langchain.agents.middleware import ToolCallRequest, wrap_tool_call
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langchain_openai import ChatOpenAI

from artis_sdk.errors import ToolFailure


def make(functions: Sequence[Function], url: str) -> Any:
    return agent_of([tool(function) for function in functions], url)


def agent_of(
    taken: list[BaseTool],
    url: str,
    *,
    sync: bool = False,
    delegates: bool = False,
    middleware: Sequence[Any] = (),
) -> Any:
    model = ChatOpenAI(model="served-model", base_url=url, api_key="none")
    clerk = create_agent(model, taken, middleware=middleware)
    if delegates:

        @tool
        def ask_clerk(question: str) -> str:
            """Ask the clerk."""
            return str(inner.invoke({"messages": [("user", question)]})["messages"][-1].text)

        inner, clerk = clerk, create_agent(model, [ask_clerk])

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        given = {"messages": [("user", task)]}
        result = await asyncio.to_thread(clerk.invoke, given) if sync else await clerk.ainvoke(given)
        return str(result["messages"][-1].text)

    return agent


@pytest.mark.parametrize("way", ["ainvoke", "invoke"])
@pytest.mark.parametrize("kind", KINDS)
async def test_sealed(way: str, kind: str, tmp_path: Path, row: Any) -> None:
    def make_it(functions: Sequence[Function], url: str) -> Any:
        return agent_of([tool(function) for function in functions], url, sync=way == "invoke")

    played = await play(make_it, KINDS[kind](), tmp_path / "j.db", LOOK, PAY)
    row("langchain", f"`{way}`: an executor, with the context", kind, played)


@pytest.mark.parametrize("kind", [plain, methods])
async def test_entries_of_the_sessions_tools(kind: Callable[[], Money], tmp_path: Path) -> None:
    await play(make, entries(kind()), tmp_path / "j.db", LOOK, PAY)


@pytest.mark.parametrize("sync", [False, True])
async def test_calls_at_once(sync: bool, tmp_path: Path) -> None:
    def make_it(functions: Sequence[Function], url: str) -> Any:
        return agent_of([tool(function) for function in functions], url, sync=sync)

    await play(make_it, plain(), tmp_path / "j.db", [*PAY, *LOOK, *PAY], PAY)


@pytest.mark.parametrize("sync", [False, True])
async def test_a_sub_agent(sync: bool, tmp_path: Path) -> None:
    def make_it(functions: Sequence[Function], url: str) -> Any:
        return agent_of([tool(function) for function in functions], url, sync=sync, delegates=True)

    await play(make_it, plain(), tmp_path / "j.db", [("ask_clerk", {"question": "?"})], LOOK, PAY)


async def test_a_simulated_failure_is_the_tools_error(tmp_path: Path) -> None:
    @wrap_tool_call
    async def as_text(request: ToolCallRequest, handler: Any) -> Any:
        try:
            return await handler(request)
        except ToolFailure as error:
            return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")

    def make_it(functions: Sequence[Function], url: str) -> Any:
        return agent_of([tool(function) for function in functions], url, middleware=[as_text])

    await check_told(make_it, plain(), tmp_path / "j.db")


async def test_without_middleware_for_errors_the_run_fails_of_it(tmp_path: Path) -> None:
    await check_ended_by_it(make, tmp_path / "j.db")


async def test_registered_before_it_is_guarded(tmp_path: Path) -> None:
    await check_registered_before(tool, agent_of, tmp_path / "j.db")


def test_its_own_decorator_below_ours_is_an_error() -> None:
    check_decorator_below_is_refused(tool)
