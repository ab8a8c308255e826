"""Which servers hold schemas, and what is asked of them."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Reply, Seen, error, serving
from helpers.full_request import CLOSED, FULL
from helpers.loop import SUMMARY
from helpers.wire_answers import chat

from artis_sdk import Sequential, Session, guarded_tool
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.vllm import VLLMServer
from artis_sdk.contracts import Simulator
from artis_sdk.records import History, Message, Outcome, Provenance, Request, State, ToolCall, ToolSpec


@pytest.mark.parametrize(
    ("model", "url", "held"),
    [
        ("deepseek-chat", "https://api.deepseek.com", False),
        ("deepseek-chat", "https://api.deepseek.com/v1", False),
        ("gpt-3.5-turbo", "https://api.openai.com/v1", False),
        ("gpt-4", "https://api.openai.com/v1", False),
        ("gpt-4-turbo", "https://api.openai.com/v1", False),
        ("gpt-4o-mini", "https://api.openai.com/v1", True),
        ("gpt-4.1", "https://api.openai.com/v1", True),
        ("deepseek-v3", "http://localhost:1/v1", True),
    ],
)
def test_models_and_servers_that_are_known_to_hold_no_schema(model: str, url: str, held: bool) -> None:
    backend = OpenAIBackend(model, base_url=url, api_key="sk-1234567890")
    assert backend.capabilities.structured_output is held
    sent = json.loads(backend.encode(FULL, stream=False))
    assert ("response_format" in sent) is held
    off = OpenAIBackend(model, base_url=url, api_key="sk-1234567890", structured_output=False)
    assert b"response_format" not in off.encode(FULL, stream=False)
    assert (
        AnthropicBackend("m", base_url=url, structured_output=False).capabilities.structured_output is False
    )


@pytest.mark.parametrize("known", [True, False], ids=["known", "learned"])
async def test_a_default_session_on_a_server_like_deepseeks(known: bool, tmp_path: Path) -> None:
    """Judge, summary and simulator get through without a schema, and the summary counts."""

    @guarded_tool
    def pay(amount: int) -> str:
        """Pay."""
        return "paid"

    class Agreeing(Simulator):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            return Outcome.success("paid", Provenance.SIMULATED)

    def handle(seen: Seen) -> Reply:
        sent = seen.json
        if "response_format" in sent:
            return error(seen, 400, "This response_format type is unavailable now")
        prompt = json.dumps(sent["messages"])
        if "<Result>" in prompt:
            return chat({"content": "<Evaluation>ok</Evaluation><Result>1</Result><Suggestion></Suggestion>"})
        if "You advise on execution" in prompt:
            return chat({"content": SUMMARY})
        return chat({"content": "Done."})

    async with serving(handle) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, structured_output=False if known else None)
        options: dict[str, Any] = {"strategy": Sequential(n=2), "simulator": Agreeing()}
        session = Session(agent=backend, tools=[pay], journal=tmp_path / "j.db", **options)
        async with aclosing(backend), session:
            result = await session.run("Pay 5.")
        refused = [seen for seen in server.requests if "response_format" in seen.json]
    assert result.plan.recommendation is not None
    assert (result.ended, result.answer) == ("answer", "Done.")
    assert len(refused) == (0 if known else 1), "refused once, and then remembered"


def spec(**parameters: Any) -> ToolSpec:
    return ToolSpec(name="t", description="d", parameters={"type": "object", **parameters})


OPEN = spec(properties={"a": {"type": "string"}})
OPTIONAL = spec(
    properties={"a": {"type": "string"}, "b": {"type": "string"}}, required=["a"], additionalProperties=False
)
EXACT = ToolSpec(name="t", description="d", parameters=CLOSED)


@pytest.mark.parametrize(("tool", "strict"), [(OPEN, False), (OPTIONAL, False), (EXACT, True)])
def test_strict_is_asked_for_where_a_schema_allows_it(tool: ToolSpec, strict: bool) -> None:
    backends: list[HostedBackend] = [
        OpenAIBackend("m", base_url="http://localhost:1/v1", strict_tools=True),
        AnthropicBackend("m", base_url="http://localhost:1", strict_tools=True),
    ]
    for backend in backends:
        request = Request(messages=(Message(role="user", content="u"),), tools=(tool,))
        (sent,) = json.loads(backend.encode(request, stream=False))["tools"]
        closed = strict or (isinstance(backend, AnthropicBackend) and tool is OPTIONAL)
        assert sent.get("function", sent).get("strict", False) is closed
    request = Request(messages=(Message(role="user", content="u"),), schema=tool.parameters)
    held = json.loads(backends[0].encode(request, stream=False))["response_format"]["json_schema"]
    assert held.get("strict", False) is strict


def test_vllm_holds_calls_to_any_schema() -> None:
    backend = VLLMServer("m", base_url="http://localhost:1/v1")
    request = Request(messages=(Message(role="user", content="u"),), tools=(OPEN, OPTIONAL, EXACT))
    sent = json.loads(backend.encode(request, stream=False))["tools"]
    assert [tool["function"]["strict"] for tool in sent] == [True] * 3
