"""The secret values of one task, and hiding them wherever they turn up again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from hashlib import blake2b
from urllib.parse import quote, quote_plus

from pydantic import JsonValue

PLACEHOLDER = r"\[redacted:[0-9a-f]{8}\]"
_DONE = re.compile(rf"{PLACEHOLDER}|\*+")
_SCHEME = re.compile(r"(?:bearer|basic|digest|token)\s+(\S+)", re.IGNORECASE)

# Shorter values are replaced under their name only: as a text they are everywhere. So are these words.
_SHORTEST = 3
_WORDS = frozenset({"none", "null", "true", "false", "secret", "password", "token", "basic", "bearer"})
# Shorter values are replaced elsewhere only where no letter or digit touches them (a PIN in an account
# number is not the PIN).
_ANYWHERE = 6


class Secrets:
    """What is secret in one task. Kept in memory only.

    Args:
        key: of the placeholders' hash.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._forms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.size = 0
        """Characters held, for a bound on memory. Grows with every new secret that is hidden elsewhere."""

    def add(self, secret: str | int | float) -> str:
        """Remember a secret; gives what stands for it. A placeholder stands for itself."""
        text = str(secret)
        stand_in = self.stand_in(text)
        if stand_in != text and text not in self._forms and _is_telling(text):
            for form in _forms(text):
                self._forms.setdefault(form, stand_in)
                self.size += len(form)
            self._pattern = None
        return stand_in

    def stand_in(self, secret: str) -> str:
        """What stands for it, without remembering it."""
        if _DONE.fullmatch(secret):
            return secret
        text = secret.encode("utf-8", "surrogatepass")
        return f"[redacted:{blake2b(text, key=self._key, digest_size=4).hexdigest()}]"

    def hide_text(self, text: str) -> str:
        """The text without the secrets: as they are, and escaped for JSON, Python and URLs."""
        if not self._forms:
            return text
        if self._pattern is None:
            self._pattern = _compile(self._forms)
        return self._pattern.sub(lambda found: self._forms.get(found[0], found[0]), text)

    def hide(self, value: JsonValue) -> JsonValue:
        """The value without the secrets, in keys, strings and numbers; itself where there are none."""
        if not self._forms:
            return value
        return map_leaves(value, self._hide_leaf, self.hide_text)

    def _hide_leaf(self, leaf: str | int | float) -> JsonValue:
        if isinstance(leaf, str):
            return self.hide_text(leaf)
        return self._forms.get(str(leaf), leaf)


def map_leaves(
    value: JsonValue,
    leaf: Callable[[str | int | float], JsonValue],
    key: Callable[[str], str] = lambda name: name,
) -> JsonValue:
    """The value with every string and number mapped; null and booleans stay as they are."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {key(name): map_leaves(item, leaf, key) for name, item in value.items()}
    if isinstance(value, list):
        return [map_leaves(item, leaf, key) for item in value]
    return leaf(value)


def _is_telling(secret: str) -> bool:
    return len(secret.strip()) >= _SHORTEST and secret.strip().lower() not in _WORDS


def _forms(secret: str) -> set[str]:
    """How a text may show this secret. `Bearer abc` is shown by `abc` too."""
    forms: set[str] = set()
    scheme = _SCHEME.fullmatch(secret.strip())
    for text in {secret, secret.strip(), *(scheme.groups() if scheme else ())}:
        ascii_json, json_text = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
        forms |= {text, ascii_json, json_text, repr(text)[1:-1]}
        # JSON inside JSON, as in a model's raw text of a call.
        forms |= {json.dumps(ascii_json)[1:-1], json.dumps(json_text, ensure_ascii=False)[1:-1]}
        encoded = text.encode("utf-8", "surrogatepass")
        forms |= {quote(encoded), quote(encoded, safe=""), quote_plus(encoded)}
    return {form for form in forms if len(form) >= _SHORTEST}


def _compile(forms: Iterable[str]) -> re.Pattern[str]:
    """One pattern for all forms, longest first; placeholders match first, so that they stay whole.

    Grouped by their first three characters, because a state may hold thousands of secrets and a flat
    alternation would try each at every place.
    """
    starts: dict[str, dict[str, list[str]]] = {}
    for form in sorted(forms, key=len, reverse=True):
        end = re.escape(form[3:])
        if len(form) < _ANYWHERE:
            end += r"(?![^\W_])"
            start = r"(?<![^\W_])" + re.escape(form[0])
        else:
            start = re.escape(form[0])
        starts.setdefault(start, {}).setdefault(re.escape(form[1:3]), []).append(end)
    branches = [
        start + _either(middle + _either(ends) for middle, ends in middles.items())
        for start, middles in starts.items()
    ]
    return re.compile("|".join([PLACEHOLDER, *branches]))


def _either(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"
