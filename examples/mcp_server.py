"""An MCP server whose agent rehearses first: one tool plans an order, another commits the plan, once.

A client starts `python examples/mcp_server.py` over stdio, after `pip install "artis-sdk[mcp]"`.
"""

import asyncio
from pathlib import Path
from tempfile import mkdtemp

from mcp.server.mcpserver import MCPServer

from artis_sdk import CommitRefused, Plan, Risk, SandboxSimulator, Sequential, Session, Toolset, guarded_tool


class Warehouse:
    def __init__(self) -> None:
        self.stock = {"lamp": 2, "lantern": 9}

    @guarded_tool(risk=Risk.IRREVERSIBLE, failures=LookupError)
    def ship(self, item: str, quantity: int) -> str:
        """Send a parcel."""
        if self.stock[item] < quantity:
            raise LookupError(f"only {self.stock[item]} of {item}")
        self.stock[item] -= quantity
        return f"shipped {quantity} of {item}"


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    """In your server a model reads the task, and the failures of earlier attempts in `guidance`."""
    ship = tools["ship"]
    try:
        return str(ship("lantern" if guidance and "LookupError" in guidance else "lamp", 3))
    except LookupError as error:
        return f"Not possible: {error}."


warehouse = Warehouse()
session = Session(
    agent=agent, tools=Toolset.from_object(warehouse), simulator=SandboxSimulator(),
    strategy=Sequential(2), evaluate=False, summarize=False, journal=Path(mkdtemp()) / "journal.db",
)  # fmt: skip
plans: dict[str, Plan] = {}
server = MCPServer("warehouse")


@server.tool()
async def plan_order(task: str) -> dict[str, object]:
    """Try an order in simulation. Nothing is shipped; the answer has what would be."""
    plan = await session.rehearse(task)
    plans[plan.id] = plan
    return {"plan": plan.id, "would": [str(call) for call in plan.foreseen]}


@server.tool()
async def commit_order(plan: str) -> dict[str, object]:
    """Carry out a planned order: exactly these calls, once."""
    try:
        result = await session.commit(plans[plan], mode="replay")
    except CommitRefused as error:
        return {"refused": str(error)}
    return {"did": [str(call) for call in result.calls], "stock": warehouse.stock}


async def main() -> None:
    async with session:
        await server.run_stdio_async()


if __name__ == "__main__":
    asyncio.run(main())
