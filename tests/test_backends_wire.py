"""Laws of the translations: nothing is lost on the way, and a shared prefix is the same bytes."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.backends import anthropic_wire, openai_wire
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted import HostedBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.sse import events
from artis_sdk.backends.wire import encode, is_closed, read_call, safe_id, safe_name
from artis_sdk.records import Message, Request, ToolCall, ToolSpec

# Texts that UTF-8 can hold; the SDK's own ids and names.
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SAID = TEXT.filter(lambda text: text.strip() != "")
NAME = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=3,
)


LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """What follows a question: turns of calls and their results, texts, further questions."""
    messages: list[Message] = []
    for turn in range(draw(st.integers(0, 4))):
        count = draw(st.integers(0, 3))
        calls = tuple(
            ToolCall(
                id=f"call_{turn}_{i}",
                tool=draw(NAME),
                arguments=draw(st.dictionaries(TEXT, JSON, max_size=3)),
            )
            for i in range(count)
        )
        messages.append(Message(role="assistant", content=draw(TEXT if calls else SAID), tool_calls=calls))
        messages += [
            Message(role="tool", tool_call_id=call.id, content=draw(TEXT), failed=draw(st.booleans()))
            for call in calls
        ]
        if not calls or draw(st.booleans()):
            messages.append(Message(role="user", content=draw(SAID)))
    return tuple(messages)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    begin = (Message(role="system", content=draw(SAID)), Message(role="user", content=draw(SAID)))
    return (*begin, *draw(turns()))


def openai_backend(**options: Any) -> OpenAIBackend:
    return OpenAIBackend("m", base_url="http://localhost:1/v1", **options)


def anthropic_backend(**options: Any) -> AnthropicBackend:
    return AnthropicBackend("m", base_url="http://localhost:1", **options)


OPENAI, ANTHROPIC = openai_backend(), anthropic_backend()
BOTH = pytest.mark.parametrize("backend", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
TOOLS = (ToolSpec(name="look", description="d", parameters={"type": "object", "properties": {}}),)


def body(backend: HostedBackend, *messages: Message, **fields: Any) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(backend.encode(Request(messages=messages, **fields), stream=False))
    return sent


# --- there and back ---------------------------------------------------------------------------


def from_openai(wire: list[dict[str, Any]]) -> list[Message]:
    """An independent reading of the wire, by OpenAI's documentation."""
    messages = []
    for message in wire:
        calls = tuple(
            ToolCall(id=c["id"], tool=c["function"]["name"], arguments=json.loads(c["function"]["arguments"]))
            for c in message.get("tool_calls", ())
        )
        messages.append(
            Message(
                role=message["role"],
                content=message["content"] or "",
                tool_calls=calls,
                tool_call_id=message.get("tool_call_id"),
            )
        )
    return messages


def from_anthropic(wire: dict[str, Any]) -> list[Message]:
    """An independent reading of the wire, by Anthropic's documentation."""
    messages = [Message(role="system", content=block["text"]) for block in wire.get("system", ())]
    for message in wire["messages"]:
        texts = [block["text"] for block in message["content"] if block["type"] == "text"]
        if message["role"] == "assistant":
            calls = tuple(
                ToolCall(id=b["id"], tool=b["name"], arguments=b["input"])
                for b in message["content"]
                if b["type"] == "tool_use"
            )
            messages.append(Message(role="assistant", content="".join(texts), tool_calls=calls))
            continue
        for block in message["content"]:
            if block["type"] == "tool_result":
                messages.append(
                    Message(
                        role="tool",
                        tool_call_id=block["tool_use_id"],
                        content=block["content"],
                        failed=block.get("is_error", False),
                    )
                )
            else:
                messages.append(Message(role="user", content=block["text"]))
    return messages


@LAW
@given(conversations())
def test_openai_loses_nothing(conversation: tuple[Message, ...]) -> None:
    back = from_openai(body(OPENAI, *conversation)["messages"])
    assert back == [message.model_copy(update={"failed": False}) for message in conversation]


@LAW
@given(conversations())
def test_anthropic_loses_nothing(conversation: tuple[Message, ...]) -> None:
    back = from_anthropic(body(ANTHROPIC, *conversation))
    # White space beside calls is no text for this API.
    assert back == [
        m.model_copy(update={"content": ""}) if m.role == "assistant" and not m.content.strip() else m
        for m in conversation
    ]


@LAW
@given(conversations())
def test_anthropic_turns_alternate_and_results_come_first(conversation: tuple[Message, ...]) -> None:
    wire = body(ANTHROPIC, *conversation)["messages"]
    roles = [message["role"] for message in wire]
    assert all(a != b for a, b in itertools.pairwise(roles))
    assert roles[0] == "user"
    for message in wire:
        results = [block["type"] == "tool_result" for block in message["content"]]
        assert results == sorted(results, reverse=True)


@LAW
@given(st.lists(st.tuples(NAME, st.dictionaries(TEXT, JSON, max_size=3)), min_size=1, max_size=3), TEXT)
def test_answers_are_read_as_they_were_written(
    calls: list[tuple[str, dict[str, JsonValue]]], text: str
) -> None:
    openai = openai_wire.read_completion(
        {
            "choices": [
                {
                    "message": {
                        "content": text,
                        "tool_calls": [
                            {"id": f"c{i}", "function": {"name": name, "arguments": json.dumps(given)}}
                            for i, (name, given) in enumerate(calls)
                        ],
                    },
                    "finish_reason": "tool_calls",
                }
            ]
        },
        "req",
    )
    anthropic = anthropic_wire.read_completion(
        {
            "content": [
                {"type": "text", "text": text},
                *(
                    {"type": "tool_use", "id": f"c{i}", "name": name, "input": given}
                    for i, (name, given) in enumerate(calls)
                ),
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
        "req",
    )
    for completion in (openai, anthropic):
        assert [(c.id, c.tool, c.arguments, c.malformed) for c in completion.tool_calls] == [
            (f"c{i}", name, given, None) for i, (name, given) in enumerate(calls)
        ]
        assert (completion.text, completion.finish_reason) == (text, "tool_calls")


# --- prefixes ---------------------------------------------------------------------------------


@BOTH
@LAW
@given(conversations(), turns(), turns())
def test_a_shared_prefix_is_the_same_bytes(
    backend: HostedBackend, shared: tuple[Message, ...], one: tuple[Message, ...], two: tuple[Message, ...]
) -> None:
    """Two attempts send what they share as the same bytes, each from its own copies of the records."""
    shared = (*shared, Message(role="assistant", content="so"))
    again = tuple(Message.model_validate(message.model_dump()) for message in shared)
    sent = [
        backend.encode(Request(messages=messages, tools=TOOLS), stream=False)
        for messages in (shared, (*shared, *one), (*again, *two))
    ]
    alone = sent[0].removesuffix(b"]}]}" if backend is ANTHROPIC else b"]}")  # without what closes it
    assert alone != sent[0]
    assert all(body.startswith(alone) for body in sent)


@BOTH
def test_a_message_is_translated_once(backend: HostedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    history = (Message(role="user", content="u"), Message(role="assistant", content="a"))
    first = backend.encode(Request(messages=history), stream=False)
    for module in (openai_wire, anthropic_wire):
        monkeypatch.setattr(module, "encode", lambda value: pytest.fail("translated again"))
    assert backend.encode(Request(messages=history), stream=False) == first


@BOTH
def test_a_changed_copy_is_translated_anew(backend: HostedBackend) -> None:
    message = Message(role="user", content="secret")
    backend.encode(Request(messages=(message,)), stream=False)
    for deep in (False, True):
        copy = message.model_copy(update={"content": "redacted"}, deep=deep)
        sent = backend.encode(Request(messages=(copy,)), stream=False)
        assert b"redacted" in sent
        assert b"secret" not in sent


# --- what each API gets -----------------------------------------------------------------------


def test_openai_fields() -> None:
    message = Message(role="user", content="u")
    sent = body(
        openai_backend(max_tokens=9, extra_body={"reasoning_effort": "low"}),
        message,
        tools=TOOLS,
        temperature=0.2,
        top_p=0.5,
        stop=("X",),
        seed=7,
        tool_choice="required",
        logprobs=True,
        schema={"type": "object"},
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
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
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
    assert sent["response_format"]["json_schema"]["strict"] is False
    assert caplog.text.count("takes no temperature") == (0 if sampling else 1)
    told = OpenAIBackend(model, api_key="sk-1234567890", sampling=True)
    assert body(told, message, temperature=0.01)["temperature"] == 0.01


def test_anthropic_fields() -> None:
    sent = body(
        anthropic_backend(cache=False),
        Message(role="system", content="s"),
        Message(role="user", content="u"),
        tools=TOOLS,
        temperature=0.2,
        top_p=0.5,
        stop=("X",),
        seed=7,
        tool_choice="required",
        schema={"type": "object"},
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
    assert "leaves something open" in caplog.text
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
    completion = anthropic_wire.read_completion(answer, None)
    assert (completion.usage.prompt_tokens, completion.usage.cached_tokens) == (7, 4)
    said = Message(
        role="assistant", content=completion.text, tool_calls=completion.tool_calls, raw=completion.raw
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


@given(st.text(max_size=60), st.text(max_size=80))
def test_ids_and_names_are_always_acceptable(id: str, name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", safe_id(id))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", safe_name(name))
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


# --- pieces -----------------------------------------------------------------------------------


@LAW
@given(
    st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=4),
    st.data(),
)
async def test_events_do_not_depend_on_where_the_body_is_cut(
    wanted: list[bytes], data: st.DataObject
) -> None:
    body = b"".join(b"event: x\r\ndata: " + event + b"\r\n\r\n: comment\n" for event in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))

    async def pieces() -> Any:
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            yield body[start:end]

    assert [event async for event in events(pieces())] == wanted


@pytest.mark.parametrize(
    ("schema", "closed", "all_required"),
    [
        ({"type": "object", "properties": {}, "additionalProperties": False}, True, True),
        ({"type": "object", "properties": {}}, False, False),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            True,
            False,
        ),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False, False),
        ({"type": "array"}, False, False),
        ({"type": "array", "items": {"enum": [1]}}, True, True),
        ({"anyOf": [{"type": "null"}, {"type": "object"}]}, False, False),
        ({"type": "string", "oneOf": []}, False, False),
        (True, False, False),
    ],
)
def test_closed_schemas(schema: Any, closed: bool, all_required: bool) -> None:
    assert is_closed(schema, all_required=False) is closed
    assert is_closed(schema, all_required=True) is all_required
