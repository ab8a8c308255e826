"""Whole answers taken apart into the events of a stream, in both dialects."""

from __future__ import annotations

import json
from typing import Any


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def openai_events(whole: dict[str, Any]) -> list[tuple[str, str]]:
    """A chat completion as its (event, data) pairs."""
    choice = whole["choices"][0]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call["id"], "function": function}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _pieces(call["function"]["arguments"])
        ]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append({"choices": [], "usage": whole["usage"]})
    same = {"id": whole["id"], "object": "chat.completion.chunk", "model": whole["model"]}
    return [("message", json.dumps({**same, **chunk})) for chunk in chunks] + [("message", "[DONE]")]


def anthropic_events(whole: dict[str, Any]) -> list[tuple[str, str]]:
    """A message as its (event, data) pairs."""
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty: dict[str, Any] = {"type": "text", "text": ""}
            deltas = [("text_delta", "text", piece) for piece in _pieces(block["text"])]
        else:
            empty = {**block, "input": {}}
            given = _pieces(json.dumps(block["input"]))
            deltas = [("input_json_delta", "partial_json", piece) for piece in given]
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}}
            for kind, key, piece in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    events += [{"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]
    return [(event["type"], json.dumps(event)) for event in events]
