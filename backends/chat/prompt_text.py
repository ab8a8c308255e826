"""Text with a record of the characters that a chat template wrote itself."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, SupportsIndex, overload

Spans = tuple[tuple[int, int], ...]
"""Start and end of each stretch in characters, in ascending order; no two of them touch."""


class PromptText(str):
    """A string with its own stretches: those that the template wrote.

    It equals and behaves like the plain string, so a template's tests and comparisons give their usual
    results. Joining, stripping and slicing keep the own stretches; the result of any other operation is
    a plain `str`, and so counts as data.

    Args:
        text: the string.
        own: own stretches of the string; by default empty.
    """

    __slots__ = ("own",)
    own: Spans

    def __new__(cls, text: str = "", own: Spans = ()) -> PromptText:
        made = super().__new__(cls, text)
        made.own = own
        return made

    def __str__(self) -> PromptText:
        return self

    def __add__(self, other: str) -> PromptText:
        return concat((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> PromptText:
        return concat((other, self)) if isinstance(other, str) else NotImplemented

    @overload
    def __getitem__(self, key: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> PromptText: ...
    def __getitem__(self, key: SupportsIndex | slice) -> str:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._cut(start, max(start, stop))
            return PromptText(super().__getitem__(key))
        character = super().__getitem__(key)
        place = range(len(self))[key]
        return PromptText(character, ((0, 1),)) if self.owns(place, place + 1) else character

    def strip(self, chars: str | None = None) -> PromptText:
        return self.lstrip(chars).rstrip(chars)

    def lstrip(self, chars: str | None = None) -> PromptText:
        return self._cut(len(self) - len(super().lstrip(chars)), len(self))

    def rstrip(self, chars: str | None = None) -> PromptText:
        return self._cut(0, len(super().rstrip(chars)))

    def join(self, pieces: Iterable[str]) -> PromptText:
        listed: list[str] = []
        for piece in pieces:
            listed += (self, piece) if listed else (piece,)
        return concat(listed)

    def owns(self, start: int, stop: int) -> bool:
        """Whether a whole stretch, in characters, is the template's own."""
        place = bisect_right(self.own, start, key=itemgetter(0))
        return place > 0 and stop <= self.own[place - 1][1]

    def own_end(self) -> str:
        """The own stretch that the text ends with; empty if it ends with data."""
        if not self.own or self.own[-1][1] != len(self):
            return ""
        return str.__getitem__(self, slice(*self.own[-1]))

    def _cut(self, start: int, stop: int) -> PromptText:
        inside = ((max(first, start) - start, min(last, stop) - start) for first, last in self.own)
        return PromptText(
            str.__getitem__(self, slice(start, stop)), tuple([s for s in inside if s[0] < s[1]])
        )


def written(text: str) -> PromptText:
    """A text that is wholly the template's own."""
    return PromptText(text, ((0, len(text)),) if text else ())


def concat(pieces: Iterable[Any]) -> PromptText:
    """All pieces as one text; other values become strings, and are data."""
    at = 0
    texts: list[str] = []
    own: list[tuple[int, int]] = []
    for piece in map(str, pieces):
        texts.append(piece)
        for start, stop in getattr(piece, "own", ()):
            if own and own[-1][1] == at + start:
                own[-1] = (own[-1][0], at + stop)
            else:
                own.append((at + start, at + stop))
        at += len(piece)
    return PromptText("".join(texts), tuple(own))
