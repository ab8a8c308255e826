"""The examples with other frameworks run as they stand."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.page_blocks import blocks, run
from helpers.programs import ENVIRONMENT, ROOT, ran

from artis_sdk.backends import ScriptedBackend


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(module) is None, reason="`make frameworks` installs it and runs this")


PRINTED = {
    "pydantic_ai": (
        "rehearsed: 5 attempts, accounts {}",
        "committed: done: {'sent': 80} accounts {'bob': 80}",
    ),
    "langchain": (
        'rehearsed: send_letter(to="bob") → "letter to bob"  (irreversible, 5 of 5 attempts) sent so far: []',
        "committed: sent: letter to bob sent so far: ['bob']",
    ),
}


@pytest.mark.parametrize("module", [pytest.param(name, marks=needs(name)) for name in PRINTED])
def test_a_program_prints(module: str) -> None:
    assert tuple(ran(f"{module}_offline", warnings="default").splitlines()) == PRINTED[module]


@needs("pydantic_ai")
async def test_the_first_block_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    paid = []

    def pay(amount: int) -> str:
        """Send money."""
        paid.append(amount)
        return "paid"

    model = ScriptedBackend(['{"outputs": [{"ok": true, "value": "paid"}]}'] * 5)
    monkeypatch.setenv("ARTIS_JOURNAL", str(tmp_path / "journal.db"))
    code = blocks("frameworks.md")[0].replace('"openai:gpt-5-mini"', "model")
    await run(code, agent=Agent(TestModel(), tools=[pay]), model=model)
    assert len(paid) == 1


@needs("fastapi")
async def test_a_web_service_with_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    monkeypatch.syspath_prepend(str(ROOT))
    service: Any = import_module("examples.fastapi_approval")
    transport = httpx.ASGITransport(service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        planned = (await client.post("/plans", data={"task": "Send Bob 80 euros."})).json()
        assert planned["calls"] == [
            'pay(source="ann", target="bob", amount=80) → {"sent":80}  (irreversible, 3 of 3 attempts)'
        ]
        assert service.bank.balances == {"ann": 100, "bob": 0}
        page = await client.get(f"/plans/{planned['id']}")
        assert "Send Bob 80 euros." in page.text
        address = f"/plans/{planned['id']}/commit"
        committed = [await client.post(address, data={"by": "ann"}) for _ in range(2)]
        assert [answer.status_code for answer in committed] == [200, 409]
        assert service.bank.balances == {"ann": 20, "bob": 80}
        assert (await client.get("/plans/nothing")).status_code == 404
        other = (await client.post("/plans", data={"task": "What have I?"})).json()
        assert service.plans[other["id"]].task.conversation == ()  # nothing of the turn before


async def test_an_mcp_server() -> None:
    pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(
        command=sys.executable, args=["examples/mcp_server.py"], cwd=ROOT, env=ENVIRONMENT
    )
    async with Client(stdio_client(server)) as client:
        planned: Any = (await client.call_tool("plan_order", {"task": "Three lamps."})).structured_content
        (would,) = planned["would"]
        assert would.startswith('ship(item="lantern", quantity=3)')
        done: Any = [
            (await client.call_tool("commit_order", {"plan": planned["plan"]})).structured_content
            for _ in range(2)
        ]
        assert done[0]["stock"] == {"lamp": 2, "lantern": 6}
        assert "has already made" in done[1]["refused"]
