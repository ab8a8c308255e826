"""LangChain's `create_agent`, which is a LangGraph graph."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
from helpers.framework_laws import RISKS, SECRET, Case, Ledger, Way
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.tools import ToolException, tool
from langchain_openai import ChatOpenAI

from artis_sdk.integrations.langchain import rehearsed


class LangChain(Case):
    distribution = "langchain"
    title = "LangChain, LangGraph"
    module = "artis_sdk.integrations.langchain"
    context = "`ToolRuntime`"
    failure = "`ToolException`"
    ways = ("async tools", "sync tools", "streamed", "sub-agent")
    sub_agent_call = (("ask_clerk", {"question": "pay"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        client, sync_client = httpx.AsyncClient(), httpx.Client()
        stack.push_async_callback(client.aclose)
        stack.callback(sync_client.close)
        model = ChatOpenAI(
            model="served-model",
            base_url=url,
            api_key="none",
            http_async_client=client,
            http_client=sync_client,
            stream_usage=False,
        )
        clerk = create_agent(model, tools_of(ledger, is_async=way != "sync tools"), context_schema=str)
        if way == "sub-agent":

            @tool
            async def ask_clerk(question: str, framework_context: ToolRuntime[str, Any]) -> str:
                """Asks the clerk."""
                state = await clerk.ainvoke({"messages": [("user", question)]}, context=SECRET)
                return str(state["messages"][-1].text)

            head = create_agent(model, [ask_clerk], context_schema=str)
            return rehearsed(head, risks=RISKS, agents={"ask_clerk": clerk}, context=SECRET)
        run = {"sync tools": in_a_thread, "streamed": streamed}.get(way)
        return rehearsed(clerk, risks=RISKS, context=SECRET, run=run)

    def raised(self, message: str) -> Exception:
        error: Exception = ToolException(message)
        return error


async def in_a_thread(graph: Any, text: str) -> Any:
    return await asyncio.to_thread(graph.invoke, {"messages": [("user", text)]}, context=SECRET)


async def streamed(graph: Any, text: str) -> str:
    pieces: list[str] = []
    given = {"messages": [("user", text)]}
    async for message, _ in graph.astream(given, context=SECRET, stream_mode="messages"):
        if message.type in ("AIMessageChunk", "ai"):
            pieces.append(message.text)
    return "".join(map(str, pieces))


def tools_of(ledger: Ledger, *, is_async: bool) -> list[Any]:
    def pay(target: str, amount: int, framework_context: ToolRuntime[str, Any]) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount, framework_context.context)

    def balance(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    async def pay_async(target: str, amount: int, framework_context: ToolRuntime[str, Any]) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount, framework_context.context)

    async def balance_async(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    made = (
        [tool("pay")(pay_async), tool("balance")(balance_async)] if is_async else [tool(pay), tool(balance)]
    )
    for one in made:
        one.handle_tool_error = True
    return made
