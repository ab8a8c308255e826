"""MCP over stdio: a server is another process, to which the SDK's client hands few environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from helpers.frameworks import Played, Predicts, calls_in

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.types import CallToolResult

from artis_sdk import Parallel, Session, guarded_tool

pytestmark = pytest.mark.slow


def nowhere() -> TextIO:
    return Path(os.devnull).open("w")


@asynccontextmanager
async def bank(ledger: Path) -> AsyncIterator[ClientSession]:
    """A client of a server that is started here."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "helpers.mcp_bank"],
        env={"LEDGER": str(ledger), "PYTHONPATH": os.environ["PYTHONPATH"]},
    )
    with nowhere() as errors:
        async with stdio_client(server, errors) as (read, write), ClientSession(read, write) as client:
            await client.initialize()
            yield client


def text_of(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


async def paid(client: ClientSession, amount: int) -> str:
    return text_of(await client.call_tool("pay", {"target": "bob", "amount": amount}))


@guarded_tool
def other(amount: int) -> int:
    raise AssertionError


def session(agent: Any, journal: Path, *tools: Any) -> Session:
    return Session(
        agent=agent, tools=tools, journal=journal, simulator=Predicts(), strategy=Parallel(3),
        evaluate=False, summarize=False,
    )  # fmt: skip


async def test_a_server_started_in_a_rehearsal_or_commit_refuses_its_guarded_tools(tmp_path: Path) -> None:
    ledger, said = tmp_path / "ledger", list[str]()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with bank(ledger) as client:
            said.append(await paid(client, 5))
        return "done"

    async with session(agent, tmp_path / "j.db", other) as s:
        plan = await s.rehearse("Send Bob five euros.")
        assert len(said) == 3
        result = await s.commit(plan)
    assert len(said) == 4
    assert all("was started inside a rehearsal or commit" in text for text in said), said
    assert not ledger.exists()
    assert ["no guarded call" in note for note in plan.notes] == [True] * 3
    assert result.calls == ()


async def test_a_server_started_before_is_called_by_a_guarded_tool(tmp_path: Path, row: Any) -> None:
    ledger, journal = tmp_path / "ledger", tmp_path / "j.db"
    async with bank(ledger) as client:

        @guarded_tool
        async def pay(target: str, amount: int) -> str:
            return await paid(client, amount)

        async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
            return str(await pay("bob", 5))

        async with session(agent, journal, pay) as s:
            plan = await s.rehearse("Send Bob five euros.")
            assert not ledger.exists()
            assert [len(attempt.steps) for attempt in plan.attempts] == [1] * 3
            result = await s.commit(plan)
        assert result.answer == "sent 5"
        assert await paid(client, 7) == "sent 7", "afterwards it is a server like any other"
    assert ledger.read_text() == "bob 5\nbob 7\n"
    assert calls_in(journal) == [("pay", "done")]
    row(
        "mcp",
        "a server over stdio, started before",
        "a guarded tool that calls it",
        Played(plan, result, calls_in(journal), 0, 1),
    )
