"""An MCP server over stdio whose tools are guarded functions; each real payment is a line in a file."""

from __future__ import annotations

import os
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from artis_sdk import guarded_tool
from artis_sdk.errors import FirewallError

server = MCPServer("bank")


@server.tool()
def pay(target: str, amount: int) -> str:
    """Send money."""
    try:
        return guarded_pay(target, amount)
    except FirewallError as error:  # of other exceptions a client reads nothing but that there was one
        raise ToolError(str(error)) from None


@guarded_tool
def guarded_pay(target: str, amount: int) -> str:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(f"{target} {amount}\n")
    return f"sent {amount}"


if __name__ == "__main__":
    server.run("stdio")
