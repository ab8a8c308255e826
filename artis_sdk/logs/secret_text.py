"""Secrets in a text: under their name (`password=x`, `"pin": "1"`, `--password x`), after
`Bearer`, in a URL, in `curl -u`, or as a key with a provider's prefix.

Each place at which a secret may stand is read once. So the time grows with the text's length alone, for every
text.
"""

from __future__ import annotations

import binascii
import html
import json
import re
from base64 import b64decode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, groupby
from typing import NamedTuple
from urllib.parse import unquote

from artis_sdk.logs.secret_names import SecretNames
from artis_sdk.logs.secret_places import AFTER_NAME, AUTHORITY, LONGEST_NAME, USER, Place, SecretPlaces
from artis_sdk.logs.secret_tokens import block_after, looks_random
from artis_sdk.records.redacted import PLACEHOLDER

_AFTER_FLAG = re.compile(r"[ \t]++(?:\\++\r?+\n[ \t]*+)*+")
_IN_NAME = re.compile(r"(?<![\w-])[\w-]++\Z")
_VALUE = re.compile(
    rf"(?P<done>{PLACEHOLDER})"
    # As in TOML and Python, also inside a JSON string; in HTML; in a URL.
    r"|(?P<triple>\"{3}|'{3}|(?:\\++\"){3})"
    r"|(?P<entity>&(?:amp;)*+(?:quot|apos|#0*+3[49]|#x0*+2[27]);)"
    r"|(?P<percent>%2[27])"
    # Quoted, perhaps cut off; then quoted inside a JSON string.
    r"|\"(?P<double>(?:[^\"\\]++|(?:\\.)++)*+)(?:\"|\\?\Z)"
    r"|'(?P<single>(?:[^'\\]++|(?:\\.)++)*+)(?:'|\\?\Z)"
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
_IN_QUERY = re.compile(r"(?P<value>[^&\s#\"'\\<>]++)")
_PIPED = re.compile(r"\\?+[\"']?+(?P<value>[^\s\"'\\|]++)")
_AFTER_PERCENT = re.compile(r"%2[267c]|%0[ad]|%7d", re.IGNORECASE)  # ends a value in a URL's value
_ATTRIBUTE = re.compile(r"[\s\"'](?:value|content)\s*+=\s*+(?:(?P<mark>\\*+[\"'])|(?=[^\s>]))", re.IGNORECASE)
_TAG = 500  # characters of a tag before and after the name in it
_READERS = {
    "bearer": _BEARER,
    "basic": _WORD,
    "word": _ARGUMENT,
    "user": USER,
    "query": _IN_QUERY,
    "piped": _PIPED,
}
_SAID = re.compile(r"\s++(?:(?P<verb>is|was):?+\s++)?+[\"'`]?+(?P<value>[^\s\"'`,;]++)", re.IGNORECASE)
_SPOKEN = ("password", "passwd", "passphrase")  # `login ann password x`, without a mark between
_WORD_AND_NUMBER = re.compile(r"[A-Za-z]++[0-9]*+")
_IN_TAG = re.compile(r"(?:\s[^<>]{0,200}+)?+>(?:<!\[CDATA\[)?+(?P<value>[^<>]++)>?+</")
_NOTHING = frozenset({"none", "null", "true", "false"})
# Words that a sentence says about a password or a token, and words for no value.
_REMARKS = frozenset(
    {
        *("expired", "invalid", "incorrect", "wrong", "missing", "unknown", "required", "optional"),
        *("rejected", "accepted", "revoked", "valid", "ok", "yes", "no", "not", "must", "should", "the", "a"),
        "undefined",
    }
)
_LONG = 16_384  # characters of a text that is searched on its own
_DEEPEST = 8  # how often quoted JSON is unescaped


# Groups of `_VALUE` that are the mark before a value, and again after it.
_MARKS = frozenset({"open", "triple", "entity", "percent"})


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
        self._places = SecretPlaces(names)
        self.may_hold = self._places.may_hold
        """Whether a text could hold a secret; False is certain, and found quickly."""

    def suspects(self, texts: Sequence[str]) -> Iterator[tuple[str, Iterable[Place]]]:
        """Those of many texts that could hold a secret, each with the places in it, in order."""
        short = [text for text in texts if len(text) < _LONG]
        yield from ((text, self._places.find(text)) for text in texts if len(text) >= _LONG)
        places = self._places.find("\n".join(short))
        if (place := next(places, None)) is None:
            return
        places = chain((place,), places)
        ends = list(accumulate(len(text) + 1 for text in short))
        done = -1
        for number, group in groupby(places, lambda place: bisect_right(ends, place[0])):
            first = ends[number] - len(short[number]) - 1
            found = [(start - first, end - first, kind, word) for start, end, kind, word in group]
            last = bisect_right(ends, first + max(place[1] for place in found) - 1)
            if number > done and last == number:
                yield short[number], found
                continue
            # A place that reaches into the next text may hide one there.
            for other in range(max(number, done + 1), last + 1):
                yield short[other], self._places.find(short[other])
            done = max(done, last)

    def find(self, text: str, places: Iterable[Place] | None = None) -> Iterator[Found]:
        """The secrets in a text, in order, without overlaps; reading goes on with each step of the iterator.

        Args:
            text: any text.
            places: those that `suspects` found in it; None to find them.
        """
        last = name_end = 0
        is_secret = self._names.is_secret
        for place in self._places.find(text) if places is None else places:
            start, end, kind, _ = place
            if start < last:
                continue
            if kind == "name":
                if start < name_end:
                    continue
                first = _name_start(text, start, last if last > name_end else name_end)
                first, name_end = max(first, end - 2 * LONGEST_NAME), end
                if not is_secret(text[first:end]) and text[first - 1 : first] != "\\":
                    continue  # at once: a text may be full of names such as `token_count`
                secret = self._named(text, first, end)
            elif kind == "attribute":
                name = text[_name_start(text, start, last) : end]
                secret = _in_attributes(text, start, end) if is_secret(name) else None
            else:
                secret = _read(text, place)
            if secret is not None and secret.end > secret.start >= last:
                yield secret
                last = secret.end

    def _named(self, text: str, start: int, end: int) -> Found | None:
        name = text[start:end]
        if name[:1] in "nrt" and text[start - 1 : start] == "\\" and start > 0:
            name = name[1:] if self._names.is_secret(name[1:]) else name
        if not self._names.is_secret(name):
            return None
        after = AFTER_NAME.match(text, end)
        if after is not None:
            return _value(text, after.end())
        if (said := _SAID.match(text, end)) is not None and "[redacted:" not in said["value"]:
            value = said["value"].rstrip(".:!?")
            begin = said.start("value")
            spoken = name.lower().endswith(_SPOKEN) and not _WORD_AND_NUMBER.fullmatch(value)
            if looks_random(value, 6) and (said["verb"] or spoken):
                return Found(begin, begin + len(value), value, False)
            if said["verb"]:
                return None
        if text[max(start - 1, 0) : start] == "-" and (after := _AFTER_FLAG.match(text, end)) is not None:
            value = _value(text, after.end())
            return None if value is None or value.value.startswith("-") else value._replace(prose=False)
        if text[max(start - 1, 0) : start] == "<" and (tag := _IN_TAG.match(text, end)) is not None:
            value = tag["value"].removesuffix("]]")
            return Found(tag.start("value"), tag.start("value") + len(value), html.unescape(value), False)
        return None


def _name_start(text: str, place: int, first: int) -> int:
    """Start of the name that this place is in, without the dashes before it."""
    if place == first or not ((letter := text[place - 1]).isalnum() or letter in "_-"):
        return place
    before = text[max(first, place - LONGEST_NAME) : place]
    inside = _IN_NAME.search(before)
    return place if inside is None else place - len(inside[0].lstrip("-"))


def _read(text: str, place: Place) -> Found | None:
    """The secret at a word that is not a name."""
    start, end, kind, word = place
    if kind == "token":
        key = text[start:end]
        return Found(start, end, key, False) if looks_random(key[len(word) :]) else None
    if kind == "block":
        span = block_after(text, end)
        return Found(*span, text[slice(*span)], False)
    if kind == "spaced":
        after = AFTER_NAME.match(text, end)
        value = None if after is None else _value(text, after.end())
        return value if value is not None and any(map(str.isdigit, value.value)) else None
    if kind == "url":
        return _in_authority(text, start, end)
    match = _READERS[kind].match(text, end if kind == "word" else start + len(word))
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
    if kind == "word" and not (
        looks_random(secret, 6) or word in ("sshpass -p", "redis-cli") or " -u" in text[start:end]
    ):
        return None
    if kind == "query" and word in ("key=", "code=") and not looks_random(secret, 16):
        # Common words: theirs must look random.
        return None
    return Found(*match.span("value"), secret, False)


def _in_authority(text: str, start: int, end: int) -> Found | None:
    """The password of a URL; or its user, if that alone is a key."""
    match = AUTHORITY.match(text, end)
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


def _in_attributes(text: str, start: int, end: int) -> Found | None:
    """The value beside a name in a tag: `<input type="password" value="x">`."""
    first = text.rfind("<", max(start - _TAG, 0), start)
    if first < 0 or text.find(">", first, start) >= 0:
        return None
    last = text.find(">", end, end + _TAG)
    match = _ATTRIBUTE.search(text, first, last if last >= 0 else end + _TAG)
    if match is None:
        return None
    begin, mark = match.end(), match["mark"]
    if mark is not None:
        close = _closing(text, begin, mark)
    else:
        bare = _WORD.match(text, begin)
        close = begin if bare is None else bare.end()
    value = html.unescape(text[begin:close])
    if not value or "[redacted:" in value or begin <= start < close:  # the value is the name
        return None
    return Found(begin, close, value, False)


def _is_password(text: str, start: int, value: str) -> bool:
    """Whether `-u name:value` is a user and a password, rather than a user and a group, or a branch."""
    return looks_random(value, 6) or (not value.isdigit() and "curl" in text[max(start - 200, 0) : start])


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
    if group in _MARKS:
        mark = match[group]
        begin, end, depth = end, _closing(text, end, mark), 1 + mark.count("\\") // 2
    value = text[begin:end]
    if group == "bare":
        in_url = text[start - 3 : start].lower() in ("%3d", "%3a") and _AFTER_PERCENT.search(value)
        value = (value[: in_url.start()] if in_url else value).rstrip(".:!?")
        end = begin + len(value)
    said = group == "bare" and value.lower() in _REMARKS
    if group == "done" or not value or value.lower() in _NOTHING or said:
        return None
    prose = group == "bare" and not looks_random(value, 6)
    if group == "entity":
        value = html.unescape(html.unescape(value))
    elif group == "percent":
        value = unquote(value)
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
