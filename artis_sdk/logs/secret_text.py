"""Secrets that stand in a text under their name: `password=x`, `"pin": "1"`, `Bearer x`, a URL's password."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from artis_sdk.logs.secrets import PLACEHOLDER, Secrets

_NAME = re.compile(r"(?<![\w-])(?P<name>[A-Za-z][\w-]*)\\*[\"']?\s*(?:=>|[:=])\s*")
_VALUE = re.compile(
    rf"(?P<done>{PLACEHOLDER})"
    # Quoted, perhaps cut off; then quoted inside a JSON string.
    r"|\"(?P<double>(?:\\.|[^\"\\])*)(?:\"|\\?\Z)"
    r"|'(?P<single>(?:\\.|[^'\\])*)(?:'|\\?\Z)"
    r"|(?P<open>\\+[\"'])(?P<inside>.*?)(?:(?<!\\)(?P=open)|\Z)"
    rf"|(?i:bearer|basic|digest|token)\s+(?P<scheme>{PLACEHOLDER}|"
    r"[^\s\"'\\,;&(){}\[\]]+)"
    # A bare word, without the full stop of its sentence.
    r"|(?P<bare>[^\s\"'\\,;&(){}\[\]]*[^\s\"'\\,;&(){}\[\].:!?])",
    re.DOTALL,
)
_IN_URL = re.compile(rf"://(?:{PLACEHOLDER}|[^/\s:@\[])*:(?P<value>[^/\s@]+)(?=@)")
_NOTHING = frozenset({"none", "null", "true", "false"})


def cover_urls(text: str, known: Secrets) -> str:
    """Replace the passwords of URLs."""
    if "://" not in text:
        return text
    return _IN_URL.sub(lambda found: found[0][: -len(found["value"])] + known.add(found["value"]), text)


def cover_named(text: str, is_secret: Callable[[str], bool], known: Secrets) -> str:
    """Replace the values that follow a secret's name; cut-off texts included."""
    pieces: list[str] = []
    last = 0
    for name in _NAME.finditer(text):
        if name.start() < last or not is_secret(name["name"]):
            continue
        value = _VALUE.match(text, name.end())
        if value is None:
            continue
        start, end = value.span(value.lastgroup or 0)
        pieces += [text[last:start], _stand_in(value, known)]
        last = end
    return "".join([*pieces, text[last:]])


def _stand_in(value: re.Match[str], known: Secrets) -> str:
    group = value.lastgroup
    assert group is not None
    text = value[group]
    if group == "done" or not text or text.lower() in _NOTHING:
        return text
    if group == "bare":
        # It may be prose ("token: expired"), so it is not looked for elsewhere.
        return known.stand_in(text)
    depth = {"double": 1, "inside": 1 + len(value["open"] or "") // 2}.get(group, 0)
    return known.add(_unescape(text, depth))


def _unescape(text: str, depth: int) -> str:
    """The string behind a quoted piece of JSON; the text as it is where it is no valid escape."""
    for _ in range(depth):
        try:
            plain = json.loads(f'"{text}"', strict=False)
        except ValueError:
            break
        text = str(plain)
    return text
