"""Tools that a session has not seen: of other agents, of functions, of what came later. None runs unseen."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from frameworks.test_laws import every
from helpers.fault_server import Reply, Seen, answer, serving
from helpers.framework_laws import Case, Ledger, session
from helpers.frameworks import LOOK, PAY, calls_in, model

from artis_sdk import Sequential
from artis_sdk.errors import AgentError, ConfigurationError, UnknownOutcome


@every
async def test_another_agent_that_runs_meanwhile_is_not_real(case: Case, tmp_path: Path) -> None:
    """Started by `run=`, a hook, an instruction: its tools are no tools of the session's agent."""
    ledger = Ledger()
    async with serving(case.model(PAY)) as server, AsyncExitStack() as stack:
        if case.title.startswith("mcp"):
            pytest.skip("no agent")
        seen = case.agent(server.base_url, Ledger(), case.ways[0], stack)
        other = case.agent(server.base_url, ledger, case.ways[0], stack)
        seen.run_agent = lambda _, text: other._run(other.agent, text)
        async with session(seen, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert ledger.real == []
            with suppress(UnknownOutcome):  # a refusal that the framework may have swallowed
                await s.commit(plan)
        assert len(ledger.real) == len(calls_in(tmp_path / "j.db"))
        before = len(ledger.real)
        run = await asyncio.to_thread(other._run, other.agent, "Pay.")  # smolagents runs in threads
        if hasattr(run, "__await__"):
            await run
        assert len(ledger.real) == before + 1, "outside of sessions it is as it was"


# --- LangGraph ------------------------------------------------------------------------------------


@pytest.fixture
def chat() -> Any:
    pytest.importorskip("langchain.agents", reason="`make frameworks` installs it and runs this")
    from langchain_openai import ChatOpenAI

    return lambda url: ChatOpenAI(model="served-model", base_url=url, api_key="none")


def payment(real: list[Any], *, is_async: bool = False) -> Any:
    from langchain_core.tools import tool

    async def pay(target: str, amount: int) -> str:
        """Send money."""
        real.append((target, amount))
        return "sent"

    def pay_(target: str, amount: int) -> str:
        """Send money."""
        real.append((target, amount))
        return "sent"

    return tool("pay")(pay if is_async else pay_)


def looped(chat: Any, tool: Any, call: Any) -> Any:
    """The graph of LangGraph's quickstart: a node of the model, and one that calls tools by itself."""
    from langgraph.graph import END, START, MessagesState, StateGraph

    bound = chat.bind_tools([tool])

    async def llm(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("llm", llm)
    builder.add_node("environment", call)
    builder.add_edge(START, "llm")
    builder.add_conditional_edges(
        "llm", lambda state: "environment" if state["messages"][-1].tool_calls else END, ["environment", END]
    )
    builder.add_edge("environment", "llm")
    return builder.compile()


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "a ToolNode", "a task"])
async def test_a_function_that_calls_a_tool_is_refused(chat: Any, how: str, tmp_path: Path) -> None:
    from langchain_core.messages import ToolMessage
    from langgraph.func import entrypoint, task
    from langgraph.prebuilt import ToolNode

    from artis_sdk.integrations.langchain import rehearsed

    real: list[Any] = []
    pay = payment(real, is_async=how != "invoke")
    node = ToolNode([pay])

    def invokes(state: Any) -> Any:
        made = [(call["id"], pay.invoke(call["args"])) for call in state["messages"][-1].tool_calls]
        return {"messages": [ToolMessage(content=said, tool_call_id=id) for id, said in made]}

    async def ainvokes(state: Any) -> Any:
        made = [(call["id"], await pay.ainvoke(call["args"])) for call in state["messages"][-1].tool_calls]
        return {"messages": [ToolMessage(content=said, tool_call_id=id) for id, said in made]}

    async def by_node(state: Any) -> Any:
        return await node.ainvoke(state)

    @task
    async def paid() -> Any:
        return await pay.ainvoke({"target": "bob", "amount": 5})

    @entrypoint()
    async def functional(given: Any) -> Any:
        return {"messages": [*given["messages"], {"role": "ai", "content": await paid()}]}

    async with serving(model(PAY)) as server:
        calls = {"invoke": invokes, "ainvoke": ainvokes, "a ToolNode": by_node}
        graph = functional if how == "a task" else looped(chat(server.base_url), pay, calls[how])
        async with session(rehearsed(graph), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert {attempt.ended for attempt in plan.attempts} == {"refused"}
            with pytest.raises(UnknownOutcome, match="no plan knows it"):
                await s.commit(plan)
    assert real == []


async def test_a_graph_that_a_nodes_function_runs_is_named_in_agents(chat: Any, tmp_path: Path) -> None:
    from langchain.agents import create_agent
    from langgraph.graph import END, START, MessagesState, StateGraph

    from artis_sdk.integrations.langchain import rehearsed

    real: list[Any] = []
    async with serving(model(PAY)) as server:
        clerk = create_agent(chat(server.base_url), [payment(real)])

        async def asks(state: MessagesState) -> Any:
            return {"messages": [(await clerk.ainvoke({"messages": state["messages"]}))["messages"][-1]]}

        builder = StateGraph(MessagesState)
        builder.add_node("asks", asks)
        builder.add_edge(START, "asks")
        builder.add_edge("asks", END)
        graph = builder.compile()
        async with session(rehearsed(graph), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
        assert {attempt.ended for attempt in plan.attempts} == {"refused"}
        assert real == []
        async with session(rehearsed(graph, agents={"asks": clerk}), tmp_path / "k.db") as s:
            plan = await s.rehearse("Pay.")
            assert [[step.call.tool for step in attempt.steps] for attempt in plan.attempts] == [["pay"]] * 3
            assert real == []
            await s.commit(plan)
    assert real == [("bob", 5)]
    assert calls_in(tmp_path / "k.db") == [("pay", "done")]


# --- google-adk -----------------------------------------------------------------------------------


@pytest.fixture
async def adk() -> Any:
    pytest.importorskip("google.adk", reason="`make frameworks` installs it and runs this")
    from google.adk.integrations.openai import OpenAILlm
    from openai import AsyncOpenAI

    async with AsyncExitStack() as stack:

        async def served(url: str) -> Any:
            client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key="none"))
            return OpenAILlm(model="gpt-scripted", client=client)

        yield served


@pytest.mark.parametrize("where", ["a field of an agent", "a callback"])
async def test_a_tool_that_adk_finds_on_its_way_is_refused(adk: Any, where: str, tmp_path: Path) -> None:
    from google.adk.agents import BaseAgent, LlmAgent

    from artis_sdk.integrations.google_adk import rehearsed

    ledger = Ledger()

    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount)

    class Holder(BaseAgent):  # type: ignore[misc]
        inner: Any

        async def _run_async_impl(self, ctx: Any) -> Any:
            async for event in self.inner.run_async(ctx):
                yield event

    async with serving(model(PAY)) as server:
        clerk = LlmAgent(name="clerk", model=await adk(server.base_url), tools=[])
        if where == "a callback":
            clerk.before_agent_callback = lambda callback_context: clerk.tools.append(pay)
            agent: Any = clerk
        else:
            clerk.tools.append(pay)
            agent = Holder(name="holder", inner=clerk)
        async with session(rehearsed(agent), tmp_path / "j.db", strategy=Sequential(2)) as s:
            plan = await s.rehearse("Pay.")
    assert ledger.real == []
    assert plan.attempts[1].ended == "refused"  # an agent's turn may have begun before its callback


async def test_an_agent_of_adk_that_works_on_a_task_finishes_it(adk: Any, tmp_path: Path) -> None:
    from google.adk.agents import LlmAgent

    from artis_sdk.integrations.google_adk import rehearsed

    ledger = Ledger()

    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount)

    ask, finish = [("clerk", {"request": "pay"})], [("finish_task", {"result": "ok"})]
    async with serving(model(ask, PAY, finish)) as server:
        llm = await adk(server.base_url)
        clerk = LlmAgent(name="clerk", description="Pays.", mode="task", model=llm, tools=[pay])
        agent = rehearsed(LlmAgent(name="head", model=llm, sub_agents=[clerk]))
        async with session(agent, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert [[step.call.tool for step in attempt.steps] for attempt in plan.attempts] == [["pay"]] * 3
            await s.commit(plan)
    assert calls_in(tmp_path / "j.db") == [("pay", "done")]


async def test_an_agent_of_adk_that_cannot_be_rehearsed_is_refused(adk: Any, tmp_path: Path) -> None:
    from google.adk.agents import LlmAgent
    from google.adk.workflow import Workflow

    from artis_sdk.integrations.google_adk import rehearsed

    flow: Any = Workflow(name="flow", edges=[("START", LlmAgent(name="clerk", model="gemini-2.5-flash"))])
    with pytest.raises(ConfigurationError, match="'flow' is a Workflow"):
        async with session(rehearsed(flow), tmp_path / "j.db"):
            pass


# --- what a rehearsal leaves ----------------------------------------------------------------------


async def test_the_variables_of_a_rehearsals_code_are_gone(tmp_path: Path) -> None:
    pytest.importorskip("smolagents", reason="`make frameworks` installs it and runs this")
    from smolagents import CodeAgent, OpenAIServerModel, tool

    from artis_sdk.integrations.smolagents import rehearsed

    code = "try:\n    left = [kept, helper()]\nexcept Exception:\n    left = []\nkept = balance(owner='bob')"
    code += "\ndef helper():\n    return 1\nfinal_answer([len(left), kept])"

    def handle(seen: Seen) -> Reply:
        return answer(seen, f"Thought: I look.\n<code>\n{code}\n</code>")

    @tool
    def balance(owner: str) -> int:
        """What an owner has.

        Args:
            owner: whose account.
        """
        return 100

    async with serving(handle) as server:
        chat = OpenAIServerModel("served-model", api_base=server.base_url, api_key="none")
        agent = CodeAgent([balance], chat, max_steps=2, verbosity_level=0)
        async with session(rehearsed(agent), tmp_path / "j.db", strategy=Sequential(2)) as s:
            plan = await s.rehearse("Look.")
            result = await s.commit(plan)
        chat.client.close()
    assert [attempt.answer for attempt in plan.attempts] == ["[0, 95]"] * 2
    assert result.answer == "[0, 100]"


async def test_a_team_that_an_error_left_unusable_gives_no_answers(tmp_path: Path) -> None:
    """AutoGen's teams wait for ever for who broke off, also after `load_state` and `reset`."""
    pytest.importorskip("autogen_agentchat", reason="`make frameworks` installs it and runs this")
    from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
    from autogen_agentchat.base import Response
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.messages import TextMessage
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.openai import OpenAIChatCompletionClient
    from frameworks.cases.autogen import INFO

    from artis_sdk.integrations.autogen import rehearsed

    ledger, runs = Ledger(), 0

    class Asks(BaseChatAgent):  # type: ignore[misc]
        produced_message_types = (TextMessage,)

        async def on_messages(self, messages: Any, cancellation_token: Any) -> Any:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise ValueError("an error of the application's")
            return Response(chat_message=TextMessage(content="go on", source=self.name))

        async def on_reset(self, cancellation_token: Any) -> None: ...

    async def balance(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    async with serving(model(LOOK)) as server:
        client = OpenAIChatCompletionClient(
            model="served-model", base_url=server.base_url, api_key="none", model_info=INFO
        )
        clerk = AssistantAgent("clerk", client, tools=[balance])
        both, ends = [Asks("head", "Asks."), clerk], MaxMessageTermination(3)
        team = RoundRobinGroupChat(both, termination_condition=ends)
        async with session(rehearsed(team), tmp_path / "j.db", strategy=Sequential(3)) as s:
            plan = await s.rehearse("Look.")
            assert ends._message_count == 0, "the condition begins anew"
            with pytest.raises(AgentError, match="make the team anew"):
                await s.commit(plan)
        await client.close()
    assert [attempt.ended for attempt in plan.attempts] == ["error"] * 3
    assert sum("make the team anew" in note for note in plan.notes) == 2
