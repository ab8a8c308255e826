"""Message transcripts with tool results: OpenAI's chat and responses, Anthropic's blocks.

A transcript is an object with `messages` (or `input`, or `items`), or a list of messages. There may
also be `tools` (their documents), `id` (or `session_id`, `conversation_id`) and `state`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.importers.found import (
    TraceCall,
    TraceSession,
    Unusable,
    arguments,
    outcome_of,
    parsed,
    seconds,
    tool_documents,
)
from artis_sdk.records import Outcome, ToolCall

_MESSAGES: Final = ("messages", "input", "items")
_NAMES: Final = ("id", "session_id", "conversation_id", "thread_id", "session")
_TIMES: Final = ("created_at", "timestamp", "created", "time")


def transcripts(value: JsonValue) -> Iterator[TraceSession]:
    """The transcripts in a JSON value: one, or a list of them.

    Raises:
        Unusable: the value is not a transcript.
    """
    if isinstance(value, list) and value and not all(map(_is_message, value)):
        for item in value:
            yield from transcripts(item)
    else:
        yield transcript(value)


def transcript(value: JsonValue) -> TraceSession:
    """The calls of one transcript.

    Raises:
        Unusable: the value is not a transcript.
    """
    given = value if isinstance(value, dict) else {"messages": value}
    messages = next((given[name] for name in _MESSAGES if isinstance(given.get(name), list)), None)
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise Unusable("not a transcript: it needs a list of messages under `messages`")
    calls = Calls()
    for message in messages:
        assert isinstance(message, dict)
        calls.message(message)
    name = next((given[key] for key in _NAMES if isinstance(given.get(key), str | int)), None)
    if name is None:
        name = blake2b(dumps(value).encode(), digest_size=16).hexdigest()
    found, left_out = calls.found()
    return TraceSession(str(name), found, tool_documents(given.get("tools")), given.get("state"), left_out)


def _is_message(value: JsonValue) -> bool:
    if not isinstance(value, dict) or any(isinstance(value.get(name), list) for name in _MESSAGES):
        return False
    return "role" in value or isinstance(value.get("type"), str)


class Calls:
    """Collects calls and results, in the order of the calls."""

    def __init__(self) -> None:
        self._calls: list[tuple[ToolCall | None, Outcome | None, float | None]] = []
        self._open: dict[str, int] = {}
        """Calls without a result by id; the latest call of equal ids."""
        self._left_out: list[str] = []

    def message(self, message: dict[str, Any]) -> None:
        """Take in a message.

        Raises:
            Unusable: a call in it has no name.
        """
        at = next((t for key in _TIMES if (t := seconds(message.get(key))) is not None), None)
        kind, content = message.get("type"), message.get("content")
        if kind == "function_call":
            self.call(message.get("call_id") or message.get("id"), message, at)
        elif kind == "function_call_output":
            self.result(message.get("call_id"), _text(message.get("output")))
        elif message.get("role") in ("tool", "function"):
            failed = message.get("is_error") is True or message.get("error") is True
            id_ = message.get("tool_call_id") or message.get("id")
            self.result(id_, _text(content), failed=failed, name=message.get("name"))
        else:
            for call in message.get("tool_calls") or ():
                if isinstance(call, dict):
                    self.call(call.get("id"), call.get("function", call), at)
            if isinstance(message.get("function_call"), dict):
                self.call(None, message["function_call"], at)
            for block in content if isinstance(content, list) else ():
                self._block(block, at)

    def _block(self, block: Any, at: float | None) -> None:
        if not isinstance(block, dict):
            return
        if block.get("type") == "tool_use":
            self.call(block.get("id"), {"name": block.get("name"), "arguments": block.get("input")}, at)
        elif block.get("type") == "tool_result":
            failed = block.get("is_error") is True
            self.result(block.get("tool_use_id"), _text(block.get("content")), failed=failed)

    def call(self, id_: Any, function: Any, at: float | None = None) -> None:
        """Take in a call.

        Raises:
            Unusable: the call has no name.
        """
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name:
            raise Unusable(f"a call has no name: {function!r:.80}")
        number = len(self._calls)
        try:
            made = ToolCall(
                id=str(id_ or f"call_{number}"), tool=name, arguments=arguments(function.get("arguments"))
            )
        except Unusable as error:
            self._left_out.append(f"{name}: {error}")
            made = None
        self._calls.append((made, None, at))
        self._open[str(id_) if id_ else f"{number}:{name}"] = number

    def result(self, id_: Any, content: JsonValue, *, failed: bool = False, name: Any = None) -> None:
        """Take in a result; one without an id belongs to the oldest open call of that name.

        Args:
            id_: id of the call.
            content: content that the model saw.
            failed: whether the transcript marks it as an error.
            name: name of the tool.
        """
        key = str(id_) if id_ and str(id_) in self._open else None
        if key is None and name is not None:
            key = next((k for k, n in self._open.items() if k == f"{n}:{name}"), None)
        if key is None:
            self._left_out.append(f"a result of {name or 'a tool'} answers no call")
            return
        number = self._open.pop(key)
        made, _, at = self._calls[number]
        if made is not None:
            value = content if failed and isinstance(content, str) else parsed(content)
            self._calls[number] = made, outcome_of(value, failed=failed, call=made), at

    def found(self) -> tuple[list[TraceCall], list[str]]:
        """The calls with a result, and the calls left out."""
        found = [TraceCall(call, outcome, at) for call, outcome, at in self._calls if call and outcome]
        waiting = [
            f"{call.tool}: it has no result" for call, outcome, _ in self._calls if call and not outcome
        ]
        return found, [*self._left_out, *waiting]


def _text(content: JsonValue) -> JsonValue:
    """The text of a content; other parts stay unchanged."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    if len(texts) == len(content) and all(isinstance(text, str) for text in texts):
        return "".join(str(text) for text in texts)
    return content
