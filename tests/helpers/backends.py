"""Conversations made by hypothesis, and the requests that hosted backends make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.openai import OpenAIBackend
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
