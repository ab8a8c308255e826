"""Tool objects of other frameworks in a `Toolset`, for a session whose agent is none of theirs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.framework_laws import session
from helpers.frameworks import calls_in

from artis_sdk import Toolset
from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records import ToolCall


def langchain(pay: Callable[..., Any]) -> Any:
    from langchain_core.tools import tool

    return tool(pay)


def autogen(pay: Callable[..., Any]) -> Any:
    from autogen_core.tools import FunctionTool

    return FunctionTool(pay, description="Send money.")


def openai_agents(pay: Callable[..., Any]) -> Any:
    from agents import function_tool

    return function_tool(pay)


def pydantic_ai(pay: Callable[..., Any]) -> Any:
    from pydantic_ai import Tool

    return Tool(pay)


def google_adk(pay: Callable[..., Any]) -> Any:
    from google.adk.tools import FunctionTool

    return FunctionTool(pay)


def smolagents(pay: Callable[..., Any]) -> Any:
    from smolagents import tool

    return tool(pay)


def crewai(pay: Callable[..., Any]) -> Any:
    from crewai.tools import tool

    return tool(pay)


def strands(pay: Callable[..., Any]) -> Any:
    from strands import tool

    return tool(pay)


MAKERS = {
    "langchain_core": langchain,
    "autogen_core": autogen,
    "agents.tool": openai_agents,
    "pydantic_ai": pydantic_ai,
    "google.adk": google_adk,
    "smolagents": smolagents,
    "strands.agent": strands,
    "crewai": crewai,
}


def is_here(module: str) -> bool:
    top = module.partition(".")[0]
    return find_spec(top) is not None and find_spec(module) is not None


@pytest.mark.parametrize("make", [make for module, make in MAKERS.items() if is_here(module)])
async def test_simulated_then_made_once(make: Any, tmp_path: Path) -> None:
    real: list[Any] = []

    def pay(target: str, amount: int) -> dict[str, int]:
        """Send money.

        Args:
            target: who gets it.
            amount: whole euros.
        """
        real.append((target, amount))
        return {"sent": amount}

    tools = Toolset(make(pay))
    assert tools.names == ("pay",)
    assert sorted(tools["pay"].schema["properties"]) == ["amount", "target"]
    with pytest.raises(InvalidArguments):
        tools["pay"].parse(ToolCall(tool="pay", arguments={"target": "bob", "amount": "much"}))

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        sent = tools["pay"](target="bob", amount=5)
        return str((await sent if hasattr(sent, "__await__") else sent)["sent"])

    async with session(agent, tmp_path / "j.db", tools=tools) as s:
        plan = await s.rehearse("Pay.")
        assert real == []
        result = await s.commit(plan)
    assert real == [("bob", 5)]
    assert (result.answer, calls_in(tmp_path / "j.db")) == ("5", [("pay", "done")])


def test_an_object_that_is_no_tool() -> None:
    with pytest.raises(ToolDefinitionError, match="is not a function"):
        Toolset(object())  # type: ignore[arg-type]
