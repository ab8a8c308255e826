"""What stands behind the gateway's `rehearse`: the trust gate, and an agent for tasks in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.fault_server import agent, serving
from helpers.gateways import Person, Spends, client_of, standing, text_of

from artis_sdk.simulators.trust import ToolTrust, Trust

pytestmark = pytest.mark.slow

GOOD = {"amount": 1, "memo": "trusted"}


async def test_only_trusted_tools_are_predicted_and_a_person_reads_why(tmp_path: Path) -> None:
    trust = Trust(simulator="spends", tools={"spend": ToolTrust(verdict="trusted")}).write(tmp_path)
    calls = [{"tool": "spend", "arguments": GOOD}, {"tool": "unmarked", "arguments": {"text": "x"}}]
    async with (
        standing(tmp_path) as stand,
        client_of(stand.gateway(simulator=Spends(), trust=trust), Person()) as client,
    ):
        plan = (await client.call_tool("rehearse", {"calls": calls})).structured_content
        assert [call["predicted"] is not None for call in plan["calls"]] == [True, False]
        assert "not trusted for this tool (unknown: it was not measured)" in " ".join(plan["notes"])
        words = await client.call_tool("rehearse", {"task": "Spend seven."})
        assert words.is_error
        assert "has no agent of its own" in text_of(words)
        assert stand.real == []


async def test_the_gateways_own_agent_rehearses_a_task_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = json.dumps({"correct": True, "explanation": "It was spent.", "suggestion": ""})
    scripted = agent(1, "spend", {"amount": 7, "memo": "words"}, schema_reply=verdict)
    async with serving(scripted) as server, standing(tmp_path) as stand:
        options = {"openai:scripted": {"base_url": server.base_url, "api_key": "none"}}
        monkeypatch.setenv("ARTIS_BACKENDS", json.dumps(options))
        person = Person()
        gateway = stand.gateway(simulator=Spends(), agent="openai:scripted")
        async with client_of(gateway, person) as client:
            answer = await client.call_tool("rehearse", {"task": "Spend seven."})
            plan = answer.structured_content
            assert plan is not None, text_of(answer)
            assert [call["arguments"] for call in plan["calls"]] == [{"amount": 7, "memo": "words"}]
            assert stand.real == []
            made = await client.call_tool("commit", {"plan_id": plan["plan_id"]})
            assert not made.is_error, text_of(made)
        assert [one["arguments"]["amount"] for one in stand.real] == [7]
        assert len(person.asked) == 1
