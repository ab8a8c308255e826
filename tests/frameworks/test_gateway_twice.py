"""The same call twice at a gateway: at once, or again from a client that gave up waiting."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import client_of, standing, text_of

from artis_sdk.commit.approver import Approve
from artis_sdk.gateway.holding import Held

pytestmark = pytest.mark.slow

SPENT = {"amount": 5, "memo": "twice"}


async def test_equal_calls_at_once_are_one_plan(tmp_path: Path) -> None:
    announced: list[Held] = []
    async with standing(tmp_path) as stand, AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        gateway = stand.gateway(wait=20, announce=announced.append)
        clients = [await stack.enter_async_context(client_of(gateway)) for _ in range(3)]
        calls = [group.create_task(client.call_tool("spend", SPENT)) for client in clients]
        while sum(call.done() for call in calls) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (held,) = gateway.holding.all
        held.say(Approve(by="ann"))
    assert sorted("waits for an answer already" in text_of(call.result()) for call in calls) == [0, 1, 1]
    assert [one["arguments"] for one in stand.real] == [SPENT]


async def test_a_call_that_is_being_made_is_not_asked_about_again(tmp_path: Path) -> None:
    """A client gave up waiting and tries again, with another request, while the server works."""
    async with standing(tmp_path) as stand, AsyncExitStack() as stack:
        gateway = stand.gateway()
        client = await stack.enter_async_context(client_of(gateway))
        await client.call_tool("spend", SPENT)
        (held,) = gateway.holding.all
        held.say(Approve(by="ann"))
        first = asyncio.create_task(client.call_tool("spend", SPENT))
        while held.commit is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        again = await client.call_tool("spend", SPENT)
        assert "another request makes this call" in text_of(again)
        assert held.plan.id in text_of(again)
        told = await client.call_tool("commit", {"plan_id": held.plan.id})
    assert told.structured_content["complete"]
    assert len(gateway.holding.all) == 1
    assert [one["arguments"] for one in stand.real] == [SPENT]
