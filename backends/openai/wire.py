"""Our records as chat completions, and back."""

from __future__ import annotations

from typing import Any

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
from artis_sdk.records import Completion, FinishReason, Message, TokenLogprob, ToolCall, ToolSpec, Usage
from artis_sdk.records.marks import break_up, in_all_texts, put_together

_FINISHED: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def message_json(message: Message) -> bytes:
    """One message of a request, with control marks broken up."""
    return encode(message_object(message, broken=True))


def message_object(message: Message, *, broken: bool) -> dict[str, Any]:
    """One message as an object.

    Args:
        broken: whether control marks in its texts and arguments are broken up.
    """
    content = message.content
    if broken:
        content = break_up(content, thoughts=message.role != "assistant")
    wire: dict[str, Any] = {"role": message.role, "content": content}
    if message.role == "tool":
        wire["tool_call_id"] = safe_id(message.tool_call_id or "")
    elif message.tool_calls:
        wire["content"] = content or None
        wire["tool_calls"] = [
            {
                "id": safe_id(call.id),
                "type": "function",
                "function": {
                    "name": safe_name(call.tool),
                    "arguments": _arguments(call, broken=broken),
                },
            }
            for call in message.tool_calls
        ]
    return wire


def _arguments(call: ToolCall, *, broken: bool) -> str:
    given = arguments_object(call)
    return encode(in_all_texts(given, break_up) if broken else given).decode()


def tools_json(tools: tuple[ToolSpec, ...], *, strict: bool) -> bytes:
    """The tools of a request, with control marks broken up.

    Args:
        strict: whether the server must hold each call to its tool's schema.
    """
    return encode(in_all_texts(tools_list(tools, strict=strict), break_up))


def tools_list(tools: tuple[ToolSpec, ...], *, strict: bool) -> list[dict[str, Any]]:
    """The same as objects, with all marks."""
    more = {"strict": True} if strict else {}
    return [{"type": "function", "function": {**tool.document(), **more}} for tool in tools]


def schema_json(schema: dict[str, Any], *, strict: bool) -> bytes:
    """The response format that holds the answer to a schema."""
    return encode(
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}}
    )


def read_completion(data: Any, request_id: str | None) -> Completion:
    """A response's JSON as a completion.

    Raises:
        NotACompletion: the response is not one.
    """
    try:
        return _read(data, data["choices"][0], request_id)
    except MISREAD as error:
        raise not_a("chat completion", error) from None


def _read(data: Any, choice: Any, request_id: str | None) -> Completion:
    message = choice["message"]
    content, refusal = message.get("content"), message.get("refusal")
    calls = _read_calls(message.get("tool_calls") or ())
    usage = _usage(data.get("usage"))
    finish = _finish(choice.get("finish_reason"), bool(calls))
    if content is None and isinstance(refusal, str):
        content, finish = refusal, "content_filter"
    # A model may end at once without text; generated tokens without any text are a fault.
    if content is None and not calls and finish == "stop" and usage.completion_tokens > 1:
        raise NotACompletion("the message holds neither text nor tool calls")
    return Completion(
        text="" if content is None else put_together(content),
        tool_calls=calls,
        finish_reason=finish,
        usage=usage,
        raw=encode(message).decode(),
        model=data.get("model") or "",
        request_id=request_id,
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _read_calls(wire: Any) -> tuple[ToolCall, ...]:
    calls = []
    taken: set[str] = set()
    for call in wire:
        function = call["function"]
        read = read_call(call.get("id"), function.get("name"), function.get("arguments"), taken)
        calls.append(with_marks(read))
    return tuple(calls)


def _finish(reason: Any, called: bool) -> FinishReason:
    if reason is None:
        return "tool_calls" if called else "stop"
    finish = _FINISHED.get(reason)
    if finish is None:
        raise NotACompletion(f"the answer was ended by {reason!r}")
    return "tool_calls" if called and finish == "stop" else finish


def _usage(usage: Any) -> Usage:
    if not usage:
        return Usage(requests=1)
    details = usage.get("prompt_tokens_details") or {}
    return counted(
        usage.get("prompt_tokens") or 0,
        details.get("cached_tokens") or 0,
        usage.get("completion_tokens") or 0,
    )


def _logprobs(logprobs: Any) -> tuple[TokenLogprob, ...] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    return tuple(
        TokenLogprob(token=token["token"], logprob=token["logprob"]) for token in logprobs["content"]
    )


class StreamedCompletion:
    """Assembles the pieces of a streamed answer."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self.choice: dict[str, Any] = {"message": self.message, "finish_reason": None}
        self.whole: dict[str, Any] = {"choices": [self.choice]}
        self.calls: dict[int, dict[str, Any]] = {}
        self.texts: list[str] = []
        self.logprobs: list[Any] = []

    def feed(self, chunk: dict[str, Any]) -> str:
        """Add one chunk, and return the text that it adds."""
        for key in ("model", "usage"):
            if chunk.get(key):
                self.whole[key] = chunk[key]
        text = ""
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                self._feed_call(call)
            if delta.get("refusal"):
                self.message["refusal"] = self.message.get("refusal", "") + delta["refusal"]
            if choice.get("logprobs"):
                self.logprobs += choice["logprobs"].get("content") or ()
            if choice.get("finish_reason"):
                self.choice["finish_reason"] = choice["finish_reason"]
        if text:
            self.texts.append(text)
        return text

    def _feed_call(self, piece: dict[str, Any]) -> None:
        call = self.calls.setdefault(piece.get("index", len(self.calls)), {"function": {"arguments": ""}})
        if piece.get("id"):
            call["id"] = piece["id"]
        function = piece.get("function") or {}
        if function.get("name"):
            call["function"]["name"] = function["name"]
        call["function"]["arguments"] += function.get("arguments") or ""

    @property
    def finished(self) -> bool:
        return self.choice["finish_reason"] is not None

    def json(self) -> dict[str, Any]:
        """The answer in the form of a response without streaming."""
        if self.texts or not self.calls:
            self.message["content"] = None if "refusal" in self.message else "".join(self.texts)
        if self.calls:
            self.message["tool_calls"] = [
                {"id": call.get("id"), "type": "function", "function": call["function"]}
                for _, call in sorted(self.calls.items())
            ]
        if self.logprobs:
            self.choice["logprobs"] = {"content": self.logprobs}
        return self.whole
