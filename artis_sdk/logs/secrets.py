"""The secret values of one session, hidden wherever they occur again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from threading import RLock

from pydantic import JsonValue

from artis_sdk.logs.secret_forms import ANYWHERE, forms, is_telling, pieces
from artis_sdk.logs.text_search import TextSearch, apart
from artis_sdk.records.redacted import PLACEHOLDER as PLACEHOLDER

PLACEHOLDERS = re.compile(PLACEHOLDER)
_DONE = re.compile(rf"{PLACEHOLDER}|\*+")
_NEEDLE = 256  # characters of a longer form that are searched for; the rest is compared
_MOST = 50_000  # secrets remembered; beyond it the older half is forgotten


class _Generation:
    """The forms of the secrets that were added together, ready to be searched for."""

    def __init__(self, shown: dict[str, str], parts: frozenset[str]) -> None:
        self.shown = shown
        self.parts = parts
        by_needle: dict[str, list[tuple[str, str | None]]] = {piece: [(piece, None)] for piece in parts}
        for form, stand_in in shown.items():
            by_needle.setdefault(form[:_NEEDLE], []).append((form, stand_in))
        self._found = list(by_needle.values())
        self.search = TextSearch(by_needle)

    def __len__(self) -> int:
        return len(self.shown) + len(self.parts)

    def spans(self, text: str) -> Iterator[tuple[int, int, str | None]]:
        """Places of secrets in the text, with their placeholders; None for a piece."""
        for number, start, _ in self.search.find(text):
            for form, stand_in in self._found[number]:
                end = start + len(form)
                if len(form) > _NEEDLE and not text.startswith(form, start):
                    continue
                if len(form) >= ANYWHERE or not _touched(text, start, end):
                    yield start, end, stand_in


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
        self.size = 0
        """Number that grows with every new secret that is hidden elsewhere."""

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

    def stand_in(self, secret: str) -> str:
        """Its placeholder, without remembering it."""
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

    def hide(self, value: JsonValue) -> JsonValue:
        """The value without the secrets, in keys, strings and numbers; the same object if it has none."""
        generations = self._searched()
        if not generations:
            return value
        if isinstance(value, str):
            return self.hide_text(value)
        texts = all_texts(value)
        suspects = set[str]().union(*(part.search.suspects(texts) for part in generations))
        if not suspects:
            return value
        hidden = {text: self.hide_text(text) for text in suspects}

        def leaf(item: str | int | float) -> JsonValue:
            text = str(item)
            clean = hidden.get(text, text)
            # A number is one value: hidden as a whole or not at all.
            return (
                item if clean == text or (item is not text and not PLACEHOLDERS.fullmatch(clean)) else clean
            )

        return map_leaves(value, leaf, lambda name: hidden.get(name, name))

    def _searched(self) -> tuple[_Generation, ...]:
        """Each secret is in one generation, and there are few: a new one swallows those not much larger."""
        if self._new:
            with self._lock:
                self._forget_oldest()
                shown: dict[str, str] = {}
                parts: frozenset[str] = frozenset()
                for secret in self._new:
                    shown |= dict.fromkeys(forms(secret), self.stand_in(secret))
                    parts |= pieces(secret)
                older = list(self._generations)
                while older and len(older[-1]) <= 2 * (len(shown) + len(parts)):
                    last = older.pop()
                    shown, parts = last.shown | shown, last.parts | parts
                self._new = []
                self._generations = (*older, _Generation(shown, parts))
        return self._generations

    def _forget_oldest(self) -> None:
        if len(self._values) > _MOST:
            self._values = dict(list(self._values.items())[len(self._values) // 2 :])
            self._new = [secret for secret in self._values.values() if is_telling(secret)]
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


def map_leaves(
    value: JsonValue,
    leaf: Callable[[str | int | float], JsonValue],
    key: Callable[[str], str] = lambda name: name,
) -> JsonValue:
    """The value with every string and number mapped; null and booleans stay unchanged."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {key(name): map_leaves(item, leaf, key) for name, item in value.items()}
    if isinstance(value, list):
        return [map_leaves(item, leaf, key) for item in value]
    return leaf(value)


def all_texts(value: JsonValue) -> list[str]:
    """Keys, strings and numbers, as texts."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            found += item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif item is not None and not isinstance(item, bool):
            found.append(str(item))
    return found


def _touched(text: str, start: int, end: int) -> bool:
    """Whether a letter or digit is next to it."""
    return (start > 0 and text[start - 1].isalnum()) or text[end : end + 1].isalnum()
