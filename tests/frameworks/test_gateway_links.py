"""The connection to a server behind a gateway: what its answers say of a call, and how it is found again."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import Person, Stand, client_of, text_of
from helpers.raw_mcp import raw_server
from mcp import Client

from artis_sdk.errors import ConfigurationError
from artis_sdk.gateway import link
from artis_sdk.gateway.config import GatewayConfig, UpstreamServer
from artis_sdk.gateway.upstream import connected
from artis_sdk.session_stores import make_journal

pytestmark = pytest.mark.slow


@asynccontextmanager
async def client_before(folder: Path, url: str) -> AsyncIterator[Client]:
    """A client of a gateway in front of this server, whose person says yes."""
    async with AsyncExitStack() as stack:
        journal = make_journal(folder / "journal.db", stack)
        config = GatewayConfig({"raw": UpstreamServer(url=url)})
        upstream = await stack.enter_async_context(connected(config))
        gateway = Stand(folder, upstream, journal).gateway()
        yield await stack.enter_async_context(client_of(gateway, Person()))


def states(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "journal.db")) as journal:
        return dict(journal.execute("SELECT tool, state FROM call").fetchall())


async def test_an_answer_that_does_not_say_how_it_went_leaves_the_call_unknown(tmp_path: Path) -> None:
    """The server did the work each time; what came back is a proxy's, half an answer, or an error of its own
    inside. Only what says that no call was made is a failure."""
    refused = {"params", "own", *(f"status_{status}" for status in (400, 401, 403, 404, 413, 429))}
    async with raw_server() as (server, url), client_before(tmp_path, url) as client:
        for tool in server.tools:
            answer = await client.call_tool(tool, {"x": "1"})
            assert answer.is_error == (tool != "done")
            unknown = tool not in {"done", *refused}
            assert ("UNKNOWN outcome" in text_of(answer)) == unknown, text_of(answer)
            if tool.startswith("status_4") and not unknown and tool != "status_404":
                assert f"HTTP status {tool[-3:]}: no" in text_of(answer)
    found = states(tmp_path)
    assert {tool for tool, state in found.items() if state == "unknown"} == {*server.tools} - {
        "done"
    } - refused
    assert len(server.made) == len(server.tools), "none was sent twice"


async def test_a_server_that_was_started_again_is_found_by_the_next_call(tmp_path: Path) -> None:
    async with raw_server() as (server, url), client_before(tmp_path, url) as client:
        assert text_of(await client.call_tool("done", {"x": "1"})) == "done"
        server.known.clear()
        told = await client.call_tool("done", {"x": "2"})
        assert "the call was not made: the server has forgotten this connection" in text_of(told)
        assert text_of(await client.call_tool("done", {"x": "3"})) == "done"
    assert (server.made, server.sessions) == (["done"] * 2, 2)


async def test_a_server_that_does_not_answer_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_START", 0.5)
    silent = UpstreamServer(command=sys.executable, args=("-c", "import time; time.sleep(60)"))
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match="'silent' did not start or answer: nothing came within"):
            await link.connect("silent", silent, stack)


async def test_other_tools_are_refused_also_after_a_client_left_meanwhile(tmp_path: Path) -> None:
    """The connection that a request began is not used by the next one unless its tools were looked at."""
    async with raw_server() as (server, url), client_before(tmp_path, url) as client:
        await client.call_tool("done", {"x": "1"})
        server.known.clear()
        await client.call_tool("done", {"x": "2"})
        server.tools.append("another")
        server.slow = 0.3
        gone = asyncio.create_task(client.call_tool("done", {"x": "3"}))
        while server.sessions < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await asyncio.sleep(2 * server.slow)
        told = await client.call_tool("done", {"x": "4"})
        assert "are not what they were" in text_of(told)
    assert server.made == ["done"]
