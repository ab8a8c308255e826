"""Search for many fixed strings in one pass over a text, in time that grows with its length alone."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from ahocorasick_rs import AhoCorasick, MatchKind

_HALF_PAIRS = re.compile("[\ud800-\udfff]")


class TextSearch:
    """Finds every occurrence of every needle, overlapping ones included.

    Args:
        needles: the strings; an empty one is left out.
        ignore_case: ASCII and simple Unicode letters alike.
    """

    def __init__(self, needles: Iterable[str], *, ignore_case: bool = False) -> None:
        self.needles = [needle for needle in needles if needle]
        self._fold = ignore_case
        self._automaton = AhoCorasick(
            [self._plain(needle) for needle in self.needles], matchkind=MatchKind.Standard
        )

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Number of the needle, start and end of each occurrence, by end."""
        return self._automaton.find_matches_as_indexes(self._plain(text), overlapping=True)

    def suspects(self, texts: Sequence[str]) -> set[str]:
        """The short texts that hold a needle, and perhaps some others; found in one pass."""
        ends = list(accumulate(len(text) + 1 for text in texts))
        return {texts[bisect_right(ends, start)] for _, start, _ in self.find("\n".join(texts))}

    def _plain(self, text: str) -> str:
        """As many characters, without half surrogate pairs, which the automaton refuses."""
        if self._fold:
            # The one letter that grows in lower case.
            text = text.replace("\u0130", "i").lower()
        if text.isascii():
            return text
        return _HALF_PAIRS.sub("\ufffd", text)


def apart(
    spans: Iterable[tuple[int, int, str]], taken: Sequence[tuple[int, int]]
) -> list[tuple[int, int, str]]:
    """Overlapping spans merged, with the replacement of the longest; without spans that overlap `taken`.

    Args:
        spans: start, end and replacement of each span, in any order.
        taken: start and end of spans, sorted by start, without overlaps.
    """
    starts = [start for start, _ in taken]
    joined: list[tuple[int, int, str]] = []
    longest = 0
    for start, end, stand_in in sorted(spans):
        before = bisect_right(starts, end - 1) - 1
        if before >= 0 and taken[before][1] > start:
            continue
        if not joined or start >= joined[-1][1]:
            joined.append((start, end, stand_in))
            longest = end - start
            continue
        begin, last, kept = joined[-1]
        if end - start > longest:
            longest, kept = end - start, stand_in
        joined[-1] = (begin, max(last, end), kept)
    return joined
