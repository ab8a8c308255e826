"""Our records as Anthropic's messages, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.wire import (
    MISREAD,
    NotACompletion,
    arguments_object,
    counted,
    encode,
    not_a,
    read_call,
    safe_id,
    safe_name,
    with_marks,
)
from artis_sdk.records import Completion, FinishReason, Message, ToolCall, ToolSpec, Usage
from artis_sdk.records.marks import break_up, in_all_texts, put_together

_FINISHED: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_BREAKPOINT = b',"cache_control":{"type":"ephemeral"}}'

Fragment = tuple[bytes, bytes]
"""A message's role on the wire, and its content blocks as JSON without the brackets."""


def message_fragment(message: Message) -> Fragment:
    """One message, with control marks broken up. Texts that are empty or white space have no block: the API
    refuses them."""
    if message.role == "tool":
        block: dict[str, Any] = {
            "type": "tool_result",
            "tool_use_id": safe_id(message.tool_call_id or ""),
            "content": break_up(message.content),
        }
        if message.failed:
            block["is_error"] = True
        return b"user", encode(block)
    role = message.role.encode()
    blocks = _blocks_as_said(message)
    if blocks is None:
        blocks = (
            [{"type": "text", "text": _data(message, message.content)}] if message.content.strip() else []
        )
        blocks += [
            {
                "type": "tool_use",
                "id": safe_id(call.id),
                "name": safe_name(call.tool),
                "input": in_all_texts(arguments_object(call), break_up),
            }
            for call in message.tool_calls
        ]
    return role, encode(blocks)[1:-1]


def _blocks_as_said(message: Message) -> list[Any] | None:
    """The blocks of `raw`, thinking included, if this API made them and the message still says that."""
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
    same = texts == message.content and calls == [(c.id, c.tool, c.arguments) for c in message.tool_calls]
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


def tools_json(tools: tuple[ToolSpec, ...], *, strict: bool) -> bytes:
    """The tools of a request.

    Args:
        strict: whether the server must hold each call to its tool's schema.
    """
    more = {"strict": True} if strict else {}
    return encode(
        [
            {
                "name": tool.name,
                "description": break_up(tool.description),
                "input_schema": in_all_texts(tool.parameters, break_up),
                **more,
            }
            for tool in tools
        ]
    )


def read_completion(data: Any, request_id: str | None) -> Completion:
    """A response's JSON as a completion.

    Raises:
        NotACompletion: the response is not one.
    """
    try:
        return _read(data, request_id)
    except MISREAD as error:
        raise not_a("message", error) from None


def _read(data: Any, request_id: str | None) -> Completion:
    texts, calls = _read_blocks(data["content"])
    reason = data["stop_reason"]
    finish = _FINISHED.get(reason)
    if finish is None:
        raise NotACompletion(f"the answer was ended by {reason!r}")
    if calls and finish == "stop":
        finish = "tool_calls"
    return Completion(
        text="".join(texts),
        tool_calls=tuple(calls),
        finish_reason=finish,
        usage=_usage(data["usage"]),
        raw=encode(data["content"]).decode(),
        model=data.get("model") or "",
        request_id=request_id,
    )


def _read_blocks(content: list[dict[str, Any]]) -> tuple[list[str], list[ToolCall]]:
    texts: list[str] = []
    calls: list[ToolCall] = []
    taken: set[str] = set()
    for block in content:
        if block["type"] == "text":
            texts.append(put_together(block["text"]))
        elif block["type"] == "tool_use":
            calls.append(with_marks(read_call(block.get("id"), block.get("name"), block["input"], taken)))
    return texts, calls


def _usage(usage: dict[str, Any]) -> Usage:
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    # input_tokens leaves out both those read from the cache and those written to it.
    return counted(usage["input_tokens"] + cached + written, cached, usage["output_tokens"])


class StreamedMessage:
    """Assembles the pieces of a streamed message."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.blocks: dict[int, dict[str, Any]] = {}
        self.inputs: dict[int, list[str]] = {}
        self.finished = False

    def feed(self, event: dict[str, Any]) -> str:
        """Add one event, and return the text that it adds."""
        kind = event["type"]
        if kind == "content_block_delta":
            return self._feed_delta(event["index"], event["delta"])
        if kind == "content_block_start":
            block = dict(event["content_block"])
            self.blocks[event["index"]] = block
            return str(block["text"]) if block["type"] == "text" else ""
        if kind == "message_start":
            self.message = dict(event["message"])
        elif kind == "message_delta":
            self.message["stop_reason"] = event["delta"].get("stop_reason")
            told = {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
            self.message["usage"] = {**self.message.get("usage", {}), **told}
        elif kind == "message_stop":
            self.finished = True
        return ""

    def _feed_delta(self, index: int, delta: dict[str, Any]) -> str:
        block = self.blocks[index]
        if delta["type"] == "text_delta":
            block["text"] += delta["text"]
            return str(delta["text"])
        if delta["type"] == "input_json_delta":
            self.inputs.setdefault(index, []).append(delta["partial_json"])
        elif delta["type"] == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
        elif delta["type"] == "signature_delta":
            block["signature"] = delta["signature"]
        return ""

    def json(self) -> dict[str, Any]:
        """The message in the form of a response without streaming; input that does not parse stays text."""
        for index, pieces in self.inputs.items():
            text = "".join(pieces)
            try:
                self.blocks[index]["input"] = from_json(text, allow_inf_nan=False) if text else {}
            except ValueError:
                self.blocks[index]["input"] = text
        self.message["content"] = [block for _, block in sorted(self.blocks.items())]
        return self.message
