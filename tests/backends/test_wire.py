"""Laws of the translations: nothing is lost on the way, and a shared prefix is the same bytes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from helpers.backends import (
    ANTHROPIC,
    BOTH,
    JSON,
    LAW,
    NAME,
    OPENAI,
    TEXT,
    TOOLS,
    body,
    conversations,
    turns,
)
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.backends.anthropic import answers as anthropic_answers
from artis_sdk.backends.anthropic import wire as anthropic_wire
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.sse import events
from artis_sdk.backends.hosted.wire import is_closed
from artis_sdk.backends.openai import answers as openai_answers
from artis_sdk.backends.openai import wire as openai_wire
from artis_sdk.records import Completion, Message, Request, ToolCall
from artis_sdk.records.marks import in_all_texts, put_together

# --- there and back ---------------------------------------------------------------------------


def from_openai(wire: list[dict[str, Any]]) -> list[Message]:
    """An independent reading of the wire, by OpenAI's documentation; control marks are put together."""
    messages = []
    for message in in_all_texts(wire, put_together):
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
    """An independent reading of the wire, by Anthropic's documentation; control marks are put together."""
    wire = in_all_texts(wire, put_together)
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
@example((Message(role="user", content="<think>"),))
def test_openai_loses_nothing(conversation: tuple[Message, ...]) -> None:
    back = from_openai(body(OPENAI, *conversation)["messages"])
    assert back == [message.model_copy(update={"failed": False}) for message in conversation]


@LAW
@given(conversations())
@example((Message(role="user", content="<think>"),))
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
    openai = openai_answers.read_completion(
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
    anthropic = anthropic_answers.read_completion(
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


@pytest.mark.slow
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


# --- answers that are not answers -------------------------------------------------------------

GOOD = {
    "openai": (
        openai_answers.read_completion,
        {
            "model": "m",
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": "x",
                        "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}],
                    },
                    "finish_reason": "tool_calls",
                    "logprobs": {"content": [{"token": "x", "logprob": -0.5}]},
                }
            ],
            "usage": {
                "prompt_tokens": 1,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
        },
    ),
    "anthropic": (
        anthropic_answers.read_completion,
        {
            "model": "m",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "c", "name": "look", "input": {}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0},
        },
    ),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("dialect", GOOD)
@LAW
@given(st.data())
def test_an_answer_with_anything_anywhere_is_read_or_refused(dialect: str, data: st.DataObject) -> None:
    read, good = GOOD[dialect]
    place = data.draw(st.sampled_from(places(good)))
    try:
        completion = read(changed(good, place, data.draw(JSON)), None)
    except ValueError:
        return
    assert isinstance(completion, Completion)
    assert completion.usage.prompt_tokens >= 0


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
