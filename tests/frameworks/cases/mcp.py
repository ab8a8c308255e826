"""MCP: an agent that talks to a server through a client session."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from helpers.framework_laws import RISKS, Case, Ledger, Way
from mcp import ClientSession, StdioServerParameters, stdio_client
from openai import AsyncOpenAI

from artis_sdk.contracts import BringsTools
from artis_sdk.integrations.mcp import rehearsed


class OwnAgent:
    """A loop of the user's own over the OpenAI client, with the tools of a server."""

    def __init__(self, client: ClientSession, openai: AsyncOpenAI, tools: Any) -> None:
        self.client, self.openai, self.tools = client, openai, tools

    async def session_tools(self) -> Any:
        return self.tools

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str:
        listed = (await self.client.list_tools()).tools
        offered: Any = [
            {"type": "function", "function": {"name": tool.name, "parameters": tool.input_schema}}
            for tool in listed
        ]
        messages: list[Any] = [{"role": "user", "content": task}]
        while True:
            answer = await self.openai.chat.completions.create(
                model="served-model", messages=messages, tools=offered
            )
            said = answer.choices[0].message
            if not said.tool_calls:
                return str(said.content)
            messages.append(said.model_dump(exclude_none=True))
            results = await asyncio.gather(*map(self.call, said.tool_calls))
            messages += results

    async def call(self, call: Any) -> dict[str, Any]:
        result = await self.client.call_tool(call.function.name, json.loads(call.function.arguments))
        text = "".join(getattr(part, "text", "") for part in result.content)
        return {"role": "tool", "tool_call_id": call.id, "content": text}


class MCP(Case):
    distribution = "mcp"
    title = "mcp, stdio"
    module = "artis_sdk.integrations.mcp"
    context = "`Context` of the server"
    failure = "a result with `isError`"
    ways = ("async tools",)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        raise NotImplementedError

    @asynccontextmanager
    async def connected(self, ledger: Path) -> AsyncIterator[ClientSession]:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "helpers.mcp_till"],
            env={"LEDGER": str(ledger), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        async with stdio_client(server) as (read, write), ClientSession(read, write) as client:
            await client.initialize()
            yield client

    @asynccontextmanager
    async def ready(self, url: str, ledger: Ledger, way: Way = "async tools") -> AsyncIterator[Any]:
        file = Path(mkdtemp()) / "ledger"
        file.touch()
        ledger.read = lambda: [tuple(json.loads(line)) for line in file.read_text().splitlines()]
        async with self.connected(file) as client, AsyncOpenAI(base_url=url, api_key="none") as openai:
            agent = OwnAgent(client, openai, await rehearsed(client, risks={"pay": RISKS["pay"]}))
            assert isinstance(agent, BringsTools)
            yield agent

    def raised(self, message: str) -> Exception:
        return RuntimeError(message)  # the server raises its own, for amounts above 50
