"""Strands."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from helpers.fault_server import Handler
from helpers.framework_laws import RISKS, SECRET, Case, Ledger, NoFunds, Way
from helpers.frameworks import Turn, model
from strands import Agent, ToolContext, tool
from strands.models.openai import OpenAIModel
from strands.multiagent import GraphBuilder, Swarm

from artis_sdk.integrations.strands import rehearsed


class Strands(Case):
    distribution = "strands-agents"
    title = "strands"
    module = "artis_sdk.integrations.strands"
    context = "`ToolContext`"
    failure = "a result with the status `error`"
    ways = ("async tools", "sync tools", "streamed", "sub-agent", "hand-off", "graph")
    sub_agent_call = (("ask_clerk", {"input": "pay"}),)
    hand_off_call = (("handoff_to_agent", {"agent_name": "clerk", "message": "pay", "context": {"for": 1}}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        def served() -> OpenAIModel:
            return OpenAIModel(client_args={"base_url": url, "api_key": "none"}, model_id="served-model")

        tools = tools_of(ledger, is_async=way != "sync tools")
        clerk = Agent(served(), tools=tools, name="clerk", callback_handler=None)
        if way == "sub-agent":
            asks = clerk.as_tool(name="ask_clerk", description="Asks the clerk.")
            clerk = Agent(served(), tools=[asks], callback_handler=None)
        elif way == "hand-off":
            head = Agent(served(), name="head", callback_handler=None)
            return rehearsed(Swarm([head, clerk]), risks=RISKS, state={"secret": SECRET})
        elif way == "graph":
            graph = GraphBuilder()
            graph.add_node(Agent(served(), name="head", callback_handler=None), "head")
            graph.add_node(clerk, "clerk")
            graph.add_edge("head", "clerk")
            graph.set_max_node_executions(5)
            return rehearsed(graph.build(), risks=RISKS, state={"secret": SECRET})
        run = streamed if way == "streamed" else None
        return rehearsed(clerk, risks=RISKS, state={"secret": SECRET}, run=run)

    def model(self, *turns: Turn) -> Handler:
        """In a swarm every agent may hand off; only the head, which cannot pay, does."""
        head, clerk = model(*turns), model(*(turn for turn in turns if turn != self.hand_off_call))
        return lambda seen: (clerk if b'"pay"' in seen.body else head)(seen)

    def raised(self, message: str) -> Exception:
        return NoFunds(message)


async def streamed(agent: Agent, text: str) -> str:
    pieces = [
        event["data"]
        async for event in agent.stream_async(text, invocation_state={"secret": SECRET})
        if "data" in event
    ]
    return "".join(pieces)


def tools_of(ledger: Ledger, *, is_async: bool) -> list[Any]:
    if not is_async:

        @tool(context="framework_context")
        def pay(target: str, amount: int, framework_context: ToolContext) -> dict[str, Any]:
            """Send money."""
            return ledger.pay(target, amount, framework_context.invocation_state["secret"])

        @tool
        def balance(owner: str) -> int:
            """What an owner has."""
            return ledger.balance(owner)

        return [pay, balance]

    @tool(context="framework_context", name="pay")
    async def pay_(target: str, amount: int, framework_context: ToolContext) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount, framework_context.invocation_state.get("secret", SECRET))

    @tool(name="balance")
    async def balance_(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    return [pay_, balance_]
