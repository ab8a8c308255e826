"""A conversation with tools for a chat template that knows none: everything is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from artis_sdk.backends.tool_formats.text import TEXT
from artis_sdk.records import Message, ToolSpec


def text_messages(messages: Iterable[Message], tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Messages in the form of chat templates, with calls and results as text.

    Messages of the user's side that follow each other become one, as many templates want it.

    Args:
        messages: the conversation.
        tools: tools that the system message offers; none are if it is empty.
    """
    plain: list[dict[str, Any]] = []
    for message in messages:
        role = "user" if message.role == "tool" else message.role
        content = message.content
        if message.tool_calls:
            content = message.raw or TEXT.write(message.tool_calls)
        if role == "user" and plain and plain[-1]["role"] == "user":
            plain[-1]["content"] += f"\n\n{content}"
        else:
            plain.append({"role": role, "content": content})
    if not tools:
        return plain
    paragraph = TEXT.teach(tools)
    if plain and plain[0]["role"] == "system":
        plain[0]["content"] += f"\n\n{paragraph}"
    else:
        plain.insert(0, {"role": "system", "content": paragraph})
    return plain
