"""Secrets in a text: under their name (`password=x`, `"pin": "1"`, `--password x`), after
`Bearer`, in a URL, in `curl -u`, or as a key with a provider's prefix.

One pass finds the words at which a secret may follow, and each place is read once. So the time grows with
the text's length alone, for every text.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from typing import NamedTuple

from artis_sdk.logs.secret_names import SecretNames
from artis_sdk.logs.secret_tokens import BLOCK, PREFIXES, begins_word, block_at, looks_random, token_at
from artis_sdk.logs.secrets import PLACEHOLDER
from artis_sdk.logs.text_search import TextSearch

_LONGEST_NAME = 64
_AFTER_NAME = re.compile(r"\\*+[\"']?\s*+(?:=>|:=|[:=])\s*+")
_ASSIGNED = re.compile(rf"[\w-]*+(?:{_AFTER_NAME.pattern}|\s++is\s)")
_AFTER_FLAG = re.compile(r"[ \t]++")
_NAME_END = re.compile(r"[\w-]*+")
_VALUE = re.compile(
    rf"(?P<done>{PLACEHOLDER})"
    # Quoted, perhaps cut off; then quoted inside a JSON string.
    r"|\"(?P<double>(?:[^\"\\]++|\\.)*+)(?:\"|\\?\Z)"
    r"|'(?P<single>(?:[^'\\]++|\\.)*+)(?:'|\\?\Z)"
    r"|(?P<open>\\++[\"'])"
    rf"|(?i:bearer|basic|digest|token)\s+(?P<scheme>{PLACEHOLDER}|"
    r"[^\s\"'\\,;&(){}\[\]]++)"
    # A bare word; the full stop of its sentence is taken off again.
    r"|(?P<bare>[^\s\"'\\,;&(){}\[\]]++)",
    re.DOTALL,
)
_WORD = re.compile(r"(?:\\?[\"'])?(?P<value>[^\s\"'\\<>]++)")
_ARGUMENT = re.compile(r"[ \t]*+" + _WORD.pattern)
_BEARER = re.compile(r"\s++(?P<value>[\w.~+/=-]++)", re.ASCII)
_AUTHORITY = re.compile(rf"(?P<user>(?:{PLACEHOLDER}|[^/\s:@\[?#\"'<>\\])*+)(?::(?P<value>[^/\s@]++))?@")
_USER = re.compile(r"[ =]?[ \t]*+\\?[\"']?(?P<user>[^\s:\"'\\/]{1,128}+):(?P<value>[^\s\"'\\]++)")
_IN_QUERY = re.compile(r"(?P<value>[^&\s#\"'\\<>]++)")
_IS = re.compile(r"\s++is:?+\s++[\"'`]?+(?P<value>[^\s\"'`,;]++)")
_IN_TAG = re.compile(r">(?P<value>[^<>]++)</")
_NOTHING = frozenset({"none", "null", "true", "false"})
# Words that a sentence says about a password or a token, and words for no value.
_SAID = frozenset(
    {
        *(
            "expired",
            "invalid",
            "incorrect",
            "wrong",
            "missing",
            "unknown",
            "required",
            "optional",
            "rejected",
        ),
        *(
            "accepted",
            "revoked",
            "valid",
            "ok",
            "yes",
            "no",
            "not",
            "must",
            "should",
            "the",
            "a",
            "undefined",
        ),
    }
)
_QUERY = ("sig=", "signature=", "x-amz-signature=", "key=", "code=")
_DEEPEST = 8  # how often quoted JSON is unescaped


class Found(NamedTuple):
    """A secret in a text."""

    start: int
    end: int
    value: str
    """Without the escapes that stand in the text."""
    prose: bool
    """Whether it may be a word of a sentence (`token: expired`), and is not looked for elsewhere."""


class SecretTexts:
    """Finds secrets in texts.

    Args:
        names: the names of secrets; without any nothing is found.
    """

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        kinds = dict.fromkeys(names.starts, "name")
        if names.any:
            kinds |= {
                **dict.fromkeys(PREFIXES, "token"),
                BLOCK: "block",
                "bearer": "bearer",
                "basic ": "basic",
            }
            kinds |= {**dict.fromkeys(names.spaced, "spaced"), "sshpass -p": "word"}
            kinds |= {"://": "url", "-u": "user", "--user": "user", **dict.fromkeys(_QUERY, "query")}
        # A word may begin several things: `auth` a name, `sk-` a name and a key.
        self._kinds = list(kinds.items())
        self._search = TextSearch(kinds, ignore_case=True)

    def may_hold(self, text: str) -> bool:
        """Whether the text could hold a secret; False is certain, and found quickly."""
        return bool(self._search.find(text))

    def suspects(self, texts: list[str]) -> set[str]:
        """Those of many texts that could hold a secret."""
        return self._search.suspects(texts)

    def find(self, text: str) -> list[Found]:
        """The secrets in a text, in order, without overlaps."""
        found: list[Found] = []
        last = name_end = 0
        hits = sorted((start, end, number) for number, start, end in self._search.find(text))
        for start, end, number in hits:
            word, kind = self._kinds[number]
            if start < last:
                continue
            if kind == "name":
                if start < name_end or not _may_name(text, start):
                    continue
                first, name_end = _name_around(text, start, max(last, name_end))
                secret = self._named(text, first, name_end)
            else:
                secret = _read(text, word, kind, start, end)
            if secret is not None and secret.end > secret.start >= last:
                found.append(secret)
                last = secret.end
        return found

    def _named(self, text: str, start: int, end: int) -> Found | None:
        start = max(start, end - 2 * _LONGEST_NAME)
        name = text[start:end]
        if name[:1] in "nrt" and text[start - 1 : start] == "\\" and start > 0:
            name = name[1:] if self._names.is_secret(name[1:]) else name
        if not self._names.is_secret(name):
            return None
        after = _AFTER_NAME.match(text, end)
        if after is not None:
            return _value(text, after.end())
        if (said := _IS.match(text, end)) is not None:
            value = said["value"].rstrip(".:!?")
            begin = said.start("value")
            return Found(begin, begin + len(value), value, False) if looks_random(value, 6) else None
        if text[max(start - 1, 0) : start] == "-" and (after := _AFTER_FLAG.match(text, end)) is not None:
            value = _value(text, after.end())
            return None if value is None or value.value.startswith("-") else value._replace(prose=False)
        if text[max(start - 1, 0) : start] == "<" and (tag := _IN_TAG.match(text, end)) is not None:
            return Found(*tag.span("value"), tag["value"], False)
        return None


def _may_name(text: str, start: int) -> bool:
    """Whether a value can belong to the name that this word is in, at a glance; False is certain."""
    if _ASSIGNED.match(text, start):
        return True
    before = text[start - 1 : start]
    return before.isalnum() or before in ("-", "_", "<")


def _name_around(text: str, place: int, first: int) -> tuple[int, int]:
    """Start and end of the name that this place is in, without the dashes before it."""
    start = place
    while start > max(first, place - _LONGEST_NAME) and (
        text[start - 1].isalnum() or text[start - 1] in "_-"
    ):
        start -= 1
    while text[start] == "-" and start < place:
        start += 1
    match = _NAME_END.match(text, place)
    return start, match.end() if match is not None else place


def _read(text: str, word: str, kind: str, start: int, end: int) -> Found | None:
    """The secret at a word that is not a name."""
    if kind == "token":
        span = token_at(text, word, start)
        return None if span is None else Found(*span, text[slice(*span)], False)
    if kind == "block":
        span = block_at(text, start)
        return None if span is None else Found(*span, text[slice(*span)], False)
    if kind == "spaced":
        after = _AFTER_NAME.match(text, end)
        value = None if after is None else _value(text, after.end())
        return value if value is not None and any(map(str.isdigit, value.value)) else None
    if kind == "url":
        return _in_authority(text, start, end)
    if not begins_word(text, start):
        # `&X-Amz-Signature=` begins with a word of its own, and is found by it.
        return None
    match = {"bearer": _BEARER, "basic": _WORD, "word": _ARGUMENT, "user": _USER, "query": _IN_QUERY}[
        kind
    ].match(text, end)
    if match is None:
        return None
    secret = match["value"]
    if "[redacted:" in secret:
        return None
    if kind == "bearer" and not (looks_random(secret.rstrip(".")) or len(secret) >= 24):
        return None
    if kind == "basic" and not _is_basic(secret):
        return None
    if kind == "user" and not _is_password(text, start, secret):
        return None
    if kind == "query" and not _is_signature(text, start, word, secret):
        return None
    return Found(*match.span("value"), secret, False)


def _in_authority(text: str, start: int, end: int) -> Found | None:
    """The password of a URL; or its user, if that alone is a key."""
    match = _AUTHORITY.match(text, end)
    if match is None:
        return None
    if match["value"] is not None:
        return Found(*match.span("value"), match["value"], False)
    if "[" in match["user"]:
        return None
    web = text[max(start - 5, 0) : start].lower().endswith(("http", "https"))
    if looks_random(match["user"], 8 if web else 20):
        return Found(*match.span("user"), match["user"], False)
    return None


def _is_password(text: str, start: int, value: str) -> bool:
    """Whether `-u name:value` is a user and a password, rather than a user and a group, or a branch."""
    return looks_random(value, 6) or (not value.isdigit() and "curl" in text[max(start - 200, 0) : start])


def _is_signature(text: str, start: int, word: str, value: str) -> bool:
    """Whether a URL's parameter signs it; `key` and `code` are common words, so theirs must look random."""
    if text[start - 1 : start] not in ("?", "&", ";"):
        return False
    return looks_random(value, 16) if word in ("key=", "code=") else len(value) >= 6


def _is_basic(value: str) -> bool:
    """Whether it is the base64 of `user:password`."""
    try:
        return ":" in b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return False


def _value(text: str, start: int) -> Found | None:
    """The value behind a name."""
    match = _VALUE.match(text, start)
    if match is None:
        return None
    group = match.lastgroup
    assert group is not None
    begin, end = match.span(group)
    depth = 1 if group == "double" else 0
    if group == "open":
        begin, end, depth = end, _closing(text, end, match["open"]), 1 + len(match["open"]) // 2
    value = text[begin:end]
    if group == "bare":
        value = value.rstrip(".:!?")
        end = begin + len(value)
    said = group == "bare" and value.lower() in _SAID
    if group == "done" or not value or value.lower() in _NOTHING or said:
        return None
    prose = group == "bare" and not looks_random(value, 6)
    return Found(begin, end, _unescape(value, min(depth, _DEEPEST)), prose)


def _closing(text: str, start: int, mark: str) -> int:
    """Where a text that was quoted by `\\"` ends: at the next such mark with as many backslashes."""
    end = text.find(mark, start)
    while end > start and text[end - 1] == "\\":
        end = text.find(mark, end + len(mark))
    return len(text) if end < 0 else end


def _unescape(text: str, depth: int) -> str:
    """The string of a quoted piece of JSON; the text unchanged if its escapes are invalid."""
    for _ in range(depth if "\\" in text else 0):
        try:
            plain = json.loads(f'"{text}"', strict=False)
        except ValueError:
            break
        if plain == text:
            break
        text = str(plain)
    return text
