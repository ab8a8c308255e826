"""Forms of a secret in a text: unchanged, escaped, encoded, or a piece of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Shorter values, and these words, are replaced under their name only: as texts they are everywhere.
SHORTEST = 3
_WORDS = frozenset({"none", "null", "true", "false", "secret", "password", "token", "basic", "bearer"})
ANYWHERE = 6
"""Shorter values are replaced elsewhere only if no letter or digit touches them (a PIN in an account
number is not the PIN)."""
LONGEST = 4096
"""Longer values are looked for unchanged and escaped for JSON only."""
PIECE = 8
"""A piece of a secret counts from this length on."""
_SCHEME = re.compile(r"(?:bearer|basic|digest|token)\s+(\S+)", re.IGNORECASE)
_ENCODED = 6  # bytes from which on base64 and hex are specific enough
_PIECES = re.compile(r"[\w.~+/=-]{16,256}", re.ASCII)
_PLAIN = re.compile(r"[\w.~-]++", re.ASCII)
_MIXED = re.compile(rf"(?=(?=.{{0,{PIECE - 1}}}\d)(?=.{{0,{PIECE - 1}}}[A-Za-z])(.{{{PIECE}}}))")


def is_telling(secret: str) -> bool:
    """Whether the value can be looked for elsewhere without hiding half of all texts."""
    return len(secret.strip()) >= SHORTEST and secret.strip().lower() not in _WORDS


def forms(secret: str) -> set[str]:
    """The forms of this secret in a text. `abc` also counts as a form of `Bearer abc`."""
    found: set[str] = set()
    scheme = _SCHEME.fullmatch(secret.strip()) if len(secret) <= LONGEST else None
    for text in {secret, secret.strip(), *(scheme.groups() if scheme else ())}:
        if _PLAIN.fullmatch(text) and len(text) <= LONGEST:
            # The same in JSON, in Python and in a URL.
            found |= {text, *_encoded(text.encode())}
            continue
        ascii_json, json_text = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
        found |= {text, ascii_json, json_text}
        if len(text) > LONGEST:
            continue
        found.add(repr(text)[1:-1])
        # JSON inside JSON, as in a model's raw text of a call.
        found |= {json.dumps(ascii_json)[1:-1], json.dumps(json_text, ensure_ascii=False)[1:-1]}
        encoded = text.encode("utf-8", "surrogatepass")
        found |= {quote(encoded), quote(encoded, safe=""), quote_plus(encoded)}
        found |= _encoded(encoded)
    return {form for form in found if len(form) >= SHORTEST}


def _encoded(secret: bytes) -> set[str]:
    if len(secret) < _ENCODED:
        return set()
    return {secret.hex(), secret.hex().upper(), *_base64(secret)}


def pieces(secret: str) -> set[str]:
    """Every piece of `PIECE` characters that has a letter and a digit, of a secret that reads like a key."""
    if not _PIECES.fullmatch(secret):
        return set()
    return {found[1] for found in _MIXED.finditer(secret)}


def _base64(secret: bytes) -> Iterator[str]:
    """The parts of a longer text's base64 that the secret alone determines, at each of three offsets."""
    for before in range(3):
        first, end = (0, 2, 3)[before], (before + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(b"\0" * before + secret)[first:end].decode()
