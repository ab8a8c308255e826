"""An MCP server over stdio that writes each real call into a file, with what the journal said of it then."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from helpers import ledger
from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("vault")
FOLDER = Path(os.environ["VAULT"])


def write(tool: str, **arguments: Any) -> None:
    names = [tool, f"vault_{tool}"]  # behind a gateway, where another server has the name, too
    with closing(sqlite3.connect(f"file:{FOLDER / 'journal.db'}?mode=ro", uri=True)) as journal:
        rows = journal.execute("SELECT arguments FROM call WHERE tool IN (?, ?) AND state = 'intent'", names)
        begun = [json.loads(row[0]) for row in rows]
    line = {"tool": tool, "arguments": arguments, "intent": arguments in begun}
    ledger.append(FOLDER / "spent", line)


@server.resource("vault://rules", mime_type="text/plain")
def rules() -> str:
    """The rules of the house."""
    return "no more than 100"


@server.resource("vault://owners/{name}")
def owner(name: str) -> str:
    """An owner's file."""
    return f"{name} has 100"


@server.prompt()
def audit(owner: str) -> str:
    """Ask for an audit."""
    return f"Audit {owner}."


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def spend(amount: int, memo: str) -> dict[str, Any]:
    """Spend money."""
    write("spend", amount=amount, memo=memo)
    return {"spent": amount}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look(owner: str) -> int:
    """What an owner has."""
    return 100


@server.tool()
def unmarked(text: str) -> str:
    """Nobody says what it does."""
    write("unmarked", text=text)
    return text


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
async def slow(text: str) -> str:
    """Take effect at once, and answer never."""
    write("slow", text=text)
    await asyncio.sleep(600)
    return text


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def die(text: str) -> str:
    """End the server before it answers."""
    write("die", text=text)
    os._exit(1)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def commit(text: str) -> str:
    """It has the name of one of the gateway's own tools."""
    return text


if __name__ == "__main__":
    server.run("stdio")
