"""A request that sets every field, and the schema that it asks for."""

from __future__ import annotations

import json
from typing import Any

from artis_sdk.records import Message, Request, ToolSpec

CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
SAID = Message(
    role="assistant",
    content="a",
    raw=json.dumps({"content": "a", "reasoning_content": "hm"}),
    origin="openai:m",
)
THOUGHT = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}]
THOUGHT_SAID = Message(role="assistant", content="a", raw=json.dumps(THOUGHT), origin="anthropic:m")
FULL = Request(
    messages=(Message(role="user", content="u"), SAID, Message(role="user", content="v")),
    tools=(ToolSpec(name="look", description="d", parameters=CLOSED),),
    temperature=0.3,
    top_p=0.9,
    max_tokens=7,
    seed=3,
    stop=("END",),
    tool_choice="required",
    schema=CLOSED,
)
