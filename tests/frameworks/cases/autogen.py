"""AutoGen."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import Swarm
from autogen_agentchat.tools import AgentTool
from autogen_core.models import ModelFamily, ModelInfo
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from helpers.framework_laws import RISKS, Case, Ledger, Way

from artis_sdk.integrations.autogen import rehearsed

INFO = ModelInfo(
    family=ModelFamily.UNKNOWN, function_calling=True, json_output=True, structured_output=True, vision=False
)


class AutoGen(Case):
    distribution = "autogen-agentchat"
    title = "AutoGen"
    module = "artis_sdk.integrations.autogen"
    failure = "an error result"
    ways = ("async tools", "sync tools", "streamed", "sub-agent", "hand-off")
    sub_agent_call = (("clerk", {"task": "pay"}),)
    hand_off_call = (("transfer_to_clerk", {}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        client = OpenAIChatCompletionClient(
            model="served-model", base_url=url, api_key="none", model_info=INFO
        )
        stack.push_async_callback(client.close)
        tools: list[Any] = tools_of(ledger, is_async=way != "sync tools")
        clerk: Any = AssistantAgent(
            "clerk",
            client,
            tools=tools,
            max_tool_iterations=5,
            description="Pays.",
            reflect_on_tool_use=False,
        )
        if way == "sub-agent":
            clerk = AssistantAgent(
                "head",
                client,
                tools=[AgentTool(clerk, return_value_as_last_message=True)],
                max_tool_iterations=5,
            )
        elif way == "hand-off":
            head = AssistantAgent("head", client, handoffs=["clerk"])
            clerk = Swarm(
                [head, clerk], termination_condition=TextMentionTermination("done", sources=["clerk"])
            )
        return rehearsed(clerk, risks=RISKS, run=streamed if way == "streamed" else None)

    def raised(self, message: str) -> Exception:
        return ValueError(message)


async def streamed(agent: Any, text: str) -> Any:
    last = None
    async for event in agent.run_stream(task=text):
        last = event
    return last


def tools_of(ledger: Ledger, *, is_async: bool) -> list[FunctionTool]:
    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount)

    def balance(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    async def pay_async(target: str, amount: int) -> dict[str, Any]:
        return ledger.pay(target, amount)

    async def balance_async(owner: str) -> int:
        return ledger.balance(owner)

    functions = {"pay": pay_async, "balance": balance_async} if is_async else {"pay": pay, "balance": balance}
    return [FunctionTool(made, description=name, name=name) for name, made in functions.items()]
