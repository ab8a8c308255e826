"""Strands."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from helpers.framework_laws import RISKS, SECRET, Case, Ledger, NoFunds, Way
from strands import Agent, ToolContext, tool
from strands.models.openai import OpenAIModel

from artis_sdk.integrations.strands import rehearsed


class Strands(Case):
    distribution = "strands-agents"
    title = "strands"
    module = "artis_sdk.integrations.strands"
    context = "`ToolContext`"
    failure = "a result with the status `error`"
    ways = ("async tools", "sync tools", "streamed", "sub-agent")
    sub_agent_call = (("ask_clerk", {"input": "pay"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        def model() -> OpenAIModel:
            return OpenAIModel(client_args={"base_url": url, "api_key": "none"}, model_id="served-model")

        tools = tools_of(ledger, is_async=way != "sync tools")
        clerk = Agent(model(), tools=tools, name="clerk", callback_handler=None)
        if way == "sub-agent":
            asks = clerk.as_tool(name="ask_clerk", description="Asks the clerk.")
            clerk = Agent(model(), tools=[asks], callback_handler=None)
        run = streamed if way == "streamed" else None
        return rehearsed(clerk, risks=RISKS, state={"secret": SECRET}, run=run)

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
