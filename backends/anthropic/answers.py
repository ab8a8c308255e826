"""A message's answer as our records, from whichever server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from artis_sdk.backends.hosted import wire
from artis_sdk.records import Completion, FinishReason, ToolCall, Usage

_FINISHED: Final[dict[str, FinishReason]] = {
    **dict.fromkeys(("end_turn", "stop_sequence", "stop"), "stop"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded", "length"), "length"),
    **dict.fromkeys(("tool_use", "tool_calls"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "sensitive"), "content_filter"),
    "refusal": "refusal",
}


def read_completion(data: Any, request_id: str | None, own: Mapping[str, str] = wire.NO_NAMES) -> Completion:
    """A message of the API, its text with the breaks that control marks have in what the model saw. `own`
    holds tools' own names by the names that the API took.

    Raises:
        NotACompletion: the response is not a message.
    """
    try:
        return _read(data, request_id, own)
    except wire.MISREAD as error:
        raise wire.not_a("message", error) from None


def _read(data: Any, request_id: str | None, own: Mapping[str, str]) -> Completion:
    content, reason = data["content"], data["stop_reason"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    finish = "stop" if reason is None else _FINISHED.get(reason)
    if finish is None:
        raise wire.NotACompletion(f"the answer was ended by {reason!r}")
    texts, calls = _read_blocks(content or [], own, cut=finish == "length")
    if calls and finish == "stop":
        finish = "tool_calls"
    return Completion(
        text="".join(texts),
        tool_calls=tuple(calls),
        finish_reason=finish,
        usage=_usage(data.get("usage")),
        raw=wire.encode(content or []).decode(),
        model=data.get("model") or "",
        request_id=request_id,
    )


def _read_blocks(
    content: list[dict[str, Any]], own: Mapping[str, str], *, cut: bool
) -> tuple[list[str], list[ToolCall]]:
    texts: list[str] = []
    calls: list[ToolCall] = []
    taken: set[str] = set()
    for position, block in enumerate(content):
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "tool_use":
            given, name = block["input"], block.get("name")
            last = cut and position == len(content) - 1 and given in (None, "", {})
            wrong = "the answer was cut before its arguments" if last else None
            name = own.get(name, name) if isinstance(name, str) else name
            calls.append(wire.with_marks(wire.read_call(block.get("id"), name, given, taken, wrong)))
    return texts, calls


def _usage(usage: Any) -> Usage:
    usage = wire.fields_of(usage)
    cached = usage.get("cache_read_input_tokens")
    read = (usage.get("input_tokens"), usage.get("cache_creation_input_tokens"), cached)
    # input_tokens leaves out both those read from the cache and those written to it.
    return wire.counted(sum(map(wire.count, read)), cached, usage.get("output_tokens"))
