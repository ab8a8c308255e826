"""The pieces of a streamed chat completion, put together by id, index and order."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.wire import encode
from artis_sdk.backends.openai.answers import in_a_list, text_of

_UNCLEAR = "the stream does not say which call its arguments belong to"
_TOLD = frozenset({"role", "content", "tool_calls", "function_call", "refusal"})


class StreamedCall:
    """One call under way."""

    def __init__(self, index: int | None, at: int) -> None:
        self.index = index
        self.at = at
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []
        self.more: dict[str, Any] = {}
        self.alone = True
        """Whether no other call came under its index."""

    @property
    def text(self) -> str:
        return "".join(self.arguments)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments so far are JSON."""
        try:
            from_json(self.text)
        except ValueError:
            return False
        return True

    def feed(self, piece: dict[str, Any]) -> None:
        """Add one piece."""
        function = piece.get("function") or {}
        if piece.get("id"):
            self.id = self.id or piece["id"]
        if function.get("name"):
            self.name = function["name"]
        given = function.get("arguments")
        if given:
            self.arguments.append(given if isinstance(given, str) else encode(given).decode())
        self.more |= {key: value for key, value in piece.items() if key not in _CALL and value is not None}

    def json(self) -> dict[str, Any]:
        """The call in the form of a response without streaming."""
        function = {"name": self.name, "arguments": self.text}
        call: dict[str, Any] = {**self.more, "id": self.id, "type": "function", "function": function}
        if not self.alone and not self.text:
            call["unclear"] = _UNCLEAR
        return call


_CALL = frozenset({"id", "type", "function", "index"})


class StreamedCalls:
    """The calls of a streamed answer.

    Most servers number calls by `index`; some give all of them index 0, or none, and a new id or a new name
    is all that separates them. Pieces that cannot be separated are unclear, and never become a call.
    """

    def __init__(self) -> None:
        self.calls: list[StreamedCall] = []
        self._last: StreamedCall | None = None

    def feed(self, piece: dict[str, Any]) -> None:
        """Add one piece of a call."""
        self._last = self._call_of(piece)
        self._last.feed(piece)

    def json(self) -> list[dict[str, Any]]:
        """The calls in the form of a response without streaming, by index, else in order."""
        if all(call.index is not None for call in self.calls):
            self.calls.sort(key=lambda call: (call.index, call.at))
        return [call.json() for call in self.calls]

    def _call_of(self, piece: dict[str, Any]) -> StreamedCall:
        id, index = piece.get("id") or None, piece.get("index")
        name = (piece.get("function") or {}).get("name") or None
        if index is not None and not isinstance(index, int):
            raise TypeError(f"index is {type(index).__name__}")
        if id is not None:
            for call in self.calls:
                if call.id == id and index in (call.index, None):
                    return call
        # The last call of this index; without an index, the last one of all.
        candidates = [call for call in self.calls if index is None or call.index == index]
        if not candidates:
            if self._last is not None and id is None and name is None:
                return self._last  # what has neither began before, under another index
            return self._begin(index)
        call = candidates[-1]
        if not self._is_new(call, id, name):
            return call
        new = self._begin(index)
        if index is not None:
            # An empty call before another of its name may be the same one, begun twice.
            new.alone = id is not None
            if call.id is None or (call.name == name and not call.text):
                call.alone = False
        return new

    @staticmethod
    def _is_new(call: StreamedCall, id: str | None, name: str | None) -> bool:
        """Whether a piece with this id and name begins another call than the last one."""
        if name is None:
            return False  # only calls that begin are named; some servers send a new id with each piece
        if call.name is None:
            return False
        if id is not None and call.id is not None:
            return id != call.id
        return name != call.name or call.is_whole

    def _begin(self, index: int | None) -> StreamedCall:
        call = StreamedCall(index, len(self.calls))
        self.calls.append(call)
        return call


class StreamedCompletion:
    """Assembles the pieces of a streamed answer."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self.choice: dict[str, Any] = {"message": self.message, "finish_reason": None}
        self.whole: dict[str, Any] = {"choices": [self.choice]}
        self.calls = StreamedCalls()
        self.texts: list[str] = []
        self.logprobs: list[Any] = []

    def feed(self, chunk: dict[str, Any]) -> str:
        """Add one chunk, and return the text that it adds."""
        for key in ("model", "usage"):
            if chunk.get(key):
                self.whole[key] = chunk[key]
        text = ""
        for choice in chunk.get("choices") or ():
            if choice.get("index"):  # another answer than the requested one
                continue
            text += self._feed_delta(choice.get("delta") or choice.get("message") or {})
            for key in ("finish_reason", "error", "usage"):
                if choice.get(key):
                    self.choice[key] = choice[key]
            if choice.get("logprobs"):
                self.logprobs += choice["logprobs"].get("content") or ()
        if text:
            self.texts.append(text)
        return text

    def _feed_delta(self, delta: dict[str, Any]) -> str:
        for call in in_a_list(delta.get("tool_calls")):
            self.calls.feed(call)
        if delta.get("function_call"):
            self.calls.feed({"index": 0, "function": delta["function_call"]})
        if delta.get("refusal"):
            self.message["refusal"] = self.message.get("refusal", "") + delta["refusal"]
        for key in delta.keys() - _TOLD:
            self.message[key] = _joined(self.message.get(key), delta[key])
        return text_of(delta.get("content")) or ""

    @property
    def finished(self) -> bool:
        return self.choice["finish_reason"] is not None

    def json(self) -> dict[str, Any]:
        """The answer in the form of a response without streaming."""
        calls = self.calls.json()
        if self.texts or not calls:
            self.message["content"] = None if "refusal" in self.message else "".join(self.texts)
        if calls:
            self.message["tool_calls"] = calls
        if self.logprobs:
            self.choice["logprobs"] = {"content": self.logprobs}
        return self.whole


def _joined(before: Any, piece: Any) -> Any:
    """A field of the message with its next piece: texts and lists go on, an object's fields each."""
    if piece is None or before is None:
        return before if piece is None else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    if isinstance(before, dict) and isinstance(piece, dict):
        return before | {key: _joined(before.get(key), value) for key, value in piece.items()}
    if isinstance(before, list) and isinstance(piece, list):
        joined = list(before)
        for item in piece:
            if joined and _goes_on(joined[-1], item):
                joined[-1] = _item(joined[-1], item)
            else:
                joined.append(item)
        return joined
    return piece


_LONG = ("text", "summary", "data", "thinking")
"""Fields of a thought that come in pieces; its signature comes whole."""


def _goes_on(last: Any, item: Any) -> bool:
    """Whether an item of a list (a thought) goes on with the last one."""
    if not isinstance(last, dict) or not isinstance(item, dict) or "index" not in item:
        return False
    return all(last.get(key) == item.get(key) for key in ("index", "type"))


def _item(last: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    added = {key: value for key, value in item.items() if value is not None}
    long = {key: (last.get(key) or "") + added[key] for key in _LONG if isinstance(added.get(key), str)}
    return {**last, **added, **long}
