"""What is particular to `rehearsed` of MCP: annotations, transports, elicitation, a server that dies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.framework_laws import session
from helpers.frameworks import calls_in
from helpers.mcp_over_http import till_over_http

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from frameworks.cases.mcp import MCP
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

from artis_sdk import Outcome, Risk
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, UnknownOutcome
from artis_sdk.integrations.mcp import rehearsed
from artis_sdk.records import History, Provenance, State, ToolCall

pytestmark = pytest.mark.slow


class Says(Simulator):
    def __init__(self, value: Any) -> None:
        self.value = value

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(self.value, Provenance.SIMULATED)


def caller(client: Any, tool: str, **arguments: Any) -> Any:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        result = await client.call_tool(tool, arguments)
        return json.dumps([part.text for part in result.content]) + str(result.structured_content)

    return agent


async def test_risks_are_what_the_server_says(tmp_path: Path) -> None:
    async with MCP().connected(tmp_path / "ledger") as client:
        tools = await rehearsed(client)
        assert {tool.name: tool.risk for tool in tools} == {
            "pay": Risk.IRREVERSIBLE,
            "balance": Risk.READ_ONLY,
            "label": Risk.REVERSIBLE,
            "close": Risk.IRREVERSIBLE,
            "die": Risk.IRREVERSIBLE,
        }
        assert {tool.risk for tool in await rehearsed(client, trust_annotations=False)} == {Risk.IRREVERSIBLE}
        assert (await rehearsed(client, risks={"balance": Risk.REVERSIBLE}))[
            "balance"
        ].risk is Risk.REVERSIBLE
        with pytest.raises(ConfigurationError, match="names transfer"):
            await rehearsed(client, risks={"transfer": Risk.READ_ONLY})


async def test_streamable_http_and_the_client_of_mcp_2(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with till_over_http(ledger) as (url, _):
        async with streamable_http_client(url) as (read, write, *_), ClientSession(read, write) as client:
            await client.initialize()
            tools = await rehearsed(client)
            agent = caller(client, "pay", target="bob", amount=5)
            async with session(agent, tmp_path / "j.db", tools=tools, simulator=Says({"sent": 5})) as s:
                plan = await s.rehearse("Pay.")
                assert not ledger.exists()
                assert (await s.commit(plan)).answer == plan.attempts[0].answer
        async with Client(url) as whole:
            tools = await rehearsed(whole)
            for holder in (whole, whole.session):
                agent = caller(holder, "pay", target="ann", amount=7)
                journal = tmp_path / f"{type(holder).__name__}.db"
                async with session(agent, journal, tools=tools, simulator=Says({"sent": 7})) as s:
                    await s.commit(await s.rehearse("Pay."))
                assert calls_in(journal) == [("pay", "done")], "once, though a client calls its session"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert lines == [["pay", "bob", 5], ["pay", "ann", 7], ["pay", "ann", 7]]


async def test_structured_content_and_its_schema(tmp_path: Path) -> None:
    async with MCP().connected(tmp_path / "ledger") as client:
        tools = await rehearsed(client)
        agent = caller(client, "balance", owner="bob")
        async with session(agent, tmp_path / "j.db", tools=tools, simulator=Says(100)) as s:
            plan = await s.rehearse("Look.")
            result = await s.commit(plan)
        assert result.answer == plan.attempts[0].answer == '["100"]' + "{'result': 100}"
        assert result.calls[0].outcome.value == 100
        assert result.calls[0].diverged is False
        async with session(agent, tmp_path / "k.db", tools=tools, simulator=Says("a lot")) as s:
            plan = await s.rehearse("Look.")
        assert all("does not fit its output schema" in note for note in plan.notes)


async def test_elicitation_passes_in_the_commit(tmp_path: Path) -> None:
    asked: list[str] = []

    async def elicit(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"sure": True})

    ledger = tmp_path / "ledger"
    async with (
        till_over_http(ledger) as (url, _),
        streamable_http_client(url) as (read, write, *_),
        ClientSession(read, write, elicitation_callback=elicit) as client,
    ):
        await client.initialize()
        tools = await rehearsed(client)
        agent = caller(client, "close")
        async with session(agent, tmp_path / "j.db", tools=tools, simulator=Says("accept")) as s:
            plan = await s.rehearse("Close.")
            assert asked == []
            result = await s.commit(plan)
    assert asked == ["Sure?"]
    assert result.calls[0].diverged is False


async def test_a_server_that_dies_leaves_the_call_unknown(tmp_path: Path) -> None:
    async with MCP().connected(tmp_path / "ledger") as client:
        tools = await rehearsed(client)
        async with session(caller(client, "die"), tmp_path / "j.db", tools=tools, simulator=Says("x")) as s:
            plan = await s.rehearse("Die.")
            with pytest.raises(UnknownOutcome, match="did not answer"):
                await s.commit(plan)
    assert calls_in(tmp_path / "j.db") == [("die", "unknown")]


async def test_a_plan_is_replayed_without_an_agent(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with MCP().connected(ledger) as client:
        tools = await rehearsed(client)
        agent = caller(client, "pay", target="bob", amount=5)
        async with session(agent, tmp_path / "j.db", tools=tools, simulator=Says({"sent": 5})) as s:
            result = await s.commit(await s.rehearse("Pay."), mode="replay")
    assert result.ended == "answer"
    assert ledger.read_text() == '["pay", "bob", 5]\n'
