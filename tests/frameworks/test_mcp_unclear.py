"""A real call by an MCP client whose error does not say whether the server made it, in mcp 1 and mcp 2."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from helpers.framework_laws import session
from helpers.frameworks import calls_in
from helpers.raw_mcp import RawServer, raw_server

pytest.importorskip("mcp.client.streamable_http", reason="`make frameworks` installs it and runs this")

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared import exceptions

from artis_sdk import Outcome
from artis_sdk.contracts import Simulator
from artis_sdk.errors import UnknownOutcome
from artis_sdk.integrations.mcp import rehearsed
from artis_sdk.records import History, Provenance, State, ToolCall

pytestmark = pytest.mark.slow
ERROR: type[Exception] = getattr(exceptions, "MCPError", None) or exceptions.McpError  # of mcp 2, and of 1
IS_2 = version("mcp").startswith("2.")


class Says(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("done", Provenance.SIMULATED)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[RawServer, Any]]:
    wait: Any = 0.5 if IS_2 else timedelta(seconds=0.5)
    async with (
        raw_server() as (server, url),
        streamable_http_client(url) as (read, write, *_),
        ClientSession(read, write, read_timeout_seconds=wait) as client,
    ):
        await client.initialize()
        yield server, client


def caller(client: Any, tool: str) -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        try:
            result = await client.call_tool(tool, {"x": "1"})
        except ERROR as error:
            return repr(error)
        return str(result.content)

    return agent


OLD = pytest.mark.skipif(not IS_2, reason="mcp 1 ends its connection with such an answer, or waits on")


@pytest.mark.parametrize(
    "tool",
    [
        *("late", "internal"),
        *(pytest.param(one, marks=OLD) for one in ("status_500", "status_504", "half", "page", "accepted")),
    ],
)
async def test_it_is_unknown_and_nothing_is_made_after_it(tool: str, tmp_path: Path) -> None:
    async with connected() as (server, client):
        tools = await rehearsed(client)
        async with session(caller(client, tool), tmp_path / "j.db", tools=tools, simulator=Says()) as s:
            plan = await s.rehearse("Do it.")
            assert server.made == []
            with pytest.raises(UnknownOutcome, match=f"{tool}.*did not answer, failed at it"):
                await s.commit(plan)
        assert server.made == [(tool, "1")]
    assert calls_in(tmp_path / "j.db") == [(tool, "unknown")]


@pytest.mark.parametrize("tool", ["params", "own"])
async def test_an_error_of_the_protocol_is_a_failed_call(tool: str, tmp_path: Path) -> None:
    async with connected() as (_, client):
        tools = await rehearsed(client)
        async with session(caller(client, tool), tmp_path / "j.db", tools=tools, simulator=Says()) as s:
            result = await s.commit(await s.rehearse("Do it."))
        assert [call.outcome.ok for call in result.calls] == [False]
    assert calls_in(tmp_path / "j.db") == [(tool, "done")]
