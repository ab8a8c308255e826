"""The events of a streamed message, put together by index and order."""

from __future__ import annotations

from typing import Any

from artis_sdk.backends.hosted.wire import encode, read_json


class StreamedBlock:
    """One content block under way."""

    def __init__(self, index: Any, begun: dict[str, Any]) -> None:
        self.index = index
        self.block = begun
        self.input: list[str] = []

    def feed(self, delta: dict[str, Any]) -> str:
        """Add one delta, and return the text that it adds."""
        block, kind = self.block, delta["type"]
        if kind == "text_delta":
            block["text"] = (block.get("text") or "") + delta["text"]
            return str(delta["text"])
        if kind == "input_json_delta":
            piece = delta["partial_json"]
            self.input.append(piece if isinstance(piece, str) else encode(piece).decode())
        elif kind == "thinking_delta":
            block["thinking"] = (block.get("thinking") or "") + delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        return ""

    def json(self) -> dict[str, Any]:
        """The whole block; input that does not parse stays the text that the model wrote."""
        written = "".join(self.input)
        if written.strip():
            try:
                self.block["input"] = read_json(written)
            except (ValueError, RecursionError):
                self.block["input"] = written
        return self.block


class StreamedMessage:
    """Assembles the pieces of a streamed message."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.blocks: list[StreamedBlock] = []
        self.finished = False

    def feed(self, event: dict[str, Any]) -> str:
        """Add one event, and return the text that it adds."""
        kind = event["type"]
        if kind == "content_block_delta":
            return self._block(event.get("index")).feed(event["delta"])
        if kind == "content_block_start":
            begun = dict(event["content_block"])
            self.blocks.append(StreamedBlock(event.get("index"), begun))
            return str(begun["text"]) if begun["type"] == "text" else ""
        if kind == "message_start":
            self.message = dict(event["message"])
        elif kind == "message_delta":
            self.message["stop_reason"] = event["delta"].get("stop_reason")
            told = {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
            self.message["usage"] = {**(self.message.get("usage") or {}), **told}
        elif kind == "message_stop":
            self.finished = True
        return ""

    def _block(self, index: Any) -> StreamedBlock:
        """The last block that began under an index, or the last one of all."""
        for block in reversed(self.blocks):
            if index is None or block.index == index:
                return block
        raise KeyError(index)

    def json(self) -> dict[str, Any]:
        """The message in the form of a response without streaming."""
        if all(isinstance(block.index, int) for block in self.blocks):
            self.blocks.sort(key=lambda block: block.index)  # stable: those of one index stay in order
        self.message["content"] = [block.json() for block in self.blocks]
        return self.message
