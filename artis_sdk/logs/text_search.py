"""Search for many fixed strings in one pass over a text, in time that grows with its length alone."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, Implementation, MatchKind

_HALF_PAIRS = re.compile("[\ud800-\udfff]")
_BLOCK = 65_536  # characters searched at a time for what a text holds
_FIRST_BLOCK = 2_048
_SMALL = 2_000  # characters of all needles up to which the quickest automaton takes under 1 ms to build
_ALONE = 3_000  # characters searched for each needle alone before an automaton is built, which takes as long
_CALL = 50  # characters, in the time that a search takes at least
_FEW = 64  # needles up to which the search skips parts of a text, by the processor's vector instructions


def folded(text: str) -> str:
    """The text in lower case, with as many characters, and without half surrogate pairs, which the automaton
    refuses."""
    if text.isascii():
        return text.lower()
    # The only letter whose lower case is longer than itself.
    return without_half_pairs(text.replace("\u0130", "i").lower())


def without_half_pairs(text: str) -> str:
    """As many characters, which the automaton takes."""
    return text if text.isascii() else _HALF_PAIRS.sub("\ufffd", text)


def blocks(size: int) -> Iterator[tuple[int, int]]:
    """Start and end of the blocks in which a text of this size is searched, so that a search may end soon."""
    start, block = 0, _FIRST_BLOCK
    while start < size:
        yield start, min(start + block, size)
        start, block = start + block, min(4 * block, _BLOCK)


class TextSearch:
    """Finds every occurrence of every needle, overlapping ones included.

    Args:
        needles: the strings; an empty one is left out.
        ignore_case: ASCII and simple Unicode letters alike.
    """

    def __init__(self, needles: Iterable[str], *, ignore_case: bool = False) -> None:
        self.needles = [needle for needle in needles if needle]
        self._plain = folded if ignore_case else without_half_pairs
        small = sum(map(len, self.needles)) <= _SMALL
        self._kind = Implementation.DFA if small else None
        self._few = len(self.needles) <= _FEW and "\n" not in "".join(self.needles)
        self._sought = list(map(self._plain, self.needles))
        self._passed = 0

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Number of the needle, start and end of each occurrence, by end."""
        plain = self._plain(text)
        if plain.isascii():
            return self._of_bytes.find_matches_as_indexes(plain.encode(), overlapping=True)
        return self._of_letters.find_matches_as_indexes(plain, overlapping=True)

    def find_ascii(self, text: bytes) -> list[tuple[int, int, int]]:
        """As `find`, in a text of ASCII letters, which are in lower case where case is ignored."""
        return self._of_bytes.find_matches_as_indexes(text, overlapping=True)

    def starts(self, text: str) -> list[int]:
        """Where needles begin: of each line with needles at least one place."""
        plain = self._plain(text)
        self._passed += len(plain) + _CALL
        if self._passed <= _ALONE and not any(map(plain.__contains__, self._sought)):
            return []
        if not (self._few and plain.isascii()):
            return [start for _, start, _ in self.find(text)]
        return [start for _, start, _ in self._of_few.find_matches_as_indexes(plain.encode())]

    # Each is built when a text needs it: most sessions see one kind of text.

    @cached_property
    def _of_letters(self) -> AhoCorasick:
        return AhoCorasick(self._sought, matchkind=MatchKind.Standard, implementation=self._kind)

    @cached_property
    def _of_bytes(self) -> BytesAhoCorasick:
        """Takes half the time; in ASCII texts a byte's place is its letter's."""
        return BytesAhoCorasick(self._encoded(), matchkind=MatchKind.Standard, implementation=self._kind)

    @cached_property
    def _of_few(self) -> BytesAhoCorasick:
        """Skips what can begin none of a few needles, in a tenth of the time; but not with overlaps."""
        return BytesAhoCorasick(self._encoded(), matchkind=MatchKind.LeftmostFirst, implementation=self._kind)

    def _encoded(self) -> list[bytes]:
        return [needle.encode() for needle in self._sought]


class Occurring:
    """Which of many fixed strings occur in a text.

    A string that was found is not searched for in the rest of the text, so a text full of them takes no
    longer than any other.

    Args:
        needles: the strings, none empty.
    """

    def __init__(self, needles: Iterable[str]) -> None:
        self._needles = list(needles)
        self._longest = max(map(len, self._needles), default=0)
        self._search = lru_cache(maxsize=256)(self._search_without)

    def find(self, text: str) -> frozenset[str]:
        """The strings that occur in this text, which has no half surrogate pairs."""
        found: frozenset[str] = frozenset()
        for start, stop in blocks(len(text)):
            search = self._search(found)
            places = search.find(text[max(start - self._longest, 0) : stop])
            found |= {search.needles[number] for number, _, _ in places}
        return found

    def starts(self, text: str, start: int, stop: int, others: frozenset[str]) -> dict[str, list[int]]:
        """Where those that are not among the others begin between `start` and `stop`."""
        search = self._search(others)
        found: dict[str, list[int]] = {}
        for number, place, _ in search.find(text[start : stop + self._longest]):
            if start + place < stop:
                found.setdefault(search.needles[number], []).append(start + place)
        return found

    def any_in(self, text: str | bytes) -> bool:
        """Whether one of them occurs in this text, which has no half surrogate pairs; bytes are ASCII."""
        find: Callable[[Any], object] = self._all.find_ascii if isinstance(text, bytes) else self._all.find
        if len(text) <= _FIRST_BLOCK:
            return bool(find(text))
        return any(find(text[max(start - self._longest, 0) : stop]) for start, stop in blocks(len(text)))

    @cached_property
    def _all(self) -> TextSearch:
        return TextSearch(self._needles)

    def _search_without(self, found: frozenset[str]) -> TextSearch:
        if not found:
            return self._all
        return TextSearch(needle for needle in self._needles if needle not in found)


def texts_at(texts: Sequence[str], places: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Of each place the text in which it lies, and where that text begins.

    Args:
        places: places in the texts joined by one character, in any order.
    """
    ends = list(accumulate(len(text) + 1 for text in texts))
    text, first, last = "", 0, 0
    for place in places:
        if not first <= place < last:
            number = bisect_right(ends, place)
            text, last = texts[number], ends[number]
            first = last - len(text) - 1
        yield text, first


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
