"""The secret values of one session, hidden wherever they occur again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from hashlib import blake2b
from threading import RLock

from pydantic import JsonValue

from artis_sdk.logs.leaves import Leaves, exchanged, leaves, map_leaves
from artis_sdk.logs.secret_forms import ANYWHERE, forms, is_telling, pieces
from artis_sdk.logs.text_search import TextSearch, apart, texts_at
from artis_sdk.records.redacted import PLACEHOLDER as PLACEHOLDER

PLACEHOLDERS = re.compile(PLACEHOLDER)
_DONE = re.compile(rf"{PLACEHOLDER}|\*+")
_NEEDLE = 12  # characters of a longer form that are searched for; the rest is compared
_MOST = 20_000  # secrets remembered; beyond it the newer half is kept
_WORD = re.compile(r"[\w.~+/-]*[\w~+/-]", re.ASCII)
_TO_WORDS = "".join(chr(code) if _WORD.match(chr(code)) or chr(code) == "." else " " for code in range(128))
_DIGITS = 4_300  # of an integer; Python reads no longer one
_NUMBER = re.compile(rf"-?+[0-9]{{1,{_DIGITS}}}+(?:\.[0-9]++)?+(?:e[+-]?+[0-9]++)?+")


class _Generation:
    """The forms of the secrets that were added together, ready to be searched for."""

    def __init__(self, shown: dict[str, str], parts: frozenset[str]) -> None:
        self.shown = shown
        self.parts = parts
        self._by_needle: dict[str, list[tuple[str, str]]] = {}
        for form, stand_in in shown.items():
            self._by_needle.setdefault(form[:_NEEDLE], []).append((form, stand_in))
        # In order, because neighbours in the automaton are then neighbours in memory: half the time.
        self._search = TextSearch(sorted(self._by_needle.keys() | parts))
        self.numbers = frozenset(map(_number, filter(_NUMBER.fullmatch, (*shown, *parts))))
        """Those that a number may be."""

    def __len__(self) -> int:
        return len(self.shown) + len(self.parts)

    def suspects(self, texts: Sequence[str], joined: str) -> set[str]:
        """Those of these texts that may hold a secret; joined by line breaks they are `joined`."""
        return {text for text, _ in texts_at(texts, self._search.starts(joined))}

    def spans(self, text: str) -> Iterator[tuple[int, int, str | None]]:
        """Places of secrets in the text, with their placeholders; None for a piece."""
        needles = self._search.needles
        for number, start, end in self._search.find(text):
            needle = needles[number]
            if needle in self.parts:
                yield start, end, None
            for form, stand_in in self._by_needle.get(needle, ()):
                end = start + len(form)
                if len(form) > _NEEDLE and not text.startswith(form, start):
                    continue
                if len(form) >= ANYWHERE or not _touched(text, start, end):
                    yield start, end, stand_in


class _Words:
    """Secrets that are looked for as whole words."""

    numbers: frozenset[float] = frozenset()

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def suspects(self, texts: Sequence[str], joined: str) -> set[str]:
        """As that of a generation."""
        if self.shown.keys().isdisjoint(_words(joined)):
            return set()
        return {text for text in texts if not self.shown.keys().isdisjoint(_words(text))}

    def spans(self, text: str) -> Iterator[tuple[int, int, str | None]]:
        """Places of secrets in the text, with their placeholders."""
        for word in _WORD.finditer(text):
            if (stand_in := self.shown.get(word[0])) is not None:
                yield *word.span(), stand_in


class Secrets:
    """The secrets of one session. Kept in memory only; may be used by several threads.

    Args:
        key: key of the placeholders' hash.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = RLock()
        self._values: dict[str, str] = {}
        self._new: list[str] = []
        self._generations: tuple[_Generation, ...] = ()
        self._words = _Words()
        self.size = 0
        """Number that grows with every new secret that is hidden elsewhere."""

    @cached_property
    def stand_in(self) -> Callable[[str], str]:
        """Placeholder of a secret, without remembering it."""
        return lru_cache(maxsize=4096)(self._stand_in)

    def add(self, secret: str | int | float) -> str:
        """Remember a secret and return its placeholder. A placeholder returns itself."""
        text = str(secret)
        stand_in = self.stand_in(text)
        if stand_in != text and stand_in not in self._values:
            with self._lock:
                self._values[stand_in] = text
                if is_telling(text):
                    self._new.append(text)
                    self.size += len(text)
        return stand_in

    def add_word(self, secret: str) -> str:
        """As `add`, for one of very many secrets: from now on hidden as a whole word, not in its other
        forms."""
        stand_in = self.stand_in(secret)
        if stand_in != secret:
            with self._lock:
                self._values[stand_in] = secret
                if len(secret) >= ANYWHERE and _WORD.fullmatch(secret):
                    self._words.shown[secret] = stand_in
                    self.size += len(secret)
        return stand_in

    def knows(self, stand_in: str) -> bool:
        """Whether the secret of this placeholder is remembered."""
        return stand_in in self._values

    @property
    def one_of_many(self) -> str:
        """A placeholder for secrets that are not distinguished."""
        return self.stand_in("one of more secrets than are told apart")

    def _stand_in(self, secret: str) -> str:
        if _DONE.fullmatch(secret):
            return secret
        text = secret.encode("utf-8", "surrogatepass")
        return f"[redacted:{blake2b(text, key=self._key, digest_size=4).hexdigest()}]"

    # --- hiding -------------------------------------------------------------------------------

    def hide_text(self, text: str) -> str:
        """The text without the secrets, whether unchanged, escaped for JSON, Python and URLs, or in base64
        or hex, and without the longer pieces of those that look like keys."""
        found = [span for part in self._searched() for span in part.spans(text)]
        if not found:
            return text
        kept = [match.span() for match in PLACEHOLDERS.finditer(text)]
        whole = apart(((start, end, it) for start, end, it in found if it is not None), kept)
        places = [(start, end) for start, end, _ in whole]
        torn = apart(((start, end, "") for start, end, it in found if it is None), sorted(kept + places))
        cut = [(start, end, self.stand_in(text[start:end])) for start, end, _ in torn]
        return replaced(text, sorted(whole + cut))

    def has_none(self, parts: Leaves) -> bool:
        """Whether `hide` finds no secret in a value of these parts. True is certain."""
        generations = self._searched()
        if not generations:
            return True
        texts = _texts_of(parts, generations)
        joined = "\n".join(texts)
        return not any(part.suspects(texts, joined) for part in generations)

    def hide(self, value: JsonValue) -> JsonValue:
        """The value without the secrets, in keys, strings and numbers; the same object if it has none.

        A number is one value: hidden as a whole or not at all.
        """
        if isinstance(value, str):
            return self.hide_text(value)
        if not self._searched():
            return value
        hidden = self.hidden_texts(leaves(value))
        return exchanged(value, hidden) if hidden else value

    def hidden_texts(self, parts: Leaves) -> dict[str, str]:
        """What takes the place of keys, texts and numbers' texts among these parts that hold secrets."""
        generations = self._searched()
        if not generations:
            return {}
        texts = _texts_of(parts, generations)
        joined = "\n".join(texts)
        suspects = set[str]().union(*(part.suspects(texts, joined) for part in generations))
        hidden: dict[str, str] = {}
        for text in suspects:
            clean = self.hide_text(text)
            if clean == text:
                continue
            if text in parts.keys or text in parts.texts or PLACEHOLDERS.fullmatch(clean):
                hidden[text] = clean
        return hidden

    def _searched(self) -> tuple[_Generation | _Words, ...]:
        """Each secret is in one generation, and there are few: a new one swallows those not much larger."""
        if self._new:
            with self._lock:
                self._forget_oldest()
                shown: dict[str, str] = {}
                parts: set[str] = set()
                for secret in self._new:
                    shown |= dict.fromkeys(forms(secret), self.stand_in(secret))
                    parts |= pieces(secret)
                older = list(self._generations)
                while older and len(older[-1]) <= 2 * (len(shown) + len(parts)):
                    last = older.pop()
                    shown, parts = last.shown | shown, parts | last.parts
                self._new = []
                self._generations = (*older, _Generation(shown, frozenset(parts)))
        return (*self._generations, self._words) if self._words.shown else self._generations

    def _forget_oldest(self) -> None:
        if len(self._values) > _MOST:
            self._values = dict(list(self._values.items())[-_MOST // 2 :])
            words = self._words.shown
            self._new = [it for it in self._values.values() if it not in words and is_telling(it)]
            self._words.shown = {it: at for it, at in words.items() if at in self._values}
            self._generations = ()

    # --- and back -----------------------------------------------------------------------------

    def reveal_text(self, text: str) -> str:
        """The text with placeholders replaced by the secrets that this session knows."""
        if "[redacted:" not in text:
            return text
        return PLACEHOLDERS.sub(lambda found: self._values.get(found[0], found[0]), text)

    def reveal(self, value: JsonValue) -> JsonValue:
        """The value with placeholders replaced by the secrets that this session knows."""

        def leaf(item: str | int | float) -> JsonValue:
            return self.reveal_text(item) if isinstance(item, str) else item

        return map_leaves(value, leaf, self.reveal_text)


def _words(text: str) -> list[str]:
    """The words of a text, each without the full stop after it."""
    if text.isascii():  # half the time
        return f"{text} ".translate(_TO_WORDS).replace(". ", " ").split()
    return _WORD.findall(text)


def _texts_of(parts: Leaves, searched: Iterable[_Generation | _Words]) -> list[str]:
    """The texts of a value that these secrets may stand in."""
    texts = [*(parts.keys | parts.texts)]
    for part in searched:
        texts += map(str, part.numbers.intersection(parts.numbers)) if part.numbers else ()
    return texts


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def replaced(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """The text with other text in these places.

    Args:
        spans: start, end and the text that goes there, by start, without overlaps.
    """
    parts: list[str] = []
    last = 0
    for start, end, other in spans:
        parts += (text[last:start], other)
        last = end
    return "".join((*parts, text[last:]))


def _touched(text: str, start: int, end: int) -> bool:
    """Whether a letter or digit is next to it."""
    return (start > 0 and text[start - 1].isalnum()) or text[end : end + 1].isalnum()
