"""openai-agents."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
)
from helpers.framework_laws import RISKS, SECRET, Case, Ledger, Way
from openai import AsyncOpenAI

from artis_sdk.integrations.openai_agents import rehearsed

QUIET = RunConfig(tracing_disabled=True)


def said(context: Any, error: Exception) -> str:
    return f"failed: {error}"


class OpenAIAgents(Case):
    distribution = "openai-agents"
    title = "openai-agents"
    module = "artis_sdk.integrations.openai_agents"
    context = "`RunContextWrapper`"
    failure = "the text of `failure_error_function`"
    ways = ("async tools", "sync tools", "streamed", "sub-agent", "hand-off")
    sub_agent_call = (("ask_clerk", {"input": "pay"}),)
    hand_off_call = (("transfer_to_clerk", {}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        client = AsyncOpenAI(base_url=url, api_key="none")
        stack.push_async_callback(client.close)
        model = OpenAIChatCompletionsModel("served-model", client)
        clerk = Agent("clerk", tools=[*tools_of(ledger, is_async=way != "sync tools")], model=model)
        if way == "sub-agent":
            tool = clerk.as_tool("ask_clerk", "Asks the clerk.", run_config=QUIET)
            clerk = Agent("head", tools=[tool], model=model)
        elif way == "hand-off":
            clerk = Agent("head", handoffs=[clerk], model=model)
        return rehearsed(clerk, risks=RISKS, run=streamed if way == "streamed" else plain)

    def raised(self, message: str) -> Exception:
        return ValueError(message)


async def plain(agent: Any, text: str) -> Any:
    return await Runner.run(agent, text, context=SECRET, run_config=QUIET)


async def streamed(agent: Any, text: str) -> Any:
    result = Runner.run_streamed(agent, text, context=SECRET, run_config=QUIET)
    async for _ in result.stream_events():
        pass
    return result


def tools_of(ledger: Ledger, *, is_async: bool) -> list[Any]:
    if not is_async:

        @function_tool(failure_error_function=said)
        def pay(framework_context: RunContextWrapper[str], target: str, amount: int) -> dict[str, Any]:
            """Send money."""
            return ledger.pay(target, amount, framework_context.context)

        @function_tool
        def balance(owner: str) -> int:
            """What an owner has."""
            return ledger.balance(owner)

        return [pay, balance]

    @function_tool(name_override="pay", failure_error_function=said)
    async def pay_(framework_context: RunContextWrapper[str], target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount, framework_context.context)

    @function_tool(name_override="balance")
    async def balance_(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    return [pay_, balance_]
