"""Our records as a request for chat completions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.names import fit_description, fit_name
from artis_sdk.backends.hosted.wire import (
    arguments_object,
    data_json,
    encode,
    is_closed,
    safe_id,
    sent_arguments,
)
from artis_sdk.backends.openai.answers import read_calls, text_of
from artis_sdk.records import Message, ToolCall, ToolSpec
from artis_sdk.records.marks import break_up, in_all_texts, may_hold_mark, put_together

_ECHOED = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content")
"""Fields beside a message's text that its server wants back; any other is only told."""
_HAS_MORE = re.compile(
    r'"(?:reasoning|thinking|extra_content|provider_specific_fields|thought_signature)|"content":\['
)
_SIGNED = frozenset({"signature", "thought_signature", "data", "encrypted_content"})


def message_json(message: Message, backend: str | None = None, *, thoughts: bool = True) -> bytes:
    """One message of a request, with control marks broken up.

    Args:
        message: the message.
        backend: name of the backend that sends it.
        thoughts: whether thoughts that it sent go back to it.
    """
    if message.role in ("system", "user") and not message.tool_calls:
        return b'{"role":"%s","content":%s}' % (message.role.encode(), data_json(message.content))
    return encode(message_object(message, broken=True, backend=backend, thoughts=thoughts))


def message_object(
    message: Message, *, broken: bool, backend: str | None = None, thoughts: bool = True
) -> dict[str, Any]:
    """One message as an object.

    Args:
        message: the message.
        broken: whether control marks in its texts and arguments are broken up.
        backend: name of the hosted backend that sends it: its own ids and what it sent beside the text go
            back as they came, and names are fitted to the API. None for an engine in process.
        thoughts: whether thoughts that it sent go back to it.
    """
    content = message.content
    if broken:
        content = break_up(content, thoughts=message.role != "assistant")
    wire: dict[str, Any] = {"role": message.role, "content": content}
    own = backend is not None and message.origin == backend
    if message.role == "tool":
        id = message.tool_call_id or ""
        wire["tool_call_id"] = id if own else safe_id(id)
    elif message.tool_calls:
        wire["content"] = content or None
        wire["tool_calls"] = [
            {
                "id": call.id if own else safe_id(call.id),
                "type": "function",
                "function": {
                    "name": call.tool if backend is None else fit_name(call.tool),
                    "arguments": _arguments(call, broken=broken),
                },
            }
            for call in message.tool_calls
        ]
    if own and message.role == "assistant" and _HAS_MORE.search(message.raw or ""):
        _add_as_said(wire, message, thoughts=thoughts)
    return wire


def _arguments(call: ToolCall, *, broken: bool) -> str:
    text = encode(arguments_object(call)).decode()
    if broken and (call.malformed is not None or may_hold_mark(text)):
        return encode(sent_arguments(call)).decode()
    return text


def _add_as_said(wire: dict[str, Any], message: Message, *, thoughts: bool) -> None:
    """Add what the server sent beside text and calls, if the message still says what it sent."""
    said = _read(message)
    if said is None:
        return
    content = said.get("content")
    if isinstance(content, list) and thoughts:
        wire["content"] = [_part(part) for part in content]
    if thoughts:
        wire |= {key: _unmarked(said[key]) for key in _ECHOED if said.get(key)}
    sent = said.get("tool_calls")
    for call, raw in zip(wire.get("tool_calls", ()), sent if isinstance(sent, list) else (), strict=False):
        function = raw["function"]
        call |= {key: raw[key] for key in raw.keys() - _CALL if raw[key] is not None}
        call["function"] |= {key: function[key] for key in function.keys() - _FUNCTION if function[key]}


_CALL = frozenset({"id", "type", "function", "index", "unclear"})
_FUNCTION = frozenset({"name", "arguments", "parameters", "description"})


def _read(message: Message) -> dict[str, Any] | None:
    try:
        said = from_json(message.raw or "")
        calls = read_calls(said)
        text = put_together(text_of(said.get("content")) or "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    same = [(call.tool, call.arguments) for call in calls]
    meant = [(fit_name(call.tool), call.arguments) for call in message.tool_calls]
    return said if isinstance(said, dict) and text == message.content and same == meant else None


def _part(part: Any) -> Any:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return {**part, "text": break_up(part["text"], thoughts=False)}
    return part


def _unmarked(value: Any) -> Any:
    """What a model thought, with control marks broken up, unless it is signed."""
    if isinstance(value, str):
        return break_up(value)
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if isinstance(value, dict) and _SIGNED.isdisjoint(value):
        return {key: _unmarked(item) for key, item in value.items()}
    return value


def tools_list(tools: tuple[ToolSpec, ...], *, strict: bool) -> list[dict[str, Any]]:
    """The tools of a request as objects, as they are.

    Args:
        tools: the tools.
        strict: whether the server must hold each call to its tool's schema.
    """
    more = {"strict": True} if strict else {}
    return [{"type": "function", "function": {**tool.document(), **more}} for tool in tools]


def fitted_tools(
    tools: tuple[ToolSpec, ...], *, strict: Callable[[ToolSpec], bool], most: int
) -> tuple[bytes, str]:
    """The tools in the API's limits, with control marks broken up, and the rest of their documentation.

    Args:
        tools: the tools.
        strict: whether the server must hold calls of a tool to its schema.
        most: characters of a description.
    """
    wire, left = [], []
    for tool in tools:
        description, rest = fit_description(tool, most)
        more = {"strict": True} if strict(tool) else {}
        document = {**tool.document(), "name": fit_name(tool.name), "description": description, **more}
        wire.append({"type": "function", "function": document})
        if rest:
            left.append(rest)
    return encode(in_all_texts(wire, break_up)), "\n\n".join(left)


def schema_json(schema: dict[str, Any], *, strict: bool) -> bytes:
    """The response format that holds the answer to a schema, with control marks broken up: servers also write
    it into the prompt.

    Args:
        schema: the JSON schema.
        strict: whether the server knows strict mode; it is requested where the schema allows it.
    """
    held: dict[str, Any] = {"name": "answer", "schema": in_all_texts(schema, break_up)}
    if strict and is_closed(schema, all_required=True):
        held["strict"] = True
    return encode({"type": "json_schema", "json_schema": held})
