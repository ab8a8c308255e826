"""Bytes of tokens to text: stop strings across tokens, whole characters, safe streaming."""

from __future__ import annotations

import codecs


class TextStream:
    """The text of one answer, as it is generated.

    Args:
        stop: strings that end the answer, and are not part of it.
        marks: strings from which on no text is streamed before the end, such as the start of a tool call.
    """

    def __init__(self, stop: tuple[str, ...] = (), marks: tuple[str, ...] = ()) -> None:
        self._stop = tuple([text for text in stop if text])
        self._marks = marks
        self._ahead = max(map(len, (*self._stop, *marks)), default=1) - 1  # characters
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown = 0  # characters
        self._muted = False
        self.text = ""
        """The answer so far; invalid UTF-8 is U+FFFD."""

    def feed(self, piece: bytes) -> bool:
        """Add a token's bytes. True if a stop string has ended the answer."""
        return self._add(self._decoder.decode(piece))

    def end(self) -> bool:
        """Add the decoder's remaining bytes, after the last token. True as for `feed`."""
        return self._add(self._decoder.decode(b"", final=True))

    def show(self) -> str:
        """New text to stream since the last call, without an end that may still be cut off."""
        if self._muted:
            return ""
        start = max(0, self._shown - self._ahead)
        found = [at for mark in self._marks if (at := self.text.find(mark, start)) >= 0]
        self._muted = bool(found)
        end = min(found) if found else len(self.text) - self._kept_back()
        text = self.text[self._shown : end]
        self._shown = max(end, self._shown)
        return text

    def _add(self, text: str) -> bool:
        if not text:
            return False
        start = max(0, len(self.text) - self._ahead)
        self.text += text
        ends = [at for stop in self._stop if (at := self.text.find(stop, start)) >= 0]
        if ends:
            self.text = self.text[: min(ends)]
        return bool(ends)

    def _kept_back(self) -> int:
        """Number of characters at the end that may start a stop string or a mark."""
        for size in range(min(self._ahead, len(self.text)), 0, -1):
            tail = self.text[-size:]
            if any(text.startswith(tail) for text in (*self._stop, *self._marks)):
                return size
        return 0
