"""pydantic-ai."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from helpers.framework_laws import RISKS, SECRET, Case, Ledger, Way
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from artis_sdk.integrations.pydantic_ai import rehearsed


class PydanticAI(Case):
    distribution = "pydantic-ai-slim"
    title = "pydantic-ai"
    module = "artis_sdk.integrations.pydantic_ai"
    context = "`RunContext`"
    failure = "`ModelRetry`"
    sub_agent_call = (("ask_clerk", {"question": "pay"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        client = AsyncOpenAI(base_url=url, api_key="none")
        stack.push_async_callback(client.close)
        model = OpenAIChatModel("served-model", provider=OpenAIProvider(openai_client=client))
        clerk = Agent(model, deps_type=str, name="clerk")

        if way == "sync tools":

            @clerk.tool
            def pay(framework_context: RunContext[str], target: str, amount: int) -> dict[str, Any]:
                """Send money."""
                return ledger.pay(target, amount, framework_context.deps)

            @clerk.tool_plain
            def balance(owner: str) -> int:
                """What an owner has."""
                return ledger.balance(owner)
        else:

            @clerk.tool(name="pay")
            async def pay_(framework_context: RunContext[str], target: str, amount: int) -> dict[str, Any]:
                """Send money."""
                return ledger.pay(target, amount, framework_context.deps)

            @clerk.tool_plain(name="balance")
            async def balance_(owner: str) -> int:
                """What an owner has."""
                return ledger.balance(owner)

        if way == "sub-agent":
            head = Agent(model, deps_type=str, name="head")

            @head.tool
            async def ask_clerk(framework_context: RunContext[str], question: str) -> str:
                """Asks the clerk."""
                return str((await clerk.run(question, deps=framework_context.deps)).output)

            return rehearsed(head, risks=RISKS, agents={"ask_clerk": clerk}, deps=SECRET)
        if way == "streamed":
            return rehearsed(clerk, risks=RISKS, deps=SECRET, run=streaming)
        return rehearsed(clerk, risks=RISKS, deps=SECRET)

    def raised(self, message: str) -> Exception:
        error: Exception = ModelRetry(message)
        return error


async def streaming(agent: Agent[str, str], text: str) -> str:
    async with agent.run_stream(text, deps=SECRET) as run:
        return "".join([piece async for piece in run.stream_text(delta=True)])
