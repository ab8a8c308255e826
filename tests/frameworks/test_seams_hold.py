"""Paths by which a framework could call a tool past its seam, or carry a rehearsal over into a commit."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import serving
from helpers.framework_laws import Ledger, session
from helpers.frameworks import PAY, calls_in, model, tool_results

from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.errors import ConfigurationError


async def rejects_calls(request: Any) -> Any:
    return Approve() if type(request).__name__ == "PlanRequest" else Reject(reason="not today")


async def approves(request: Any) -> Any:
    return Approve()


# --- LangChain and LangGraph ----------------------------------------------------------------------


@pytest.fixture
def graphs() -> Any:
    pytest.importorskip("langchain.agents", reason="`make frameworks` installs it and runs this")
    from frameworks.cases import langchain

    return langchain


@pytest.mark.parametrize(("approve", "made"), [(approves, 1), (rejects_calls, 0), (None, 0)])
async def test_a_langchain_approval_is_the_sessions(
    graphs: Any, approve: Any, made: int, tmp_path: Path
) -> None:
    import httpx
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.memory import InMemorySaver

    from artis_sdk.integrations.langchain import rehearsed

    ledger = Ledger()
    async with serving(model(PAY)) as server, httpx.AsyncClient() as client:
        chat = ChatOpenAI(
            model="served-model", base_url=server.base_url, api_key="none", http_async_client=client
        )
        graph = create_agent(
            chat,
            graphs.tools_of(ledger, is_async=True),
            context_schema=str,
            checkpointer=InMemorySaver(),
            middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
        )
        agent = rehearsed(graph, context=graphs.SECRET)
        async with session(agent, tmp_path / "j.db", approve=approve, mode="guided") as s:
            plan = await s.rehearse("Pay.")
            assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1], plan.notes
            assert ledger.real == []
            await s.commit(plan)
    assert len(ledger.real) == made
    assert calls_in(tmp_path / "j.db") == [("pay", "done")] * made


async def test_a_node_that_calls_a_tool_by_itself_is_refused(graphs: Any, tmp_path: Path) -> None:
    from langchain_core.tools import tool
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    from artis_sdk.integrations.langchain import rehearsed

    real: list[Any] = []

    @tool
    async def pay(amount: int) -> int:
        """Send money."""
        real.append(amount)
        return amount

    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("ai", str(await pay.ainvoke({"amount": 5})))]}

    builder = StateGraph(MessagesState)
    builder.add_node("own", node)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_edge(START, "own")
    builder.add_edge("own", END)
    async with session(rehearsed(builder.compile()), tmp_path / "j.db") as s:
        plan = await s.rehearse("Pay.")
    assert real == []
    assert {attempt.ended for attempt in plan.attempts} == {"refused"}


async def test_a_graph_with_a_cache_is_refused(graphs: Any, tmp_path: Path) -> None:
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langgraph.cache.memory import InMemoryCache

    from artis_sdk.integrations.langchain import rehearsed

    graph = create_agent(FakeListChatModel(responses=["x"]), cache=InMemoryCache())
    with pytest.raises(ConfigurationError, match="has a cache"):
        async with session(rehearsed(graph), tmp_path / "j.db"):
            pass
    graph = create_agent(FakeListChatModel(responses=["x"]), [{"type": "web_search"}])
    with pytest.raises(ConfigurationError, match="web_search"):
        async with session(rehearsed(graph), tmp_path / "k.db"):
            pass


# --- openai-agents --------------------------------------------------------------------------------


@pytest.mark.parametrize(("approve", "made"), [(approves, 1), (rejects_calls, 0), (None, 0)])
async def test_an_approval_of_openai_agents_is_the_sessions(approve: Any, made: int, tmp_path: Path) -> None:
    pytest.importorskip("agents.tool", reason="`make frameworks` installs it and runs this")
    from agents import Agent, OpenAIChatCompletionsModel, function_tool
    from openai import AsyncOpenAI

    from artis_sdk.integrations.openai_agents import rehearsed

    real: list[Any] = []

    @function_tool(needs_approval=True)
    def pay(target: str, amount: int) -> int:
        """Send money."""
        real.append((target, amount))
        return amount

    async with (
        serving(model(PAY)) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        agent = Agent("clerk", tools=[pay], model=OpenAIChatCompletionsModel("served-model", client))
        async with session(rehearsed(agent), tmp_path / "j.db", approve=approve, mode="guided") as s:
            plan = await s.rehearse("Pay.")
            assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1], plan.notes
            assert real == []
            await s.commit(plan)
    assert real == [("bob", 5)] * made
    assert calls_in(tmp_path / "j.db") == [("pay", "done")] * made
    if approve is rejects_calls:
        assert any("not today" in text for text in tool_results(server.requests[-1]))


async def test_a_hosted_tool_of_openai_agents_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("agents.tool", reason="`make frameworks` installs it and runs this")
    from agents import Agent, WebSearchTool

    from artis_sdk.integrations.openai_agents import rehearsed

    head = Agent("head", handoffs=[Agent("clerk", tools=[WebSearchTool()])])
    with pytest.raises(ConfigurationError, match="'clerk' has WebSearchTool"):
        async with session(rehearsed(head), tmp_path / "j.db"):
            pass


async def test_an_agent_that_a_hand_off_makes_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("agents.tool", reason="`make frameworks` installs it and runs this")
    from agents import Agent, Handoff, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
    from openai import AsyncOpenAI

    from artis_sdk.integrations.openai_agents import rehearsed

    real: list[Any] = []

    async def quietly(agent: Any, text: str) -> Any:
        return await Runner.run(agent, text, run_config=RunConfig(tracing_disabled=True))

    async with (
        serving(model([("transfer_to_clerk", {})], PAY)) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        chat = OpenAIChatCompletionsModel("served-model", client)

        async def make(context: Any, text: str) -> Any:
            @function_tool
            def pay(target: str, amount: int) -> int:
                """Send money."""
                real.append(target)
                return amount

            return Agent("clerk", tools=[pay], model=chat)

        handoff = Handoff("transfer_to_clerk", "Hands over.", {}, make, "clerk")
        head = Agent("head", handoffs=[handoff], model=chat)
        async with session(rehearsed(head, run=quietly), tmp_path / "j.db") as s:
            with pytest.raises(ConfigurationError, match="has not seen its tools"):
                await s.rehearse("Pay.")
    assert real == []


# --- google-adk, Strands, smolagents --------------------------------------------------------------


@pytest.mark.parametrize(("approve", "made"), [(approves, 1), (None, 0)])
async def test_a_confirmation_of_google_adk_is_the_sessions(approve: Any, made: int, tmp_path: Path) -> None:
    pytest.importorskip("google.adk", reason="`make frameworks` installs it and runs this")
    from google.adk.agents import LlmAgent
    from google.adk.integrations.openai import OpenAILlm
    from google.adk.tools import FunctionTool
    from openai import AsyncOpenAI

    from artis_sdk.integrations.google_adk import rehearsed

    real: list[Any] = []

    def pay(target: str, amount: int) -> int:
        """Send money."""
        real.append((target, amount))
        return amount

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(model(PAY)))
        client = await stack.enter_async_context(AsyncOpenAI(base_url=server.base_url, api_key="none"))
        llm = OpenAILlm(model="gpt-scripted", client=client)
        agent = LlmAgent(name="clerk", model=llm, tools=[FunctionTool(pay, require_confirmation=True)])
        async with session(rehearsed(agent), tmp_path / "j.db", approve=approve, mode="guided") as s:
            plan = await s.rehearse("Pay.")
            assert real == []
            assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1], plan.notes
            await s.commit(plan)
    assert real == [("bob", 5)] * made
    assert calls_in(tmp_path / "j.db") == [("pay", "done")] * made


async def test_a_code_executor_of_google_adk_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("google.adk", reason="`make frameworks` installs it and runs this")
    from google.adk.agents import LlmAgent
    from google.adk.code_executors import BuiltInCodeExecutor
    from google.adk.tools import google_search

    from artis_sdk.integrations.google_adk import rehearsed

    runs = LlmAgent(name="clerk", model="gemini-2.5-flash", code_executor=BuiltInCodeExecutor())
    searches = LlmAgent(name="clerk", model="gemini-2.5-flash", tools=[google_search])
    for agent, told in ((runs, "code executor"), (searches, "google_search runs at the model's provider")):
        with pytest.raises(ConfigurationError, match=told):
            async with session(rehearsed(agent), tmp_path / "j.db"):
                pass


async def test_code_with_more_imports_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("smolagents", reason="`make frameworks` installs it and runs this")
    from smolagents import CodeAgent, OpenAIServerModel

    from artis_sdk.integrations.smolagents import rehearsed

    chat = OpenAIServerModel("served-model", api_base="http://127.0.0.1:9/v1", api_key="none")
    agent = CodeAgent([], chat, additional_authorized_imports=["os"])
    with pytest.raises(ConfigurationError, match="more imports than the standard ones"):
        async with session(rehearsed(agent), tmp_path / "j.db"):
            pass
    chat.client.close()


async def test_a_strands_agent_begins_each_attempt_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("strands.agent._agent_as_tool", reason="`make frameworks` installs it and runs this")
    from frameworks.cases.strands import Strands

    async with serving(model(PAY)) as server, AsyncExitStack() as stack:
        agent = Strands().agent(server.base_url, Ledger(), "async tools", stack)
        async with session(agent, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert agent.agent.messages == []
            await s.commit(plan)
        assert [message["role"] for message in agent.agent.messages] == [
            "user",
            "assistant",
            "user",
            "assistant",
        ]
