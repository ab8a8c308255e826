"""Tool objects of other frameworks in a `Toolset`, for a session whose agent is none of theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from helpers.framework_laws import installed, session
from helpers.frameworks import calls_in

from artis_sdk import Risk, Toolset
from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.integrations.agent_tools import AgentTools, ToolFacts
from artis_sdk.records import ToolCall


def autogen_tool(pay: Callable[..., Any]) -> Any:
    from autogen_core.tools import FunctionTool

    return FunctionTool(pay, description="Send money.")


MAKERS = {
    "langchain_core": "langchain_core.tools:tool",
    "autogen_core": f"{__name__}:autogen_tool",
    "agents.tool": "agents:function_tool",
    "pydantic_ai": "pydantic_ai:Tool",
    "google.adk": "google.adk.tools:FunctionTool",
    "smolagents": "smolagents:tool",
    "strands.agent": "strands:tool",
    "crewai": "crewai.tools:tool",
}
"""By the module that must be installed: what makes a tool object of a function."""


@pytest.mark.parametrize("framework", [*filter(installed, MAKERS)])
async def test_simulated_then_made_once(framework: str, tmp_path: Path) -> None:
    make = resolve_name(MAKERS[framework])
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


async def test_an_argument_may_be_called_self() -> None:
    async def alone(arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments

    schema = {"type": "object", "properties": {"self": {"type": "integer"}}, "required": ["self"]}
    facts = ToolFacts(name="pay", description="", parameters=schema, alone=alone)
    pay = AgentTools(None, Risk.IRREVERSIBLE).toolset([facts])["pay"]
    assert await pay(**{"self": 3}) == {"self": 3}
