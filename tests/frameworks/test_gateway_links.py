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
from pydantic import JsonValue

from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.gateway import link
from artis_sdk.gateway.config import GatewayConfig, UpstreamServer
from artis_sdk.gateway.upstream import connected
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall
from artis_sdk.session_stores import make_journal

pytestmark = pytest.mark.slow


class Orders(Simulator):
    """Makes up the id of an order."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        value: JsonValue = {"id": "order-7712"} if call.tool == "order" else "done"
        return Outcome.success(value, Provenance.SIMULATED)


@asynccontextmanager
async def client_before(
    folder: Path, url: str, *, person: Person | None = None, simulator: Simulator | None = None
) -> AsyncIterator[Client]:
    """A client of a gateway in front of this server, whose person says yes."""
    async with AsyncExitStack() as stack:
        journal = make_journal(folder / "journal.db", stack)
        assert isinstance(journal, SQLiteJournal)
        config = GatewayConfig({"raw": UpstreamServer(url=url)})
        upstream = await stack.enter_async_context(connected(config))
        gateway = Stand(folder, upstream, journal).gateway(simulator=simulator)
        yield await stack.enter_async_context(client_of(gateway, person or Person()))


def states(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "journal.db")) as journal:
        return dict(journal.execute("SELECT tool, state FROM call").fetchall())


async def test_an_answer_that_does_not_say_how_it_went_leaves_the_call_unknown(tmp_path: Path) -> None:
    """The server did the work each time; what came back is a proxy's, half an answer, or an error of its own
    inside. Only what says that no call was made is a failure."""
    good = {"done", "order", "late"}
    refused = {"params", "own", *(f"status_{status}" for status in (400, 401, 403, 404, 413, 429))}
    async with raw_server() as (server, url), client_before(tmp_path, url) as client:
        for tool in server.tools:
            answer = await client.call_tool(tool, {"x": "1"})
            assert answer.is_error == (tool not in good)
            unknown = tool not in good | refused
            assert ("UNKNOWN outcome" in text_of(answer)) == unknown, text_of(answer)
            if tool.startswith("status_4") and not unknown and tool != "status_404":
                assert f"HTTP status {tool[-3:]}: no" in text_of(answer)
    found = states(tmp_path)
    unknown_there = {tool for tool, state in found.items() if state == "unknown"}
    assert unknown_there == {*server.tools} - good - refused
    assert len(server.made) == len(server.tools), "none was sent twice"


async def test_a_server_that_was_started_again_is_found_by_the_next_call(tmp_path: Path) -> None:
    async with raw_server() as (server, url), client_before(tmp_path, url) as client:
        assert text_of(await client.call_tool("done", {"x": "1"})) == "done"
        server.known.clear()
        told = await client.call_tool("done", {"x": "2"})
        assert "the call was not made: the server has forgotten this connection" in text_of(told)
        assert text_of(await client.call_tool("done", {"x": "3"})) == "done"
    assert (server.made, server.sessions) == ([("done", "1"), ("done", "3")], 2)


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
    assert server.made == [("done", "1")]


@pytest.mark.parametrize("was_told", [False, True])
@pytest.mark.parametrize("why", [{}, {"why": "To order and pay."}])
async def test_an_argument_is_filled_in_only_where_a_rehearsal_told_it_and_the_form_says_so(
    tmp_path: Path, was_told: bool, why: dict[str, str]
) -> None:
    """`order-7712` may be yesterday's order. It is the one that the plan makes if a rehearsal named it so."""
    calls = [{"tool": "order", "arguments": {"x": "1"}}, {"tool": "done", "arguments": {"x": "order-7712"}}]
    person = Person()
    async with (
        raw_server() as (server, url),
        client_before(tmp_path, url, person=person, simulator=Orders()) as client,
    ):
        if was_told:
            await client.call_tool("rehearse", {"calls": calls[:1], **why})
        plan = (await client.call_tool("rehearse", {"calls": calls, **why})).structured_content
        done = await client.call_tool("commit", {"plan_id": plan["plan_id"]})
    assert not done.is_error, text_of(done)
    assert server.made == [("order", "1"), ("done", "order-9931" if was_told else "order-7712")]
    filled = "x is the real id of call 1"
    assert (filled in person.asked[0]) == was_told, "the person reads what is not made as it stands"
    assert plan["calls"][1]["notes"] == [filled] * was_told
