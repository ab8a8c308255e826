"""Raw answers of hosted servers, as they stand in reports of others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from helpers.fault_server import Handler, Reply

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def chat(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Reply:
    """A chat completion with this message.

    Args:
        message: the message, without its role.
        finish: the finish reason.
        more: fields of the whole answer in place of the usual ones.
    """
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    whole = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}
    return Reply(body=json.dumps({**whole, **more}).encode())


def called(*calls: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A chat message of (id, name, arguments) of each call."""
    return {
        "content": None,
        "tool_calls": [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in calls
        ],
        **more,
    }


def message(content: Any, stop: str | None = "end_turn", **more: Any) -> Reply:
    """A message of Anthropic's API with this content."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content}
    return Reply(body=json.dumps({**whole, "stop_reason": stop, "usage": usage, **more}).encode())


def used(id: str, name: str, given: Any) -> dict[str, Any]:
    """A content block with a call."""
    return {"type": "tool_use", "id": id, "name": name, "input": given}


def sse(*chunks: Any, done: bool = True) -> Reply:
    """Chunks of a chat completion's stream."""
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])
    return Reply(body="".join(lines).encode(), content_type="text/event-stream")


def deltas(*found: dict[str, Any], finish: str = "tool_calls") -> Reply:
    """A chat stream of these deltas, and its end."""
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in found]
    return sse(*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})


def events(*found: dict[str, Any]) -> Reply:
    """Events of a message's stream."""
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in found]
    return Reply(body="".join(lines).encode(), content_type="text/event-stream")


def in_order(replies: Sequence[Reply]) -> Handler:
    """These replies in order; the last one again and again."""
    return lambda seen: replies[min(seen.number, len(replies) - 1)]
