"""The assistant's turn goes back to its server as it came, and to no other."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.backends import ANTHROPIC, OPENAI, body
from helpers.fault_server import Reply, serving
from helpers.sessions import unjudged
from helpers.wire_answers import called, chat, in_order, message, used

from artis_sdk import Direct, guarded_tool
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Message, ToolCall


@guarded_tool
def pay(amount: int = 1) -> str:
    """Pay."""
    return "paid"


async def next_request(make: Any, reply: Reply, tmp_path: Path) -> list[dict[str, Any]]:
    """The messages of the request that follows an answer with a call, from the answer on."""
    done = chat({"content": "ok"}) if make is OpenAIBackend else message([{"type": "text", "text": "ok"}])
    async with serving(in_order([reply, done])) as server:
        backend = make("m", base_url=server.base_url)
        async with aclosing(backend), unjudged(backend, [pay], tmp_path / "j", strategy=Direct()) as session:
            await session.run("Pay.")
        said: list[dict[str, Any]] = server.requests[1].json["messages"]
        return [one for one in said if one["role"] != "system"][1:]


DETAILS = [
    {"type": "reasoning.text", "text": "hm <|im_end|>", "signature": "s==", "index": 0},
    {"type": "reasoning.encrypted", "data": "x==", "index": 1},
]


@pytest.mark.parametrize(
    "more",
    [
        {"reasoning_content": "I must pay."},  # DeepSeek wants it: continue 9606
        {"reasoning": "I must pay.", "reasoning_details": DETAILS},  # OpenRouter
        {"reasoning_content": "a", "reasoning": "a"},  # vLLM
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},  # litellm
        {"extra_content": {"google": {"thought_signature": "abc"}}},
    ],
)
async def test_thoughts_go_back(more: dict[str, Any], tmp_path: Path) -> None:
    reply = chat({**called(("c1", "pay", '{"amount": 5}')), **more}, "tool_calls")
    said, _ = await next_request(OpenAIBackend, reply, tmp_path)
    assert {key: said[key] for key in more} == more


async def test_what_is_only_told_stays_here(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "annotations": [],
        "audio": None,
        "refusal": None,
        "reasoning_content": "hm",
        "stats": {"a": 1},
    }
    reply = chat({**called(("c1", "pay", "{}")), **more}, "tool_calls")
    said, _ = await next_request(OpenAIBackend, reply, tmp_path)
    assert said.keys() == {"role", "content", "tool_calls", "reasoning_content"}


async def test_what_gemini_signs_goes_back(tmp_path: Path) -> None:
    signed = {"google": {"thought_signature": "abc=="}}
    given = called(("c1", "pay", '{"amount": 5}'), ("c2", "pay", '{"amount": 6}'))
    given["tool_calls"][0]["extra_content"] = signed
    given["tool_calls"][1]["function"]["provider_specific_fields"] = {"thought_signature": "d"}
    said, _, _ = await next_request(OpenAIBackend, chat(given, "tool_calls"), tmp_path)
    assert said["tool_calls"][0]["extra_content"] == signed
    assert said["tool_calls"][1]["function"]["provider_specific_fields"] == {"thought_signature": "d"}


async def test_parts_of_content_go_back(tmp_path: Path) -> None:
    """Mistral's reasoning models think in parts of the content."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "I pay."},
    ]
    reply = chat({**called(("c1abcdefg", "pay", "{}")), "content": parts}, "tool_calls")
    said, _ = await next_request(OpenAIBackend, reply, tmp_path)
    assert said["content"] == parts


@pytest.mark.parametrize(
    "id", ["functions.pay:0", "call_" + "x" * 200, "toolu_01/äö", "call__thought__abc=="]
)
@pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend])
async def test_ids_go_back(make: Any, id: str, tmp_path: Path) -> None:
    """llxprt-code 713, litellm 16895"""
    openai = make is OpenAIBackend
    given = called((id, "pay", "{}"))
    reply = chat(given, "tool_calls") if openai else message([used(id, "pay", {})], "tool_use")
    said, result = await next_request(make, reply, tmp_path)
    if openai:
        assert (said["tool_calls"][0]["id"], result["tool_call_id"]) == (id, id)
    else:
        assert (said["content"][0]["id"], result["content"][0]["tool_use_id"]) == (id, id)


@pytest.mark.parametrize("backend", [OPENAI, ANTHROPIC])
def test_another_server_gets_what_every_server_takes(backend: HostedBackend) -> None:
    """Its own form of the ids, in call and result alike, and no thoughts and signatures of another."""
    raw = json.dumps({**called(("functions.pay:0", "pay", "{}")), "reasoning_content": "secret thought"})
    call = ToolCall(id="functions.pay:0", tool="pay", raw="{}")
    sent = body(
        backend,
        Message(role="user", content="u"),
        Message(role="assistant", tool_calls=(call,), raw=raw, origin="openai:other"),
        Message(role="tool", tool_call_id=call.id, content="ok", origin="openai:other"),
    )
    text = json.dumps(sent)
    assert "functions.pay:0" not in text
    assert "secret thought" not in text
    assert text.count('"call_') == 2


async def test_a_changed_turn_goes_without_its_thoughts() -> None:
    raw = json.dumps({"content": "a", "reasoning_content": "hm"})
    same = Message(role="assistant", content="a", raw=raw, origin=OPENAI.name)
    other = Message(role="assistant", content="b", raw=raw, origin=OPENAI.name)
    assert body(OPENAI, same)["messages"][0]["reasoning_content"] == "hm"
    assert "reasoning_content" not in body(OPENAI, other)["messages"][0]


async def test_control_marks_in_thoughts_are_broken_up_unless_they_are_signed() -> None:
    raw = json.dumps(
        {"content": "a", "reasoning_content": "x</think><|im_end|>", "reasoning_details": DETAILS}
    )
    sent = body(OPENAI, Message(role="assistant", content="a", raw=raw, origin=OPENAI.name))["messages"][0]
    assert "<|im_end|>" not in sent["reasoning_content"]
    assert "</think>" not in sent["reasoning_content"]
    assert sent["reasoning_details"] == DETAILS


THINKING = {"type": "thinking", "thinking": "hm", "signature": "s=="}
REDACTED = {"type": "redacted_thinking", "data": "x=="}


async def test_anthropic_thinking_goes_back_and_empty_text_does_not(tmp_path: Path) -> None:
    """anthropic-sdk-python 461"""
    call = used("t1", "pay", {"amount": 5})
    blocks = [THINKING, REDACTED, {"type": "text", "text": ""}, {"type": "text", "text": "\n\n"}, call]
    said, _ = await next_request(AnthropicBackend, message(blocks, "tool_use"), tmp_path)
    assert said["content"] == [THINKING, REDACTED, call]


async def test_the_judges_second_request_has_the_first_answer_as_it_came() -> None:
    from artis_sdk.loop.budget import Unmetered
    from artis_sdk.loop.reading import Unreadable, ask
    from artis_sdk.records import Request, Role

    def read(text: str) -> str:
        if text != "good":
            raise Unreadable("it is not good")
        return text

    replies = [chat({"content": "bad", "reasoning_content": "hm"}), chat({"content": "good"})]
    async with serving(in_order(replies)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with aclosing(backend):
            request = Request(messages=(Message(role="user", content="u"),))
            await ask(Unmetered(), backend, Role.EVALUATION, request, read)
        said = server.requests[1].json["messages"][1]
    assert said == {"role": "assistant", "content": "bad", "reasoning_content": "hm"}
