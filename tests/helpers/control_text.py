"""Conversations for the tests of control tokens: every place of a request that holds data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from artis_sdk.prompts import encode
from artis_sdk.records import Message, Request, ToolCall, ToolSpec

PLACES = (
    "system", "state", "query", "name", "description", "parameter", "parameter_text", "said", "key", "value",
    "raw", "result", "answer",
)  # fmt: skip


def conversation(fill: Callable[[str], str]) -> Request:
    """A request with tools, a call, a malformed call, their results and an answer.

    Args:
        fill: the text at one of `PLACES`.
    """
    schema = {"type": "object", "properties": {fill("parameter"): {"description": fill("parameter_text")}}}
    tool = ToolSpec(name=fill("name"), description=fill("description"), parameters=schema)
    deep: dict[str, Any] = {fill("key"): [fill("value"), {"inner " + fill("key"): fill("value")}]}
    calls = (
        ToolCall(id="call00001", tool=fill("name"), arguments=deep, raw=fill("raw")),
        ToolCall(id="call00002", tool=fill("name"), malformed="broken", raw=fill("raw")),
    )
    messages = (
        Message(role="system", content=fill("system")),
        # A simulator's prompt has the state in its text: encoded by ours, plain in the user's own.
        Message(role="user", content=f"{encode({fill('state'): fill('state')})}\n{fill('state')}"),
        Message(role="user", content=fill("query")),
        Message(role="assistant", content=fill("said"), tool_calls=calls, raw=fill("raw")),
        *(Message(role="tool", tool_call_id=call.id, content=fill("result")) for call in calls),
        Message(role="assistant", content=fill("answer"), raw=fill("answer")),
        Message(role="user", content=fill("query")),
    )
    return Request(messages=messages, tools=(tool,))


def plain(place: str) -> str:
    """Data that spells nothing."""
    return f"some {place}"


def hostile(marks: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    """Data for every place that spells marks, whole, cut and one inside another."""
    whole = st.sampled_from(list(marks))
    cut = st.tuples(whole, st.integers(1, 12)).map(lambda pair: pair[0][: pair[1]])
    rest = st.tuples(whole, st.integers(1, 12)).map(lambda pair: pair[0][pair[1] :])
    inside = st.tuples(whole, whole, st.integers(1, 8)).map(lambda t: t[0][: t[2]] + t[1] + t[0][t[2] :])
    piece = whole | cut | rest | inside | st.sampled_from(["a", " ", "\n", '"', "\\", "é", "<", "[", "東"])
    text = st.lists(piece, min_size=1, max_size=5).map(lambda pieces: "x" + "".join(pieces) + "x")
    return st.fixed_dictionaries(dict.fromkeys(PLACES, text))
