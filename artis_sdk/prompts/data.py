"""Untrusted text in prompts: encoded as JSON in which no tag and no line break can occur."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.records import Message, Step, ToolCall
from artis_sdk.records.marks import SQUARE


class Data(str):
    """Encoded text, which templates insert unchanged. Made by the functions below only."""

    __slots__ = ()


def encode(value: Any) -> Data:
    """Write a JSON value on one line, with `<`, `>`, `&` and line separators escaped.

    The text is still JSON and reads back as the same value, so text inside it can neither close a
    tag, nor make a heading on a line of its own, nor spell a chat template's control token, such as
    `<|im_end|>` or `[INST]`.

    Args:
        value: JSON value, record, or list or dictionary of these.
    """
    if isinstance(value, Data):
        return value
    try:
        text = to_json(value, inf_nan_mode="strings")
    except (PydanticSerializationError, UnicodeEncodeError):  # lone surrogates have no UTF-8
        text = json.dumps(value).encode()
    return _escape(text)


def encode_spaced(value: Any) -> Data:
    """Like `encode`, with a space after each comma and colon, as models write JSON."""
    plain = json.loads(encode(value))
    try:
        text = json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = json.dumps(plain).encode()
    return _escape(text)


def _escape(text: bytes) -> Data:
    text = text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
    if not text.isascii():
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
        text = text.replace(b"\xc2\x85", b"\\u0085")
    return Data(SQUARE.sub(lambda bracket: f"\\u{ord(bracket[0]):04x}", text.decode()))


def result_message(step: Step, origin: str | None = None) -> Message:
    """The result of a call as a message to a model with native tool calls.

    Args:
        step: call and outcome.
        origin: name of the backend whose model made the call.
    """
    return Message(
        role="tool",
        content=encode(step.outcome.content()),
        tool_call_id=step.call.id,
        failed=not step.outcome.ok,
        origin=origin,
    )


def encode_lines(values: Iterable[Any]) -> Data:
    """Encode each value on a line of its own; `Data` stays unchanged."""
    return Data("\n".join([encode(value) for value in values]))


def call_view(call: ToolCall) -> dict[str, Any]:
    """A call in the form of prompts."""
    if call.malformed is not None:
        return {"text": call.raw, "malformed": call.malformed}
    return {"name": call.tool, "arguments": call.arguments}


def encode_step(step: Step) -> Data:
    """One (a_i, o_i) of the history: the call, its result, and the failure type of a failed call."""
    view = {"action": call_view(step.call), "return": step.outcome.content()}
    if not step.outcome.ok:
        view["failed"] = step.outcome.type
    return encode(view)


def encode_trajectory(steps: Iterable[Step], answer: str | None = None) -> Data:
    """A whole attempt: one line per step, and the final answer."""
    pieces: list[Any] = [encode_step(step) for step in steps]
    if answer is not None:
        pieces.append({"answer": answer})
    return encode_lines(pieces)


def encode_message(message: Message) -> Data:
    """One message of a conversation: its role, text and calls."""
    view: dict[str, Any] = {"role": message.role}
    if message.content:
        view["content"] = message.content
    if message.tool_calls:
        view["calls"] = [call_view(call) for call in message.tool_calls]
    return encode(view)
