"""google-adk."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from google.adk.agents import LlmAgent, RunConfig
from google.adk.agents.run_config import StreamingMode
from google.adk.integrations.openai import OpenAILlm
from google.adk.runners import InMemoryRunner
from google.adk.tools import AgentTool, ToolContext
from google.genai.types import Content, Part
from helpers.framework_laws import RISKS, SECRET, Case, Ledger, Way
from openai import AsyncOpenAI

from artis_sdk.integrations.google_adk import rehearsed


def told(tool: Any, args: Any, tool_context: Any, error: Exception) -> dict[str, Any]:
    return {"error": str(error)}


class GoogleADK(Case):
    distribution = "google-adk"
    title = "google-adk"
    module = "artis_sdk.integrations.google_adk"
    context = "`ToolContext`"
    failure = "an exception for `on_tool_error_callback`"
    ways = ("async tools", "sync tools", "streamed", "sub-agent", "hand-off")
    sub_agent_call = (("clerk", {"request": "pay"}),)
    hand_off_call = (("transfer_to_agent", {"agent_name": "clerk"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        client = AsyncOpenAI(base_url=url, api_key="none")
        stack.push_async_callback(client.close)
        model = OpenAILlm(model="gpt-scripted", client=client)
        tools = tools_of(ledger, is_async=way != "sync tools")
        alone = {"disallow_transfer_to_parent": True, "disallow_transfer_to_peers": True}
        clerk = LlmAgent(name="clerk", model=model, tools=tools, on_tool_error_callback=told, **alone)
        if way == "sub-agent":
            clerk = LlmAgent(name="head", model=model, tools=[AgentTool(clerk)])
        elif way == "hand-off":
            clerk = LlmAgent(name="head", model=model, sub_agents=[clerk])
        run = streamed if way == "streamed" else None
        return rehearsed(clerk, risks=RISKS, state={"secret": SECRET}, run=run)

    def raised(self, message: str) -> Exception:
        return ValueError(message)


async def streamed(agent: Any, text: str) -> str:
    runner = InMemoryRunner(agent)
    session = await runner.session_service.create_session(
        app_name=runner.app_name, user_id="ann", state={"secret": SECRET}
    )
    pieces: list[str] = []
    async for event in runner.run_async(
        user_id="ann",
        session_id=session.id,
        new_message=Content(role="user", parts=[Part(text=text)]),
        run_config=RunConfig(streaming_mode=StreamingMode.SSE),
    ):
        if event.partial:
            pieces += [part.text or "" for part in (event.content and event.content.parts) or ()]
    return "".join(pieces)


def tools_of(ledger: Ledger, *, is_async: bool) -> list[Any]:
    def pay(target: str, amount: int, framework_context: ToolContext) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount, framework_context.state["secret"])

    def balance(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    if not is_async:
        return [pay, balance]

    async def pay_(target: str, amount: int, framework_context: ToolContext) -> dict[str, Any]:
        """Send money."""
        return pay(target, amount, framework_context)

    async def balance_(owner: str) -> int:
        """What an owner has."""
        return balance(owner)

    pay_.__name__, balance_.__name__ = "pay", "balance"
    return [pay_, balance_]
