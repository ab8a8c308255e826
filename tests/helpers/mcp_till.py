"""An MCP server, over stdio or streamable HTTP, whose plain tools write each real call into a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel

server = MCPServer("till")


def write(*call: Any) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(json.dumps(call) + "\n")


@server.resource("vault://rules")
def rules() -> str:
    """Another server's, under the same address."""
    return "none"


@server.prompt()
def audit() -> str:
    """Another server's, under the same name."""
    return "Count the till."


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
async def pay(target: str, amount: int, framework_context: Context) -> CallToolResult:
    """Send money."""
    write("pay", target, amount)
    poor = amount > 50
    text = "ann has only 3" if poor else json.dumps({"sent": amount})
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=poor)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def balance(owner: str) -> int:
    """What an owner has."""
    write("balance", owner)
    return 100


@server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
def label(text: str) -> str:
    """Set the label."""
    write("label", text)
    return text


class Sure(BaseModel):
    sure: bool


@server.tool()
async def close(framework_context: Context) -> str:
    """Close the till, if the person is sure."""
    answer = await framework_context.elicit("Sure?", Sure)
    write("close", answer.action)
    return str(answer.action)


@server.tool()
def die() -> str:
    """End the server before it answers."""
    write("die")
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
