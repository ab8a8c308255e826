"""What each API is sent for our records, and how what is wrong in them is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from helpers.backends import (
    ANTHROPIC,
    BOTH,
    TOOLS,
    anthropic_backend,
    body,
    openai_backend,
)
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.anthropic import answers as anthropic_answers
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.names import fit_name
from artis_sdk.backends.hosted.wire import encode, read_call, safe_id
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Message

# --- what each API gets -----------------------------------------------------------------------


EVERY_SETTING: Mapping[str, Any] = {
    "tools": TOOLS,
    "temperature": 0.2,
    "top_p": 0.5,
    "stop": ("X",),
    "seed": 7,
    "tool_choice": "required",
    "schema": {"type": "object"},
}


def test_openai_fields() -> None:
    message = Message(role="user", content="u")
    sent = body(
        openai_backend(max_tokens=9, extra_body={"reasoning_effort": "low"}),
        message,
        **EVERY_SETTING,
        logprobs=True,
    )
    assert sent == {
        "model": "m",
        "temperature": 0.2,
        "top_p": 0.5,
        "logprobs": True,
        "max_tokens": 9,
        "stop": ["X"],
        "seed": 7,
        "tool_choice": "required",
        "reasoning_effort": "low",
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "d", "parameters": TOOLS[0].parameters},
            }
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}},
        },
        "messages": [{"role": "user", "content": "u"}],
    }


@pytest.mark.parametrize(
    ("model", "sampling"), [("gpt-5-mini", False), ("o3", False), ("gpt-4o-mini", True), ("gpt-4.1", True)]
)
def test_the_official_server_gets_what_its_models_take(
    model: str, sampling: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    backend = OpenAIBackend(model, api_key="sk-1234567890")
    message = Message(role="user", content="u")
    for _ in range(2):
        sent = body(backend, message, temperature=0.01, seed=1, max_tokens=5, schema={"type": "object"})
    assert ("temperature" in sent) is sampling
    assert backend.capabilities.temperature is sampling
    assert "seed" not in sent
    assert sent["max_completion_tokens"] == 5
    assert "strict" not in sent["response_format"]["json_schema"]
    assert caplog.text.count("takes no temperature") == (0 if sampling else 1)
    told = OpenAIBackend(model, api_key="sk-1234567890", sampling=True)
    assert body(told, message, temperature=0.01)["temperature"] == 0.01


def test_anthropic_fields() -> None:
    sent = body(
        anthropic_backend(cache=False),
        Message(role="system", content="s"),
        Message(role="user", content="u"),
        **EVERY_SETTING,
    )
    assert sent == {
        "model": "m",
        "max_tokens": 8192,
        "temperature": 0.2,
        "top_p": 0.5,
        "stop_sequences": ["X"],
        "tool_choice": {"type": "any"},
        "tools": [{"name": "look", "description": "d", "input_schema": TOOLS[0].parameters}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "system": [{"type": "text", "text": "s"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}]}],
    }


def test_anthropic_caches_what_attempts_share() -> None:
    mark = {"type": "ephemeral"}
    begin = (Message(role="system", content="s"), Message(role="user", content="task"))
    sent = body(ANTHROPIC, *begin, Message(role="user", content="more"), tools=TOOLS)
    assert sent["cache_control"] == mark
    assert sent["system"][-1]["cache_control"] == mark
    assert [block.get("cache_control") for block in sent["messages"][0]["content"]] == [mark, None]
    without = body(ANTHROPIC, *begin)  # nobody continues it: only the instructions are worth keeping
    assert "cache_control" not in without
    assert without["system"][-1]["cache_control"] == mark
    assert "cache_control" not in without["messages"][0]["content"][0]


def test_anthropic_official_schemas(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    backend = AnthropicBackend(
        "claude-sonnet-5-5", api_key="sk-1234567890", extra_body={"output_config": {"effort": "low"}}
    )
    message = Message(role="user", content="u")
    closed = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
        "additionalProperties": False,
    }
    config = body(backend, message, schema=closed)["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["schema"]["properties"]["n"]["type"] == "integer"
    assert body(backend, message, schema={"type": "object"})["output_config"] == {"effort": "low"}
    assert "a schema with open parts" in caplog.text
    assert "temperature" not in body(backend, message)
    assert body(AnthropicBackend("claude-haiku-4-5", api_key="sk-1234567890"), message)["temperature"] == 1.0


def test_anthropic_thinking_goes_back_as_it_came() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm", "signature": "s=="},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
    ]
    answer = {
        "content": blocks,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5},
    }
    completion = anthropic_answers.read_completion(answer, None)
    assert (completion.usage.prompt_tokens, completion.usage.cached_tokens) == (7, 4)
    said = Message(
        role="assistant",
        content=completion.text,
        tool_calls=completion.tool_calls,
        raw=completion.raw,
        origin=ANTHROPIC.name,
    )
    assert body(ANTHROPIC, said)["messages"][0]["content"] == blocks
    other = said.model_copy(update={"content": "I do not look."})
    assert body(ANTHROPIC, other)["messages"][0]["content"] == [
        {"type": "text", "text": "I do not look."},
        blocks[2],
    ]


def test_anthropic_system_messages() -> None:
    sent = body(
        ANTHROPIC,
        Message(role="system", content="a"),
        Message(role="system", content="b"),
        Message(role="user", content="u"),
        Message(role="system", content="late"),
    )
    assert [block["text"] for block in sent["system"]] == ["a", "b"]
    assert [block["text"] for block in sent["messages"][0]["content"]] == ["u", "late"]
    assert "system" not in body(ANTHROPIC, Message(role="user", content="u"))


# --- calls that are wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    ['{"a": ', "Infinity", '{"a": NaN}', "[1]", '"text"', "1", '{"a": 1} trailing', "{'a': 1}", "\x00"],
)
def test_bad_arguments_are_kept_and_marked(arguments: str) -> None:
    call = read_call("id", "look", arguments, set())
    assert call.malformed
    assert call.raw == arguments
    assert call.arguments == {}


def test_what_servers_leave_out() -> None:
    taken: set[str] = set()
    first = read_call("same", "look", "", taken)
    second = read_call("same", "look", None, taken)
    third = read_call(None, "look", {"a": 1}, taken)
    assert (first.arguments, second.arguments, third.arguments) == ({}, {}, {"a": 1})
    assert first.id == "same"
    assert len({first.id, second.id, third.id}) == 3
    assert read_call("x", None, "{}", taken).malformed == "the call names no tool"


@pytest.mark.slow
@given(st.text(max_size=60), st.text(max_size=80))
def test_ids_and_names_are_always_acceptable(id: str, name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", safe_id(id))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", fit_name(name))
    assert safe_id(id) == safe_id(id)


@BOTH
def test_a_malformed_call_goes_back_as_valid_json(backend: HostedBackend) -> None:
    call = read_call("c1", "no such/tool", '{"a": ', set())
    sent = body(
        backend,
        Message(role="user", content="u"),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", tool_call_id="c1", content="{}", failed=True),
    )
    written = json.dumps(sent["messages"][1])
    assert "no_such_tool" in written
    assert "malformed" in written


def test_lone_surrogates_do_not_stop_a_request() -> None:
    assert json.loads(encode({"a": "x\ud800y"})) == {"a": "x?y"}
    assert json.loads(encode([float("inf")])) == ["Infinity"]
