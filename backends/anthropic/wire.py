"""Our records as Anthropic's messages, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.names import fit_name
from artis_sdk.backends.hosted.wire import data_json, encode, safe_id, sent_arguments
from artis_sdk.records import Message, ToolSpec
from artis_sdk.records.marks import break_up, in_all_texts, put_together

_BREAKPOINT = b',"cache_control":{"type":"ephemeral"}}'

Fragment = tuple[bytes, bytes]
"""A message's role on the wire, and its content blocks as JSON without the brackets."""


def message_fragment(message: Message, backend: str | None = None, *, thoughts: bool = True) -> Fragment:
    """One message, with control marks broken up. Texts that are empty or white space have no block: the API
    refuses them.

    Args:
        message: the message.
        backend: name of the backend that sends it: its own blocks and ids go back as they came.
        thoughts: whether thoughts that it sent go back to it.
    """
    own = backend is not None and message.origin == backend
    if message.role == "tool":
        id = message.tool_call_id or ""
        block: dict[str, Any] = {
            "type": "tool_result",
            "tool_use_id": id if own else safe_id(id),
            "content": break_up(message.content),
        }
        if message.failed:
            block["is_error"] = True
        return b"user", encode(block)
    role = message.role.encode()
    if role != b"assistant" and not message.tool_calls:
        text = message.content
        return role, b'{"type":"text","text":%s}' % data_json(text) if text.strip() else b""
    blocks = _blocks_as_said(message) if own else None
    if blocks is not None:
        blocks = [block for block in blocks if _goes_back(block, thoughts)]
    else:
        blocks = (
            [{"type": "text", "text": _data(message, message.content)}] if message.content.strip() else []
        )
        blocks += [
            {
                "type": "tool_use",
                "id": call.id if own else safe_id(call.id),
                "name": fit_name(call.tool),
                "input": sent_arguments(call),
            }
            for call in message.tool_calls
        ]
    return role, encode(blocks)[1:-1]


def _goes_back(block: dict[str, Any], thoughts: bool) -> bool:
    if block["type"] == "text":
        return bool(block["text"].strip())
    return thoughts or block["type"] not in ("thinking", "redacted_thinking")


def _blocks_as_said(message: Message) -> list[Any] | None:
    """The blocks of `raw`, thinking included, if the message still says that."""
    if message.role != "assistant" or not (message.raw or "").startswith('[{"'):
        return None
    try:
        blocks = from_json(message.raw or "")
        said = [block for block in blocks if block["type"] == "text"]
        texts = put_together("".join([block["text"] for block in said]))
        used = [block for block in blocks if block["type"] == "tool_use"]
        calls = [(block["id"], block["name"], in_all_texts(block["input"], put_together)) for block in used]
        for block in said:
            block["text"] = _data(message, put_together(block["text"]))
        for block, (_, _, given) in zip(used, calls, strict=True):
            block["input"] = in_all_texts(given, break_up)
    except (ValueError, TypeError, KeyError):
        return None
    meant = [(call.id, fit_name(call.tool), call.arguments) for call in message.tool_calls]
    same = texts == message.content and calls == meant
    return blocks if same and all(call.malformed is None for call in message.tool_calls) else None


def _data(message: Message, text: str) -> str:
    return break_up(text, thoughts=message.role != "assistant")


def conversation(fragments: Iterable[Fragment], *, cache: bool, cache_task: bool) -> tuple[bytes, bytes]:
    """The `system` and the `messages` of a request, as JSON arrays.

    System messages at the beginning become the system prompt; later ones become user messages, which
    every model accepts. Neighbours of one role become one message: tool results share the user's.

    Args:
        cache: whether to end the cached prefix after the system prompt.
        cache_task: whether to end it also after the first message, which all attempts at a task share.
    """
    system: list[bytes] = []
    parts: list[bytes] = []
    last = b""
    for role, blocks in fragments:
        if role == b"system":
            if not last:
                system.append(blocks)
                continue
            role = b"user"
        if not blocks:
            continue
        if role == last:
            parts += (b",", blocks)
            continue
        if cache_task and not last:
            blocks = blocks[:-1] + _BREAKPOINT
        parts += (b']},{"role":"' if last else b'{"role":"', role, b'","content":[', blocks)
        last = role
    said = b",".join(filter(None, system))
    if cache and said:
        said = said[:-1] + _BREAKPOINT
    return b"[" + said + b"]", b"[" + b"".join(parts) + (b"]}]" if last else b"]")


def tools_json(tools: tuple[ToolSpec, ...], *, strict: Callable[[ToolSpec], bool]) -> bytes:
    """The tools of a request.

    Args:
        tools: the tools.
        strict: whether the server must hold calls of a tool to its schema.
    """
    return encode(
        [
            {
                "name": fit_name(tool.name),
                "description": break_up(tool.description),
                "input_schema": in_all_texts(tool.parameters, break_up),
                **({"strict": True} if strict(tool) else {}),
            }
            for tool in tools
        ]
    )
