"""What is particular to `rehearsed` of pydantic-ai: approvals, sub-agents, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Server, serving
from helpers.framework_laws import RISKS, session
from helpers.frameworks import PAY, Turn, calls_in, model, tool_results

pytest.importorskip("pydantic_ai", reason="`make frameworks` installs it and runs this")

from openai import AsyncOpenAI
from pydantic_ai import Agent, DeferredToolRequests, NativeOutput, ToolOutput
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.providers.openai import OpenAIProvider

from artis_sdk import Risk
from artis_sdk.commit.approver import Approve, Edit, Reject
from artis_sdk.errors import ConfigurationError, ToolDefinitionError
from artis_sdk.integrations.pydantic_ai import rehearsed


@asynccontextmanager
async def served(*turns: Turn) -> AsyncIterator[tuple[Server, Any]]:
    async with (
        serving(model(*turns)) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        yield server, OpenAIChatModel("served-model", provider=OpenAIProvider(openai_client=client))


def clerk_of(model: Any, real: list[Any], *, requires_approval: bool = False) -> Agent[None, Any]:
    clerk: Any = Agent(model, output_type=[str, DeferredToolRequests])

    @clerk.tool_plain(requires_approval=requires_approval)
    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        real.append((target, amount))
        return {"sent": amount}

    agent: Agent[None, Any] = clerk
    return agent


async def yes(request: Any) -> Approve:
    return Approve()


async def no(request: Any) -> Reject:
    return Reject(reason="not today")


async def less(request: Any) -> Edit:
    return Edit(arguments={"target": request.call.arguments["target"], "amount": 3})


@pytest.mark.parametrize(
    ("approve", "made", "told"),
    [(yes, [("bob", 5)], '{"sent":5}'), (less, [("bob", 3)], '{"sent":3}'), (no, [], "not today")],
)
async def test_an_approval_of_the_framework_is_asked_of_the_sessions_approver(
    approve: Any, made: list[Any], told: str, tmp_path: Path
) -> None:
    async def only_calls(request: Any) -> Any:
        return await yes(request) if type(request).__name__ == "PlanRequest" else await approve(request)

    real: list[Any] = []
    async with served(PAY) as (server, served_model):
        agent = rehearsed(clerk_of(served_model, real, requires_approval=True), risks={"pay": RISKS["pay"]})
        async with session(agent, tmp_path / "j.db", approve=only_calls, mode="guided") as s:
            plan = await s.rehearse("Pay.")
            assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1]
            assert real == []
            await s.commit(plan)
    assert real == made
    assert calls_in(tmp_path / "j.db") == [("pay", "done")] * len(made)
    assert any(told in text for text in tool_results(server.requests[-1]))


async def test_without_an_approver_the_answer_is_no(tmp_path: Path) -> None:
    real: list[Any] = []
    async with served(PAY) as (server, served_model):
        agent = rehearsed(clerk_of(served_model, real, requires_approval=True))
        async with session(agent, tmp_path / "j.db") as s:
            await s.commit(await s.rehearse("Pay."))
    assert real == []
    assert any("no approver" in text for text in tool_results(server.requests[-1]))


async def test_a_sub_agent_that_is_not_named_is_simulated_as_a_whole(tmp_path: Path) -> None:
    real: list[Any] = []
    async with served([("ask_clerk", {"amount": 5})], PAY) as (_, served_model):
        clerk = clerk_of(served_model, real)
        head = Agent(served_model)

        @head.tool_plain
        async def ask_clerk(amount: int) -> str:
            return str((await clerk.run("Pay.")).output)

        async with session(rehearsed(head), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert real == []
            assert {step.call.tool for attempt in plan.attempts for step in attempt.steps} == {"ask_clerk"}
            await s.commit(plan)
    assert real == [("bob", 5)], "a part of the call of ask_clerk"
    assert calls_in(tmp_path / "j.db") == [("ask_clerk", "done")]


def real_payment() -> tuple[Callable[[str, int], int], list[str]]:
    """A function that pays, and whom it paid."""
    real: list[str] = []

    def pay(target: str, amount: int) -> int:
        real.append(target)
        return amount

    return pay, real


async def test_a_function_called_past_the_framework_is_refused(tmp_path: Path) -> None:
    pay, real = real_payment()

    async def run(agent: Any, text: str) -> str:
        return str(pay("bob", 5))

    async with served() as (_, served_model):
        agent = rehearsed(Agent(served_model, tools=[pay]), run=run)
        async with session(agent, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert pay("ann", 1) == 1, "outside it is the function that it was"
    assert real == ["ann"]
    assert {attempt.ended for attempt in plan.attempts} == {"refused"}
    assert all("past its framework's own way" in note for note in plan.notes)


async def test_toolsets_of_a_single_run_do_not_get_in(tmp_path: Path) -> None:
    """pydantic-ai itself leaves them out where toolsets are overridden."""
    from pydantic_ai import FunctionToolset

    pay, real = real_payment()

    async def run(agent: Any, text: str) -> Any:
        return await agent.run(text, toolsets=[FunctionToolset([pay])])

    async with (
        served(PAY) as (_, served_model),
        session(rehearsed(Agent(served_model), run=run), tmp_path / "j.db") as s,
    ):
        await s.rehearse("Pay.")
    assert real == []


def send_it(text: str) -> str:
    raise AssertionError


@pytest.mark.parametrize("output", [send_it, [send_it, str], ToolOutput(send_it)])
async def test_an_output_function_is_refused(output: Any, tmp_path: Path) -> None:
    async with served() as (_, served_model):
        with pytest.raises(ConfigurationError, match="send_it"):
            async with session(rehearsed(Agent(served_model, output_type=output)), tmp_path / "j.db"):
                pass
        async with session(rehearsed(Agent(served_model, output_type=NativeOutput(int))), tmp_path / "k.db"):
            pass


async def test_a_tool_at_the_models_provider_is_refused(tmp_path: Path) -> None:
    async with served() as (_, served_model):
        agent = Agent(served_model, capabilities=[NativeTool(WebSearchTool())])
        with pytest.raises(ConfigurationError, match="web_search"):
            async with session(rehearsed(agent), tmp_path / "j.db"):
                pass


async def test_names_that_are_no_tools(tmp_path: Path) -> None:
    async with served() as (_, served_model):
        with pytest.raises(ConfigurationError, match=r"names transfer.*it has pay"):
            async with session(
                rehearsed(clerk_of(served_model, []), risks={"transfer": Risk.READ_ONLY}), tmp_path / "j.db"
            ):
                pass

        def pay(artis_make: int) -> int:
            return artis_make

        with pytest.raises(ToolDefinitionError, match="artis_make"):
            async with session(rehearsed(Agent(served_model, tools=[pay])), tmp_path / "j.db"):
                pass


async def test_a_capability_brings_its_tools(tmp_path: Path) -> None:
    from pydantic_ai import FunctionToolset
    from pydantic_ai.agent import WrapperAgent
    from pydantic_ai.capabilities import AbstractCapability

    pay, real = real_payment()

    class Pays(AbstractCapability[Any]):  # type: ignore[misc]
        def get_toolset(self) -> Any:
            return FunctionToolset([pay])

    async with served(PAY) as (_, served_model):
        agent = Agent(served_model, capabilities=[Pays()])
        async with session(rehearsed(WrapperAgent(agent)), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1], plan.notes
            assert real == []
            await s.commit(plan)
    assert real == ["bob"]
